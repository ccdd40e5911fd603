/** Statistics that are asked for while the server of a mount is being replaced wait for the next one, and do not lock it out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest from 'ava'
import { canMount, cleanUp, holtfs, RealMount, sh } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

test('everybody who asks gets an answer, and no server ends for it', async t => {
  t.timeout(120_000)
  const mount = new RealMount('asked')
  await mount.mount()
  await sh('echo text > file', mount.path)
  const servers = new Set<number>()
  for (let kill = 0; kill < 3; kill++) {
    servers.add(mount.killServer())
    const answers = await Promise.all(
      [mount.store, mount.path, mount.store].map(what => holtfs('stats', what, '--json')),
    )
    for (const { code, out, err } of answers) t.true(code === 0 && JSON.parse(out).requests.all >= 0, `${err}${out}`)
    t.is(await sh('cat file', mount.path), 'text\n')
  }
  const log = readFileSync(join(mount.store, 'holtfs.log'), 'utf8')
  t.is(log.match(/was ended by SIGKILL/g)?.length, servers.size, log)
  t.notRegex(log, /in use by|ended with/)
  await mount.umount()
  await mount.check()
})
