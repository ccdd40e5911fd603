/**
 * When servers die again and again, or cannot recover the store, nobody waits for ever: a request that they die of gets EIO
 * and no other does; when there is no serving the store, everything does, the log says why, and the mount can be taken away.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest from 'ava'
import { FUSE_MKDIR } from '../../src/fs/fuse/wire.ts'
import { canMount, cleanUp, holtfs, KILL_TRAP, RealMount, run, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** More than may fail by themselves. */
const STARTS_KILLED = 9
const logOf = (mount: RealMount) => readFileSync(join(mount.store, 'holtfs.log'), 'utf8')

test('a request that every server dies of is answered EIO, and the mount goes on', async t => {
  t.timeout(120_000)
  const mount = new RealMount('poisoned')
  const trap = join(mount.directory, 'trap')
  await mount.mountWith({ NODE_OPTIONS: `--import=${KILL_TRAP}`, HOLTFS_TRAP: trap })
  writeFileSync(trap, `read ${FUSE_MKDIR} always`)
  const poisoned = sh('mkdir poison', mount.path)
  const { message } = await t.throwsAsync(poisoned)
  t.regex(message, /Input\/output error/)
  rmSync(trap)
  await sh('mkdir good && echo text > good/file && [ "$(cat good/file)" = text ] && [ ! -e poison ]', mount.path)
  t.true(logOf(mount).split('was ended by SIGKILL').length > 3)
  await mount.umount()
  await mount.check()
})

test('servers killed as they start, one after the other, cost programs nothing but time', async t => {
  t.timeout(120_000)
  const mount = new RealMount('starting')
  await mount.mount()
  await sh('head -c 100000 /dev/urandom > file', mount.path)
  const before = mount.killServer()
  await mount.ended(before)
  const waiting = sh('stat -f . && mkdir made && cp file made/copy && cmp file made/copy && ls made', mount.path)
  for (let kill = 0; kill < STARTS_KILLED; kill++) {
    const [, server] = await processes(mount, 2)
    process.kill(server, 'SIGKILL')
    await mount.ended(server)
  }
  t.true((await waiting).endsWith('copy\n'))
  t.true(logOf(mount).split('was ended by SIGKILL').length > STARTS_KILLED)
  await mount.umount()
  await mount.check()
})

/** Waits until there are so many of the mount. */
async function processes(mount: RealMount, count: number): Promise<number[]> {
  for (;;) {
    const found = mount.processes()
    if (found.length >= count) return found
    await sleep(2)
  }
}

test('a mount whose store cannot be recovered answers EIO until it is unmounted', async t => {
  t.timeout(120_000)
  const mount = new RealMount('lost')
  await mount.mount()
  await sh('echo text > file', mount.path)
  const manifest = join(mount.store, 'manifest')
  const good = readFileSync(manifest)
  writeFileSync(manifest, Buffer.alloc(good.length, 'damaged'))
  mount.killServer()
  for (const script of ['cat file', 'ls other', 'touch new', 'mkdir d', 'sync -f .']) {
    const { code, err } = await run('/bin/bash', ['-c', `cd "$0" && ${script}`, mount.path])
    // What the kernel remembers it answers itself.
    if (script !== 'cat file') t.not(code, 0, script)
    if (code !== 0) t.regex(err, /Input\/output error/, script)
  }
  t.regex(logOf(mount), /answers EIO from now on: unmount it, and see holtfs check/)
  t.not((await holtfs('check', mount.store)).code, 0)
  t.is((await holtfs('umount', mount.path)).code, 0)
  while (mount.processes().length > 0) await sleep(10)
  writeFileSync(manifest, good)
  await mount.mount()
  t.is(await sh('cat file', mount.path), 'text\n')
  await mount.umount()
  await mount.check()
})

test('a signal ends a mount that nobody serves', async t => {
  t.timeout(120_000)
  const mount = new RealMount('signalled')
  await mount.mount()
  writeFileSync(join(mount.store, 'manifest'), 'damaged')
  mount.killServer()
  const [supervisor] = mount.processes()
  while (!logOf(mount).includes('answers EIO')) await sleep(10)
  process.kill(supervisor, 'SIGTERM')
  while (mount.processes().length > 0) await sleep(10)
  t.is((await run('mountpoint', ['-q', mount.path])).code, 32)
})
