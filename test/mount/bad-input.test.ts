/**
 * What the command line does with what it cannot use: one line on stderr that begins with "holtfs: ", exit code 1 (2 for
 * wrong usage, 3 for what `check` cannot check), and nothing on disk changed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import anyTest, { type ExecutionContext } from 'ava'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, holtfs, RealMount, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** Every name below a directory with type, mode, size and bytes; what says who used it last is left out. */
function fingerprint(directory: string): Promise<string> {
  return sh(
    `find . -not -path './store/lock' -not -path './store/holtfs.log' -not -path './mnt/*' -printf '%P %y %m %l\\n' | sort
     find . -type f -not -path './store/lock' -not -path './store/holtfs.log' -not -path './mnt/*' -print0 | sort -z | xargs -0 -r sha256sum`,
    directory,
  )
}

/** Runs a command that must fail properly and leave `mount.directory` as it is. Returns its line. */
async function refused(t: ExecutionContext, mount: RealMount, ...argv: string[]): Promise<string> {
  const before = await fingerprint(mount.directory)
  const { code, out, err } = await holtfs(...argv)
  const what = argv.join(' ')
  if (argv[0] === 'check' && code === 1) {
    t.is(err, '', what)
    t.regex(out, /^HOLT_[A-Z_]+: [^\n]+\n[^\n]*: 1 problem [^\n]*\n$|^FRAME_UNREADABLE/, what)
  } else {
    t.is(code, argv[0] === 'check' ? 3 : 1, `${what}: ${err}`)
    t.is(out, '', what)
    t.regex(err, /^holtfs: [^\n]+\n$/, what)
  }
  t.is(await fingerprint(mount.directory), before, `${what} changes nothing`)
  return out + err
}

test('mount points that cannot be used', async t => {
  const mount = new RealMount('bad')
  await sh('echo text > file', mount.directory)
  const { directory, store, path } = mount
  t.regex(await refused(t, mount, 'mount', store, join(directory, 'absent')), /absent does not exist/)
  t.regex(await refused(t, mount, 'mount', store, join(directory, 'file')), /file is not a directory/)
  t.regex(await refused(t, mount, 'mount', join(directory, 'new/deep/store'), join(directory, 'absent')), /absent/)
  t.regex(await refused(t, mount, 'mount', '/proc/absent/store', path), /ENOENT.*mkdir '\/proc\/absent'/)
  await mount.mount()
  t.regex(await refused(t, mount, 'mount', `${store}-2`, path), /mnt is already a fuse\.holtfs mount of .*store/)
  await mount.umount()
  for (const [name, message] of [
    ['absent', /absent does not exist/],
    ['file', /file is not a holtfs mount/],
    ['mnt', /mnt is not a holtfs mount: nothing is mounted there/],
  ] as const) {
    t.regex(await refused(t, mount, 'umount', join(directory, name)), message)
  }
})

test('no FUSE device, and no right to open it', async t => {
  const { directory } = new RealMount('bad')
  const main = join(PROJECT, 'dist/cli/main.js')
  const attempt = (how: string) => `unshare -m sh -c '
      mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9 &&
      ${how} ${process.execPath} ${main} mount store mnt 2>&1; echo exit $?'`
  await sh('mkdir -p mnt && chmod 1777 .', directory)
  const before = await fingerprint(directory)
  const withoutDevice = await sh(attempt(''), directory)
  t.regex(withoutDevice, /^holtfs: \/dev\/fuse is missing; [^\n]+\nexit 1\n$/)
  const asNobody = 'mknod -m 600 /dev/fuse c 10 229 && setpriv --reuid 65534 --regid 65534 --clear-groups'
  const withoutRight = await sh(attempt(asNobody), directory)
  t.regex(withoutRight, /^holtfs: no permission to open \/dev\/fuse; [^\n]+\nexit 1\n$/)
  t.is(await fingerprint(directory), before)
})

