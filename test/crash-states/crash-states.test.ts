/**
 * What a power cut could leave, of every workload in every mode: each state recovers, holds what was promised and nothing
 * half, and goes on. `npm run crash-states` makes more of them. HOLTFS_STATES sets how many, HOLTFS_SEED repeats a run.
 */
import test from 'ava'
import { WORKLOADS } from './recording.ts'
import { type Failure, namesWith, run } from './run.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? 1)
const STATES = Number(process.env.HOLTFS_STATES ?? 10_000)
let total = 0

for (const workload of WORKLOADS) {
  test.serial(`every state that a power cut could leave of ${workload} recovers to what was promised`, t => {
    t.log(`seed ${SEED}`)
    const failures: Failure[] = []
    const names = namesWith(`${workload}.`).filter(name => name.startsWith(workload))
    const wanted = Math.ceil(STATES / WORKLOADS.length)
    const { states } = run({ states: wanted, seed: SEED, names, onFailure: failure => void failures.push(failure) })
    t.log(`${states} states`)
    total += states
    t.deepEqual(failures.slice(0, 5), [])
    // A small workload may not have as many that differ.
    t.true(states >= wanted / 2, `only ${states} states of ${wanted}`)
  })
}

test.serial('those are as many states as were asked for', t => {
  t.true(total >= STATES, `${total} states of ${STATES}`)
})
