/** Files without a name keep their bytes while they are open, whatever else is forgotten, and give them back when they are closed. */
import { setTimeout as sleep } from 'node:timers/promises'
import anyTest from 'ava'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

/** Milliseconds: the server collects every second. */
const HELD = 4000
const PATIENCE = 60_000

test('open files without a name outlive the collections of others, and leave nothing behind', async t => {
  t.timeout(2 * PATIENCE)
  const mount = new RealMount('nameless')
  await mount.mount('--workers', '2')
  const dataFiles = () => sh('{ find data -type f 2>/dev/null || true; } | wc -l', mount.store).then(Number)
  const counts: number[] = []
  let done = false
  const client = succeed(...program('./nameless-client', mount.path, String(HELD))).finally(() => {
    done = true
  })
  while (!done) {
    counts.push(await dataFiles())
    await sleep(100)
  }
  t.deepEqual(JSON.parse(await client), { unlinked: true, nameless: true, linked: 0 })
  t.true(Math.max(...counts) >= 2, 'two are open')
  t.true(
    counts.some((count, i) => i > 0 && count < counts[i - 1]),
    'others were collected meanwhile',
  )

  const end = Date.now() + PATIENCE
  while ((await dataFiles()) > 1 && Date.now() < end) await sleep(100)
  t.is(await dataFiles(), 1, 'what has a name stays')
  t.is(await sh('ls -A', mount.path), 'named\n')
  await mount.umount()
  await mount.check()
})
