/**
 * Mounted stores whose records were written by hand to attack: whoever walks them gets what is sound of them and errors for the
 * rest; the server serves on, and nothing outside of the store is touched. By root, and by a user through fusermount3.
 */
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { openStore } from '../../src/engine/store.ts'
import { makeFileSystem } from '../../src/fs/attach.ts'
import { DIRENT_SIZE } from '../../src/fs/dirent.ts'
import { createFsShared } from '../../src/fs/shared.ts'
import { endMachines, PrivateMachine, ROOT, USER, whyNot } from './private-machine.ts'
import { canMount, cleanUp, holtfs, RealMount, run, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(endMachines)
anyTest.after.always(cleanUp)

const CALLER = { uid: 0, gid: 0, pid: 1, umask: 0, killsPrivileges: false, tookPrivilegesOf: 0 }
const number = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
const key = (kind: string, ...parts: (number | string)[]) =>
  Buffer.concat([
    Buffer.from(kind),
    ...parts.map(part => (typeof part === 'number' ? number(part) : Buffer.from(part))),
  ])
const dirent = (ino: number, type: number, cookie: number) => {
  const bytes = Buffer.alloc(DIRENT_SIZE)
  bytes.writeBigUInt64LE(BigInt(ino), 0)
  bytes.writeBigUInt64LE(BigInt(cookie), 8)
  bytes[16] = type
  return bytes
}
const entry = (ino: number, type: number, name: string) => {
  const bytes = Buffer.alloc(9 + name.length)
  bytes.writeBigUInt64LE(BigInt(ino), 0)
  bytes[8] = type
  bytes.write(name, 9, 'latin1')
  return bytes
}

/** Makes the store in `directory`, which does not exist yet; what is sound in it is the file `sound`. */
function attack(directory: string, outside: string): void {
  const store = openStore(directory, { background: false, poolBytes: 8 << 20 })
  const fs = makeFileSystem({ store: store.share(), shared: createFsShared(), directory, readOnly: false }, store.tree)
  fs.format(process.geteuid!(), process.getegid!())
  const attr = Buffer.alloc(88)
  const make = (parent: number, name: string, mode: number) => {
    if ((mode & 0o170000) === 0o040000) fs.mkdir(CALLER, parent, Buffer.from(name), mode, attr, 0)
    else fs.mknod(CALLER, parent, Buffer.from(name), mode, mode & 0o20000 ? 0x103 : 0, attr, 0)
    return Number(attr.readBigUInt64LE(0))
  }
  const { tree } = store
  const record = (ino: number) => Buffer.from(tree.get(key('i', ino))!)
  const change = (ino: number, edit: (record: Buffer) => void) => {
    const bytes = record(ino)
    edit(bytes)
    tree.put(key('i', ino), bytes)
  }
  const sound = make(1, 'sound', 0o100644)
  fs.write(CALLER, sound, 0, Buffer.from('sound'))
  const file = (name: string, bytes: number) => {
    const ino = make(1, name, 0o100644)
    fs.write(CALLER, ino, 0, Buffer.alloc(bytes, 'x'))
    return ino
  }

  // Names that lead out, stand for something else, or are none. Each directory lists one.
  for (const [i, name] of [
    '../outside',
    `../../..${outside}`,
    '..',
    '.',
    '',
    '/etc/passwd',
    'nul\0nul',
    '\x1b[31mred',
    'x'.repeat(3000),
  ].entries()) {
    const directory = make(1, `names${i}`, 0o040755)
    tree.put(key('e', directory, 100), entry(sound, 8, name))
    if (name.length < 300)
      tree.put(Buffer.concat([Buffer.from(`d/names${i}/`), Buffer.from(name)]), dirent(sound, 8, 100))
  }
  // Directories that are above themselves, the root under another name, a directory with two names.
  const above = make(1, 'above', 0o040755)
  const below = make(above, 'below', 0o040755)
  change(above, bytes => bytes.writeBigUInt64LE(BigInt(below), 112))
  tree.put(Buffer.from('d/rootagain'), dirent(1, 4, 200))
  tree.put(key('e', 1, 200), entry(1, 4, 'rootagain'))
  tree.put(Buffer.from('d/again'), dirent(above, 4, 201))
  tree.put(key('e', 1, 201), entry(above, 4, 'again'))
  // Numbers that cannot be, and data ids of nowhere.
  change(file('negative', 100), bytes => bytes.writeBigInt64LE(-5n, 8))
  change(file('endless', 20_000), bytes => bytes.writeBigUInt64LE(2n ** 53n - 1n, 8))
  change(file('toobig', 20_000), bytes => bytes.writeBigUInt64LE(2n ** 63n, 8))
  change(file('inlinesize', 100), bytes => bytes.writeBigUInt64LE(60_000n, 8))
  change(file('nodata', 20_000), bytes => bytes.writeBigUInt64LE(0xfff_ffffn, 96))
  change(file('dataid', 20_000), bytes => bytes.writeBigUInt64LE(2n ** 64n - 1n, 96))
  change(file('sametoo', 20_000), bytes => record(file('same', 20_000)).copy(bytes, 96, 96, 104))
  change(file('typeless', 100), bytes => bytes.writeUInt32LE(0o070644, 60))
  change(file('otherino', 100), bytes => bytes.writeBigUInt64LE(1n, 0))
  change(file('attributes', 100), bytes => bytes.writeUInt8(0xff, 91))
  tree.put(Buffer.from('d/nowhere'), dirent(123_456, 8, 300))
  tree.put(key('e', 1, 300), entry(123_456, 8, 'nowhere'))
  // Links that are too long, or lead out: leading out is what links may do, as their reader.
  for (const [name, target] of [
    ['longlink', 'x'.repeat(5000)],
    ['hugelink', 'x'.repeat(60_000)],
    ['outlink', outside],
  ]) {
    fs.symlink(CALLER, 1, Buffer.from(name), Buffer.from('short'), attr, 0)
    const ino = Number(attr.readBigUInt64LE(0))
    tree.put(key('b', ino), Buffer.from(target))
    change(ino, bytes => bytes.writeBigUInt64LE(BigInt(Math.min(target.length, 4095)), 8))
  }
  // A setuid program of root, and a device.
  const setuid = make(1, 'setuid', 0o104755)
  change(setuid, bytes => {
    bytes.writeUInt32LE(0o104755, 60)
    bytes.writeUInt32LE(0, 68)
  })
  fs.write(CALLER, setuid, 0, Buffer.from('#!/bin/sh\nid -u\n'))
  change(setuid, bytes => bytes.writeUInt32LE(0o104755, 60))
  make(1, 'device', 0o020666)
  store.close()
}

/** Touches all that there is in the working directory, and says nothing of what fails. Ends, whatever it meets. */
const WALK = `
  ls -laR . ; find . -printf '%p %l %s\\n'
  for f in *; do
    [ "$f" = outlink ] && continue
    getfattr -d -m - "$f"; head -c 100000 "$f" | wc -c; tail -c 10 "$f" | wc -c; readlink "$f"
    chmod 700 "$f"; mv "$f" "$f.moved"; mv "$f.moved" "$f"
    echo more >> "$f"; truncate -s 5 "$f"; truncate -s 9000 "$f"; ln "$f" "$f.linked"; mkdir "$f/new"; touch "$f/file"; ls "$f/"
    rm -f "$f.linked" "$f/file"; rmdir "$f/new"
  done`
const QUIETLY = `timeout 120 bash -c '${WALK.replaceAll("'", "'\\''")}' > ../walk.log 2>&1 || [ $? != 124 ]; cat sound`

test('root mounts a store made to attack', async t => {
  t.timeout(300_000)
  const mount = new RealMount('hostile')
  const outside = join(mount.directory, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'precious'), 'precious')
  attack(mount.store, outside)
  await mount.mount('-o', 'nosuid,nodev')
  const server = mount.serverPid()
  const fingerprint = () =>
    sh('find outside -printf "%p %m %s %T@ %u\\n"; cat outside/precious; ls -A', mount.directory)
  await sh('touch walk.log', mount.directory)
  const before = await fingerprint()
  t.regex(await sh(QUIETLY, mount.path), /sound|more/)
  t.is(await fingerprint(), before, 'nothing outside has changed')
  for (const name of [
    'negative',
    'toobig',
    'typeless',
    'otherino',
    'inlinesize',
    'dataid',
    'names2/../names4',
    'nowhere',
  ]) {
    const { code, err } = await run('ls', ['-la', join(mount.path, name)])
    t.true(code === 0 || /Input\/output error|cannot/.test(err), `${name}: ${err}`)
  }
  for (const name of ['longlink', 'hugelink'])
    t.regex((await run('readlink', ['-v', join(mount.path, name)])).err, /Input\/output error/)
  t.is(mount.serverPid(), server, 'the same server all the time')
  await mount.umount()
  const { code, out, err } = await holtfs('check', mount.store)
  t.is(code, 1)
  t.notRegex(out + err, /[^\P{Cc}\n]/u, 'what a terminal would obey is not printed as it is')
  t.deepEqual(readdirSync(mount.directory).sort(), ['mnt', 'outside', 'store', 'walk.log'])
})