test('a store and a mount point that lie inside each other', async t => {
  const mount = new RealMount('bad')
  const { directory, store, path } = mount
  t.regex(await refused(t, mount, 'mount', path, path), /mnt/)
  t.regex(await refused(t, mount, 'mount', join(path, 'store'), path), /mnt/)
  await mount.mount()
  await mount.umount()
  t.regex(await refused(t, mount, 'mount', store, store), /store/)
  t.regex(await refused(t, mount, 'mount', store, join(store, 'wal')), /store/)
  t.regex(await refused(t, mount, 'mount', store, directory), /store/)
})

test('directories that are no store', async t => {
  const mount = new RealMount('bad')
  const { directory, path } = mount
  await sh('echo text > file; mkdir foreign empty; echo text > foreign/letter', mount.directory)
  t.regex(await refused(t, mount, 'mount', join(directory, 'file'), path), /file.* not a directory/)
  t.regex(await refused(t, mount, 'mount', join(directory, 'foreign'), path), /foreign is not empty and not a store/)
  t.regex(await refused(t, mount, 'mount', join(directory, 'file/below'), path), /below/)
  t.regex(await refused(t, mount, 'mount', '--read-only', join(directory, 'absent'), path), /absent/)
  t.regex(await refused(t, mount, 'mount', '--read-only', join(directory, 'empty'), path), /empty/)
  for (const name of ['file', 'foreign', 'empty', 'absent']) {
    t.regex(await refused(t, mount, 'check', join(directory, name)), new RegExp(name))
  }
})

test('a store that another process uses: the message names it, and its owner goes on', async t => {
  const mount = new RealMount('bad')
  await mount.mount()
  await sh('echo one > file; mkdir ../other', mount.path)
  const server = mount.serverPid()
  const [supervisor] = mount.processes()
  for (const argv of [
    ['mount', mount.store, join(mount.directory, 'other')],
    ['mount', '--read-only', mount.store, join(mount.directory, 'other')],
    ['check', mount.store],
  ]) {
    const { code, err } = await holtfs(...argv)
    t.is(code, argv[0] === 'check' ? 3 : 1)
    t.regex(err, new RegExp(`^holtfs: [^\n]* in use by process ${supervisor}[^\n]*\n$`))
    t.is(mount.serverPid(), server)
  }
  t.is(await sh('echo two >> file; cat file', mount.path), 'one\ntwo\n')
  await mount.umount()
  await mount.check()
})

test('a mount whose server was killed is told apart, unmounted and mounted again', async t => {
  const mount = new RealMount('bad')
  await mount.mount()
  await sh('echo one > file', mount.path)
  await mount.kill()
  const again = await holtfs('mount', mount.store, mount.path)
  t.is(again.code, 1)
  t.regex(again.err, /^holtfs: [^\n]*mnt is already a fuse\.holtfs mount[^\n]*holtfs umount [^\n]*\n$/)
  await mount.check()
  await mount.umount()
  await mount.mount()
  t.is(await sh('cat file', mount.path), 'one\n')
  await mount.umount()
  await mount.check()
})

/** Writes the little-endian word at `at` and, behind the 28 bytes that it sums, the checksum. */
function patchHeader(path: string, at: number, word: number): void {
  const bytes = readFileSync(path)
  bytes.writeUInt32LE(word, at)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28)
  writeFileSync(path, bytes)
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at < 0 ? bytes.length + at : at] ^= 1
  writeFileSync(path, bytes)
}

