/**
 * What the kernel keeps for a day is right at any moment: attributes under all names of a file, those of the directories of
 * a change, names that were missing, listings, contents and link targets. Each step is looked at before and after.
 */
import anyTest from 'ava'
import { canMount, cleanUp, RealMount, succeed } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** Prints one line for each expectation that does not hold. */
const SCRIPT = `
import ctypes, os, sys, time
os.chdir(sys.argv[1])
def see(p):
    s = os.stat(p, follow_symlinks=False)
    return s.st_nlink, s.st_ctime_ns, s.st_mtime_ns, s.st_size
def step(what, change, *paths):
    """Attributes before (so that they are cached) and after."""
    before = [see(p) if os.path.lexists(p) else None for p in paths]
    time.sleep(0.012)
    change()
    return [(b, see(p) if os.path.lexists(p) else None) for b, p in zip(before, paths)]
def expect(what, holds):
    if not holds: print(what)
def newer(pair): return pair[1][1] > pair[0][1]
def moved(pair): return newer(pair) and pair[1][2] > pair[0][2]
def links(pair): return pair[1][0] - pair[0][0]

for d in ('a', 'b'): os.mkdir(d)
open('a/f', 'w').write('one')
f, a, b = step('link', lambda: os.link('a/f', 'b/g'), 'a/f', 'a', 'b')
expect('link: other name', links(f) == 1 and newer(f))
expect('link: directories', moved(b) and not newer(a))
g, a, b = step('rename', lambda: os.rename('b/g', 'a/h'), 'a/f', 'a', 'b')
expect('rename of one name: the other', links(g) == 0 and newer(g))
expect('rename: directories', moved(a) and moved(b))
f, a = step('unlink', lambda: os.unlink('a/h'), 'a/f', 'a')
expect('unlink of one name: the other', links(f) == -1 and newer(f) and moved(a))
os.link('a/f', 'a/h'); open('b/x', 'w').write('x')
f, = step('rename over', lambda: os.rename('b/x', 'a/h'), 'a/f')
expect('rename over one name: the other', links(f) == -1 and newer(f))
os.link('a/f', 'b/f2')
f, = step('write', lambda: open('b/f2', 'a').write('two'), 'a/f')
expect('write through another name', f[1][3] == 6 and moved(f) and open('a/f').read() == 'onetwo')
f, = step('chmod', lambda: os.chmod('b/f2', 0o600), 'a/f')
expect('chmod through another name', newer(f) and os.stat('a/f').st_mode & 0o777 == 0o600)
fd = os.open('a/f', os.O_RDWR)
os.unlink('a/f'); os.unlink('b/f2')
expect('unlinked while open', os.fstat(fd).st_nlink == 0 and os.pread(fd, 9, 0) == b'onetwo')
os.pwrite(fd, b'six', 6); expect('written after that', os.fstat(fd).st_size == 9 and os.pread(fd, 9, 0) == b'onetwosix')
expect('opened again', open('/proc/self/fd/%d' % fd).read() == 'onetwosix')
os.close(fd)

expect('missing name', not os.path.exists('a/later'))
open('a/later', 'w').close()
expect('it has come', os.path.exists('a/later'))
os.rename('a/later', 'b/later')
expect('it has gone', not os.path.exists('a/later') and os.path.exists('b/later'))

a, root = step('mkdir', lambda: os.mkdir('a/sub'), 'a', '.')
expect('mkdir: nlink and times of the directory', links(a) == 1 and moved(a) and not newer(root))
a, b, sub = step('rename of a directory', lambda: os.rename('a/sub', 'b/sub'), 'a', 'b', 'b')
expect('rename of a directory: nlink of both', links(a) == -1 and links(b) == 1)
expect('its parent', os.stat('b/sub/..').st_ino == os.stat('b').st_ino)
b, = step('rmdir', lambda: os.rmdir('b/sub'), 'b')
expect('rmdir: nlink', links(b) == -1 and moved(b))

os.symlink('one', 's'); expect('target', os.readlink('s') == 'one')
os.unlink('s'); os.symlink('two', 's'); expect('target of its successor', os.readlink('s') == 'two')

os.mkdir('list')
listed = lambda: sorted(os.listdir('list'))
expect('empty', listed() == [] and listed() == [])
open('list/1', 'w').close(); expect('listed after create', listed() == ['1'] and listed() == ['1'])
os.rename('list/1', 'list/2'); expect('after rename', listed() == ['2'])
os.link('list/2', 'list/3'); os.symlink('x', 'list/4'); os.mkdir('list/5'); expect('after link', listed() == ['2', '3', '4', '5'])
os.rename('list/3', 'b/3'); os.unlink('list/4'); os.rmdir('list/5'); expect('after removals', listed() == ['2'])
fds = [os.open('list', os.O_RDONLY) for _ in range(2)]
expect('through two descriptors', os.listdir(fds[0]) == ['2'] and os.listdir(fds[1]) == ['2'])
os.unlink('list/2'); expect('after a change, through a descriptor', os.listdir(fds[0]) == [])

libc = ctypes.CDLL(None, use_errno=True)
for stat, parent in ((0o100644, 'b'), (0o100600, '.')):
    open(parent + '/t', 'w').write('12345')
    os.chmod(parent + '/t', stat)
    os.truncate(parent + '/t', 2); expect('truncated', open(parent + '/t').read() == '12' and os.stat(parent + '/t').st_size == 2)
    open(parent + '/t', 'w').close(); expect('O_TRUNC', os.stat(parent + '/t').st_size == 0 and open(parent + '/t').read() == '')
`