test('files of a store that claim to be larger than memory', async t => {
  const mount = new RealMount('hostile')
  await mount.mount()
  await sh('echo text > file', mount.path)
  await mount.kill()
  await mount.detach()
  await sh('cp -a store intact', mount.directory)
  for (const file of ['manifest', 'wal/*', 'frames.dat']) {
    await sh(`rm -rf store; cp -a intact store; truncate -s 1T store/${file}`, mount.directory)
    const { code, err } = await holtfs('mount', mount.store, mount.path)
    if (code === 0) {
      t.is(await sh('cat file', mount.path), 'text\n', file)
      await mount.umount()
    } else t.regex(err, /^holtfs: [^\n]*(damaged|more than any)[^\n]*\n$/, file)
  }
})

const asUser = whyNot === '' ? anyTest.serial : anyTest.serial.skip

asUser('a user mounts one: no program of root in it gets its rights, no device works', async t => {
  t.timeout(300_000)
  const machine = await PrivateMachine.start()
  await machine.mkdir(USER, 'mnt')
  const store = join(machine.directory, 'made')
  attack(store, '/etc')
  cpSync(store, join(machine.home, 'store'), { recursive: true })
  await machine.ok(ROOT, `chown -R ${USER}:${USER} store; chmod 700 store`)
  await machine.ok(USER, 'holtfs mount store mnt')
  t.regex(await machine.mounted('mnt'), /nosuid,nodev/)
  t.is(await machine.ok(USER, 'stat -c "%a %u" mnt/setuid'), '4755 0\n')
  t.is(await machine.ok(USER, 'mnt/setuid'), `${USER}\n`)
  t.regex((await machine.as(USER, 'head -c 1 mnt/device')).err, /Permission denied/)
  await machine.as(USER, `cd mnt; ${QUIETLY}`)
  t.is(await machine.ok(USER, 'cat mnt/sound | head -c 5'), 'sound')
  await machine.ok(USER, 'holtfs umount mnt')
})
