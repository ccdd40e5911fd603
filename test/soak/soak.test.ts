/** The soak for half a minute. HOLTFS_SOAK_MINUTES makes it longer, HOLTFS_SEED repeats a run as far as time allows. */
import anyTest from 'ava'
import { canMount, cleanUp } from '../mount/real-mount.ts'
import { runSoak } from './run.ts'

const MINUTES = Number(process.env.HOLTFS_SOAK_MINUTES ?? 0.3)
const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const test = canMount ? anyTest : anyTest.skip
anyTest.after.always(cleanUp)

test('programs at work while servers are killed', async t => {
  t.timeout(MINUTES * 60_000 + 300_000)
  t.log(`seed ${SEED}`)
  const result = await runSoak({
    duration: MINUTES * 60_000,
    seed: SEED,
    workers: 2,
    killEvery: 3000,
    pool: '4M',
    files: 1500,
    sampleEvery: 1000,
  })
  const { kills, operations, pauses, longestCall } = result
  t.log(`${kills} kills, pauses ${JSON.stringify(pauses)}, longest call ${longestCall} ms`, operations)
  t.deepEqual(result.failures, [])
  t.true(kills > 0)
})
