/** Records that several processes append to one file, served by four workers, are all there, whole. */
import anyTest from 'ava'
import { canMount, cleanUp, RealMount, sh } from './real-mount.ts'

const CLIENTS = 4
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

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