test('what the kernel keeps is right after every change', async t => {
  const mount = new RealMount('cache')
  await mount.mount('--workers', '2')
  t.is(await succeed('python3', ['-c', SCRIPT, mount.path]), '')
  await mount.umount()
  await mount.check()
})

/** Takes handles of some files, or opens them and prints what is there. */
const HANDLES = `
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
class Handle(ctypes.Structure):
    _fields_ = [('bytes', ctypes.c_uint), ('type', ctypes.c_int), ('data', ctypes.c_ubyte * 128)]
os.chdir(sys.argv[1])
if sys.argv[2] == 'take':
    taken = {}
    for path in ('.', 'd', 'd/e/f', 'gone'):
        handle, mount = Handle(128), ctypes.c_int()
        if libc.name_to_handle_at(-100, path.encode(), ctypes.byref(handle), ctypes.byref(mount), 0) != 0:
            sys.exit(path + ': ' + os.strerror(ctypes.get_errno()))
        taken[path] = [handle.type, bytes(handle.data[:handle.bytes]).hex()]
    print(json.dumps(taken))
else:
    root = os.open('.', os.O_RDONLY)
    for path, (kind, data) in json.loads(sys.argv[3]).items():
        raw = bytes.fromhex(data)
        handle = Handle(len(raw), kind)
        ctypes.memmove(handle.data, raw, len(raw))
        fd = libc.open_by_handle_at(root, ctypes.byref(handle), os.O_RDONLY)
        if fd < 0: print(path, os.strerror(ctypes.get_errno()))
        elif os.path.isdir('/proc/self/fd/%d' % fd): print(path, *sorted(os.listdir(fd)))
        else: print(path, os.read(fd, 99).decode())
`

test('file handles open what they were taken of, also after a restart of the server', async t => {
  const mount = new RealMount('handles')
  await mount.mount()
  await succeed('/bin/bash', ['-ec', 'cd "$0"; mkdir -p d/e; echo -n text > d/e/f; touch gone', mount.path])
  const taken = (await succeed('python3', ['-c', HANDLES, mount.path, 'take'])).trim()
  const open = () => succeed('python3', ['-c', HANDLES, mount.path, 'open', taken])
  await succeed('/bin/bash', ['-ec', 'cd "$0"; mv d/e moved; rm gone', mount.path])
  const expected = '. d moved\nd\nd/e/f text\ngone Stale file handle\n'
  t.is(await open(), expected)
  await succeed('mount', ['-i', '-o', 'remount', mount.path])
  t.is(await open(), expected, 'after the kernel has forgotten all inodes')
  await mount.checkBetween()
  t.is(await open(), expected, 'after a restart')
  await mount.umount()
})
