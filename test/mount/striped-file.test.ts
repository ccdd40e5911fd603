/**
 * Several processes change one file at once, each a stripe of its own, served by four workers: none disturbs another. And records
 * that several processes append are all there, whole. HOLTFS_SEED repeats a run, HOLTFS_OPERATIONS (default 200) makes it longer.
 */
import anyTest from 'ava'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'

const OPERATIONS = process.env.HOLTFS_OPERATIONS ?? '200'
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const CLIENTS = 4
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

test('stripes of one file', async t => {
  t.timeout(24 * 3600_000)
  t.log(`HOLTFS_SEED=${SEED}`)
  const mount = new RealMount('striped')
  await mount.mount('--workers', '4')
  await sh('touch file', mount.path)
  const clients = Array.from({ length: CLIENTS }, (_, i) =>
    succeed(...program('striped-client.ts', `${mount.path}/file`, String(i), String(SEED + i), OPERATIONS)),
  )
  await Promise.all(clients)
  const sum = await sh('sha1sum < file', mount.path)
  await mount.checkBetween()
  t.is(await sh('sha1sum < file', mount.path), sum, 'the same after a restart')
  await mount.umount()
})

test('records appended by several processes', async t => {
  const mount = new RealMount('appended')
  await mount.mount('--workers', '4')
  const append = (i: number) => sh(`for n in $(seq 300); do echo "process ${i} record $n" >> log; done`, mount.path)
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => append(i)))
  const lines = (await sh('cat log', mount.path)).trimEnd().split('\n')
  const expected = Array.from({ length: CLIENTS }, (_, i) =>
    Array.from({ length: 300 }, (_, n) => `process ${i} record ${n + 1}`),
  )
  t.deepEqual(lines.sort(), expected.flat().sort())
  await mount.umount()
  await mount.check()
})
