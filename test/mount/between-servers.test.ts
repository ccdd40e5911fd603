/**
 * While no server runs the mount is still one: its store stays locked, `holtfs umount` returns when all of it is gone, and a
 * signal ends it. What stands by goes with it, however the supervisor ends.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest from 'ava'
import { canMount, cleanUp, holtfs, RealMount, run, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** A mount whose servers end before they come to serve, until the test says otherwise. */
async function mountWithoutServer(name: string): Promise<{ mount: RealMount; supervisor: number; serve(): void }> {
  const mount = new RealMount(name)
  await mount.mount()
  await sh('echo text > file', mount.path)
  const [supervisor] = mount.processes()
  let isHeld = true
  const hold = async () => {
    while (isHeld) {
      for (const pid of mount.processes()) if (isServer(pid)) end(pid)
      await sleep(1)
    }
  }
  void hold()
  return {
    mount,
    supervisor,
    serve: () => {
      isHeld = false
    },
  }
}

/** Not a command that looks at the store. */
function isServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('fs/server.js')
  } catch {
    return false
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

test('nobody else opens the store', async t => {
  t.timeout(60_000)
  const { mount, supervisor, serve } = await mountWithoutServer('locked')
  for (const argv of [
    ['check', mount.store],
    ['mount', mount.store, `${mount.directory}/store`],
  ]) {
    const { code, err } = await holtfs(...argv)
    t.not(code, 0)
    if (argv[0] === 'check') t.regex(err, new RegExp(`in use by process ${supervisor}`))
  }
  serve()
  t.is(await sh('cat file && stat -f . > /dev/null', mount.path), 'text\n')
  await mount.umount()
  await mount.check()
})

test('umount returns when every process of the mount has ended', async t => {
  t.timeout(60_000)
  const { mount, serve } = await mountWithoutServer('unmounted')
  const unmounting = mount.umount()
  await sleep(100)
  serve()
  await unmounting
  t.deepEqual(mount.processes(), [])
  t.is((await run('mountpoint', ['-q', mount.path])).code, 32)
  await mount.check()
})

test('so does that of a store that is only read, which can be mounted to write then', async t => {
  t.timeout(60_000)
  const mount = new RealMount('read')
  await mount.mount()
  await mount.umount()
  await mount.mount('--read-only')
  while (mount.processes().length < 3) await sleep(10)
  await mount.umount()
  t.deepEqual(mount.processes(), [])
  await mount.mount()
  await mount.umount()
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`what stands by ends with its supervisor, by ${signal}`, async t => {
    t.timeout(60_000)
    const mount = new RealMount('standing by')
    await mount.mount()
    while (mount.processes().length < 3) await sleep(10)
    const [supervisor, server, standby] = mount.processes()
    t.is(mount.serverPid(), server)
    process.kill(supervisor, signal)
    while (mount.processes().includes(standby)) await sleep(10)
    // A server that has lost its supervisor goes on until the mount is taken away.
    if (signal === 'SIGKILL') {
      t.deepEqual(mount.processes(), [server])
      await sh('echo text > file && cat file', mount.path)
      await mount.umount()
    }
    while (mount.processes().length > 0) await sleep(10)
    await mount.check()
  })
}
