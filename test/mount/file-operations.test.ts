/**
 * Random operations on the bytes of files agree with memory, in two processes at a time with files of their own, and
 * what they have made is there after a restart. HOLTFS_SEED repeats a run, HOLTFS_OPERATIONS (default 700) makes it longer.
 */
import anyTest from 'ava'
import { canMount, cleanUp, program, RealMount, sh, succeed } from './real-mount.ts'

const OPERATIONS = process.env.HOLTFS_OPERATIONS ?? '700'
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

test('writes, mappings, truncations, ranges and copies agree with memory', async t => {
  t.timeout(24 * 3600_000)
  t.log(`HOLTFS_SEED=${SEED}`)
  const mount = new RealMount('file operations')
  await mount.mount()
  await sh('mkdir 0 1', mount.path)
  const clients = [0, 1].map(i =>
    succeed(...program('file-operations.ts', `${mount.path}/${i}`, String(SEED + i), OPERATIONS)),
  )
  const sums = (await Promise.all(clients)).flatMap(out => JSON.parse(out) as string[])
  await mount.checkBetween()
  const found = await sh('sha1sum 0/a 0/b 1/a 1/b', mount.path)
  t.deepEqual(found.match(/^[0-9a-f]{40}/gm), sums)
  await sh('rm -r 0 1', mount.path)
  await mount.umount()
  await mount.check()
})