test('stores that are damaged or newer are refused as they are', async t => {
  t.timeout(300_000)
  const mount = new RealMount('bad')
  const { store, path } = mount
  const write = (name: string) => sh(`for i in $(seq 100); do echo $i > ${name}-$i; done`, path)
  // A checkpoint; a log that a kill left, durable in its first half; the log of the run after that, killed as well.
  await mount.mount()
  await write('a')
  await sh('head -c 100000 /dev/urandom > large', path)
  await mount.umount()
  await mount.mount()
  await write('b')
  await mount.kill()
  await mount.detach()
  await mount.mount()
  await write('c')
  await sh('sync c-1', path)
  await write('d')
  await mount.kill()
  await mount.detach()
  await sh('cp -a store intact', mount.directory)

  const [last, middle] = (await sh('ls -r wal', store)).split('\n').map(name => join(store, 'wal', name))
  const manifest = join(store, 'manifest')
  const frames = join(store, 'frames.dat')
  const damages: [string, () => unknown, RegExp][] = [
    ['a newer manifest', () => patchHeader(manifest, 8, 7), /format 7.*use a newer holtfs/],
    ['a newer log', () => patchHeader(last, 8, 7), /format 7/],
    ['a manifest without its header', () => flip(manifest, 3), /manifest.*damaged/],
    ['a manifest whose first record is damaged', () => flip(manifest, 40), /manifest: it holds no checkpoint/],
    ['an empty manifest', () => writeFileSync(manifest, ''), /manifest.*damaged/],
    ['a manifest of zeros', () => writeFileSync(manifest, Buffer.alloc(96)), /manifest.*damaged/],
    ['no manifest', () => sh('rm manifest', store), /manifest is missing.*check --repair/],
    ['a damaged frame', () => damageFrames(frames), /frames\.dat.*checksum/],
    ['no frames', () => writeFileSync(frames, ''), /frames\.dat.*ends before/],
    ['a missing frame file', () => sh('rm frames.dat', store), /frames\.dat is missing/],
    ['a log segment that is missing', () => sh(`rm '${middle}'`, store), /missing/],
    ['no log', () => sh('rm -r wal', store), /missing/],
    ['a log without its header', () => flip(last, 20), /wal.*damaged at byte 0/],
    ['a damaged record in a log that was continued', () => flip(middle, 2000), /wal.*damaged at byte/],
    ['a damaged record that was durable', () => flip(last, 2000), /wal.*damaged at byte/],
  ]
  for (const [what, damage, message] of damages) {
    await sh('rm -rf store; cp -a intact store', mount.directory)
    await damage()
    for (const argv of [
      ['mount', store, path],
      ['mount', '--read-only', store, path],
      ['check', store],
    ]) {
      t.regex(await refused(t, mount, ...argv), message, `${what}: ${argv[0]}`)
    }
  }

  await sh('rm -rf store; cp -a intact store', mount.directory)
  await mount.check()
  await mount.mount()
  t.is(await sh('cat [abcd]-* | sort -n | uniq -c | grep -vc "^ *4 " || true', path), '0\n')
  t.is(await sh('ls | wc -l', path), '401\n')
  await mount.umount()
  await mount.check()
})

/** One bit in every page that holds something. */
function damageFrames(path: string): void {
  const bytes = readFileSync(path)
  for (let page = 4096; page < bytes.length; page += 4096) bytes[page + 16] ^= 1
  writeFileSync(path, bytes)
}

test('wrong usage exits with 2 and says what is wrong and where to read on; an empty path is not the working directory', async t => {
  const cases = [
    ['mount'],
    ['mount', 'store'],
    ['mount', 'store', 'mnt', 'more'],
    ['mount', 'store', 'mnt', '--nonsense'],
    ['mount', 'store', 'mnt', '--workers', 'many'],
    ['mount', 'store', 'mnt', '--workers', '0'],
    ['mount', 'store', 'mnt', '--pool', '1'],
    ['mount', 'store', 'mnt', '--durability', 'never'],
    ['mount', 'store', 'mnt', '--transport', 'pigeon'],
    ['umount'],
    ['umount', 'mnt', 'more'],
    ['mount', '', 'mnt'],
    ['mount', 'store', ''],
    ['umount', ''],
    ['check', ''],
    ['stats', ''],
    ['check'],
    ['check', 'store', 'more'],
    ['check', 'store', '--nonsense'],
    ['nonsense'],
  ]
  for (const argv of cases) {
    const { code, err } = await holtfs(...argv)
    t.is(code, 2, argv.join(' '))
    t.regex(err, /^holtfs: [^\n]+\n(.*\n)*.*holtfs COMMAND --help/, argv.join(' '))
  }
})
