/** A real mount over operations in memory: what the coreutils see, and every way a mount can end. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { canMount, cleanUp, isMounted, MemoryServer, scratch, shell } from './harness.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

test('the coreutils work, and the mount ends cleanly when it is unmounted from outside', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt)
  t.true(await server.ready, server.err)
  const run = async (script: string) => {
    const { code, out, err } = await shell(script, mnt)
    t.is(code, 0, `${script}: ${err}`)
    return out
  }
  t.is(await run('echo hello > a; cat a; echo more >> a; cat a'), 'hello\nhello\nmore\n')
  t.is(await run('stat -c "%F %s %h %a" a'), 'regular file 11 1 644\n')
  t.is(await run('umask 027; touch b; mkdir d; stat -c "%a %h" b d .'), '640 1\n750 2\n755 3\n')
  t.is(await run('ln a l; stat -c "%h %i" a l | uniq -c | wc -l; rm a; stat -c %h l'), '1\n1\n')
  t.is(await run('ln -s "/some where/else" s; readlink s'), '/some where/else\n')
  t.is(await run('mv l d/x; ls; ls -A d; cat d/x'), 'b\nd\ns\nx\nhello\nmore\n')
  t.is(await run('mkfifo f; mknod n c 5 1; stat -c "%F %t,%T" f n; rm f n'), 'fifo 0,0\ncharacter special file 5,1\n')
  t.is(await run('chown 3000000000:4 b; chmod 4711 b; stat -c "%a %u %g" b'), '4711 3000000000 4\n')
  t.is(await run('touch -d "1960-01-02 03:04:05.5 UTC" b; stat -c %.1Y b'), '-315521754.5\n')
  t.is(await run('truncate -s 3 d/x; cat d/x; truncate -s 5 d/x; od -An -c d/x | tr -d " \\n"'), 'helhel\\0\\0')
  t.is(await run('df --output=size,avail -B4096 . | tail -1 | xargs'), `${2 ** 33} ${2 ** 31}\n`)
  t.is(await run('mv b d/x; rm -r d s; ls -A'), '')
  t.is(
    await run('ls nothing 2>&1 || echo now > nothing; cat nothing; rm nothing; ls -A'),
    "ls: cannot access 'nothing': No such file or directory\nnow\n",
  )
  t.regex((await shell('rmdir /tmp/nowhere || mkdir q; mkdir q', mnt)).err, /File exists/)
  t.is((await shell('umount "$PWD" 2>/dev/null || { cd /; umount "$0"; }', mnt)).code, 0)
  t.is(await server.ended, 0)
  t.regex(server.out, /served \d+ requests/)
  t.false(isMounted(mnt))
})

test('three megabytes go through whole, buffered and direct, and names are any bytes up to 255', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt)
  t.true(await server.ready, server.err)
  const { code, out, err } = await shell(
    `head -c 3145729 /dev/urandom > /tmp/holtfs-random.$$
     cp /tmp/holtfs-random.$$ a && cmp a /tmp/holtfs-random.$$ && dd if=a of=c bs=3M iflag=direct status=none && cmp a c
     dd if=/tmp/holtfs-random.$$ of=b bs=1M oflag=direct count=3 status=none && cmp -n 3145728 a b
     rm /tmp/holtfs-random.$$
     n=$(printf 'x%.0s' $(seq 255)); echo 1 > "$n" && cat "$n"
     touch "x$n" 2>&1 | grep -o 'File name too long'; ls "x$n" 2>&1 | grep -o 'File name too long'
     mv a "x$n" 2>&1 | grep -o 'File name too long'
     touch $'\\xff\\xfe *' && ls | LC_ALL=C grep -c $'\\xff\\xfe'`,
    mnt,
  )
  t.deepEqual([code, err], [0, ''])
  t.is(out, '1\nFile name too long\nFile name too long\nFile name too long\n1\n')
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
})

test('a directory of 3000 entries is listed whole, with and without attributes', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt)
  t.true(await server.ready, server.err)
  const script =
    'seq -f "entry-number-%g" 3000 | xargs touch; ls -U | sort | uniq | wc -l; ls -l | grep -c entry; find . | wc -l'
  t.is((await shell(script, mnt)).out, '3000\n3000\n3001\n')
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
})

test('what is not implemented fails with the errno that callers expect', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt)
  t.true(await server.ready, server.err)
  const script = `
import os, errno, fcntl
open('f', 'w').write('x')
def error(call, *args):
    try:
        call(*args)
        return 'ok'
    except OSError as e:
        return errno.errorcode[e.errno]
print(error(os.getxattr, 'f', 'user.a'), error(os.setxattr, 'f', 'user.a', b'1'), error(os.listxattr, 'f'))
fd = os.open('f', os.O_RDWR)
print(error(os.posix_fallocate, fd, 0, 10), error(fcntl.ioctl, fd, 0x12345678))
print(error(os.open, '.', os.O_TMPFILE | os.O_RDWR), error(fcntl.flock, fd, fcntl.LOCK_EX), error(os.access, 'f', os.R_OK))
print(os.lseek(fd, 0, os.SEEK_HOLE), os.fsync(fd), error(os.fsync, os.open('.', os.O_RDONLY)))
`
  const result = await shell(`python3 - <<'END'${script}END`, mnt)
  t.is(result.out, 'ENOTSUP ENOTSUP ENOTSUP\nok ENOTTY\nENOTSUP ok ok\n10 None ok\n', result.err)
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
})

test('two mounts do not see each other', async t => {
  const mounts = [scratch('mount'), scratch('mount')]
  const servers = mounts.map(mnt => new MemoryServer(mnt))
  for (const server of servers) t.true(await server.ready, server.err)
  for (const [i, mnt] of mounts.entries()) await shell(`echo ${i} > file`, mnt)
  for (const [i, mnt] of mounts.entries()) t.is((await shell('cat file', mnt)).out, `${i}\n`)
  servers[0].child.kill('SIGINT')
  t.is(await servers[0].ended, 0)
  t.is((await shell('cat file', mounts[1])).out, '1\n')
  servers[1].child.kill('SIGHUP')
  t.is(await servers[1].ended, 0)
  for (const mnt of mounts) t.false(isMounted(mnt))
})

test('several workers on one device all leave when the mount ends', async t => {
  const mnt = scratch('mount')
  // Each worker has a filesystem of its own here, so only what the root alone answers can be asked.
  const server = new MemoryServer(mnt, { workers: 4 })
  t.true(await server.ready, server.err)
  t.is((await shell('stat -c %i .; df . > /dev/null', mnt)).out, '1\n')
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
})

test('SIGTERM takes the mount away even when files are open', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt)
  t.true(await server.ready, server.err)
  const user = shell('exec 3> open; echo started > /dev/null; sleep 2; echo x >&3', mnt)
  await shell('until [ -e open ]; do sleep 0.05; done', mnt)
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
  t.false(isMounted(mnt))
  t.not((await user).code, 0)
})

test('a programming mistake in a worker ends the process with one line and leaves no mount', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt, { workers: 2, handle: { crashOn: 'poison' } })
  t.true(await server.ready, server.err)
  const user = await shell('stat poison', mnt)
  t.not(user.code, 0)
  t.regex(user.err, /Software caused connection abort|Transport endpoint|Input\/output|No such device/)
  t.is(await server.ended, 1)
  t.is(
    server.err,
    'holtfs: FUSE worker 0 crashed (TypeError: this is a bug); the mount was taken down\n'.replace(
      '0',
      server.err.match(/worker (\d)/)?.[1] ?? '?',
    ),
  )
  t.false(isMounted(mnt))
})

test('a failure of the host is an errno, and the mount goes on', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt, { handle: { failOn: 'full' } })
  t.true(await server.ready, server.err)
  t.regex((await shell('stat full', mnt)).err, /No space left on device/)
  t.is((await shell('echo 1 > a; cat a', mnt)).out, '1\n')
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
})

test('a mount that cannot be says why in one line', async t => {
  const directory = scratch('mount')
  writeFileSync(join(directory, 'file'), '')
  mkdirSync(join(directory, 'dir'))
  const cases: [string, object, RegExp][] = [
    ['absent', {}, /^holtfs: mount point .*absent does not exist; create it first: mkdir -p .*\n$/],
    ['file', {}, /^holtfs: mount point .*file is not a directory\n$/],
    ['dir', { options: ['fd=4'] }, /^holtfs: mount option fd cannot be given; .*\n$/],
    [
      'dir',
      { options: ['no_such_option=1'] },
      /^holtfs: cannot mount on .*dir: the kernel does not know .* no_such_option=1,.*\n$/,
    ],
    ['dir', { module: 'file:///no/such/module.js' }, /^holtfs: FUSE worker 0 crashed \(Error: Cannot find module.*\n$/],
  ]
  for (const [name, overrides, expected] of cases) {
    const server = new MemoryServer(join(directory, name), overrides)
    t.is(await server.ended, 1)
    t.regex(server.err, expected)
    t.false(isMounted(join(directory, name)))
  }
  const first = new MemoryServer(join(directory, 'dir'))
  t.true(await first.ready, first.err)
  const second = new MemoryServer(join(directory, 'dir'))
  t.is(await second.ended, 1)
  t.regex(second.err, /already a fuse.holtfs mount of \/tmp\/memory store; unmount it first/)
  first.child.kill('SIGTERM')
  t.is(await first.ended, 0)
})

test('mount options reach the kernel: ro, nosuid, noexec', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt, { readOnly: true, options: ['nosuid', 'noexec', 'nodev'] })
  t.true(await server.ready, server.err)
  const flags = (await shell('findmnt -no OPTIONS "$PWD"', mnt)).out
  for (const flag of ['ro', 'nosuid', 'noexec', 'nodev', 'default_permissions', 'allow_other']) {
    t.true(flags.trim().split(',').includes(flag), `${flag} in ${flags}`)
  }
  t.regex((await shell('touch a', mnt)).err, /Read-only file system/)
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
})

test('attributes are fresh under every other name and directory, although the kernel may keep them for a day', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt)
  t.true(await server.ready, server.err)
  const script = `mkdir d e; echo abc > a; ln a d/b; ln a e/c; echo x > over; ln over d/over
    stat -c %h a d/b e/c over d/over . d e | xargs
    rm d/b;          stat -c %h a e/c | xargs
    mv over e/c;     stat -c %h a e/c d/over | xargs
    mkdir d/sub;     stat -c %h d e | xargs
    mv d/sub e;      stat -c %h d e e/sub | xargs; ls -id e e/sub/.. | awk '{print $1}' | uniq | wc -l
    rmdir e/sub;     stat -c %h d e | xargs
    echo more >> a;  stat -c %s a; ln a d/again; stat -c %h,%s a d/again | xargs
    truncate -s 1 d/again; stat -c %s a; cat a
    chmod 600 d/again; stat -c %a a; [ -e gone ] || touch gone; stat -c %s gone; rm gone; [ -e gone ] || echo gone`
  const { out, err } = await shell(script, mnt)
  const expected = [
    '3 3 3 2 2 4 2 2',
    '2 2',
    '1 2 2',
    '3 2',
    '2 3 2',
    '1',
    '2 2',
    '9',
    '2,9 2,9',
    '1',
    'a600',
    '0',
    'gone',
  ]
  t.deepEqual(out.trim().split('\n'), expected, err)
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
})

test('a shared mapping is written back when it is closed, and seen by read', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt)
  t.true(await server.ready, server.err)
  const script = `
import mmap, os
fd = os.open('m', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 10000)
m = mmap.mmap(fd, 10000)
m[9990:9993] = b'end'
m.flush()
print(os.pread(fd, 3, 9990), os.stat('m').st_size)
m[0:3] = b'top'
m.close()
os.close(fd)
`
  t.is((await shell(`python3 - <<'END'${script}END`, mnt)).out, "b'end' 10000\n")
  t.is((await shell('sync -f .; dd if=m bs=4096 count=1 iflag=direct status=none | head -c 3', mnt)).out, 'top')
  server.child.kill('SIGTERM')
  t.is(await server.ended, 0)
})

test('process.exit with a live mount takes the mount away instead of hanging', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt, { exitOnTouch: true, workers: 2 })
  t.true(await server.ready, server.err)
  await shell('stat x', mnt)
  t.is(await server.ended, 7)
  t.false(isMounted(mnt))
})

test('a server that was killed leaves a dead mount that can be unmounted', async t => {
  const mnt = scratch('mount')
  const server = new MemoryServer(mnt)
  t.true(await server.ready, server.err)
  server.child.kill('SIGKILL')
  t.is(await server.ended, 'SIGKILL')
  t.true(isMounted(mnt))
  const next = new MemoryServer(mnt)
  t.is(await next.ended, 1)
  t.regex(next.err, /unmount it first/)
  t.is((await shell('umount -c "$0"', '/')).code === 0, false)
  t.is((await shell(`umount '${mnt}'`, '/')).code, 0)
  t.true(existsSync(mnt))
})
