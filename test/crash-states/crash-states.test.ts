/**
 * What a power cut could leave, of every workload: each state recovers, holds what was promised and nothing half, and goes
 * on. `npm run crash-states` makes more of them. HOLTFS_STATES sets how many, HOLTFS_SEED repeats a run.
 */
import test from 'ava'
import { type Failure, run } from './run.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? 1)
const STATES = Number(process.env.HOLTFS_STATES ?? 10_000)

test('every state that a power cut could leave of the workloads recovers to what was promised', t => {
  t.log(`seed ${SEED}`)
  const failures: Failure[] = []
  const { states } = run({ states: STATES, seed: SEED, onFailure: failure => void failures.push(failure) })
  t.log(`${states} states`)
  t.deepEqual(failures.slice(0, 5), [])
  t.true(states >= STATES)
})
