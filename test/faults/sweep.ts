/**
 * Runs a scenario again and again, with a fault at its first host call, its second one, and so on until a run meets none.
 * HOLTFS_FAULTS=all tries every call where a test is content with a part of them otherwise; HOLTFS_SEED says which part.
 */
import type { ExecutionContext } from 'ava'
import { seededRandom } from '../support/random.ts'
import { type Expectation, expectationOf, type Fault, runWithFault } from './run.ts'
import { SCENARIOS } from './scenarios.ts'

export const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
const EVERY = process.env.HOLTFS_FAULTS === 'all'

/** The fault of the n-th run; `random` gives numbers in [0, 1). */
export type FaultAt = (n: number, random: () => number) => Fault

/** `stride`: of so many calls in a row one is tried. Logs how many runs there were. */
export function sweep(t: ExecutionContext, faultAt: FaultAt, options: { stride: number; isMapped?: boolean }): void {
  const random = seededRandom(SEED)
  for (const scenario of SCENARIOS) {
    const expected = expectationOf(scenario, options.isMapped ?? false)
    try {
      const runs = sweepOne(t, expected, faultAt, EVERY ? 1 : options.stride, random)
      t.log(`${scenario.name}: ${runs} of ${expected.calls} calls and more have failed, seed ${SEED}`)
      t.true(runs > 2)
    } finally {
      expected.dispose()
    }
  }
}

function sweepOne(
  t: ExecutionContext,
  expected: Expectation & { directory: string },
  faultAt: FaultAt,
  stride: number,
  random: () => number,
): number {
  for (let n = 1 + Math.floor(random() * stride), runs = 0; ; n += stride, runs++) {
    const fault = faultAt(n, random)
    const { hasFailed, problems } = runWithFault(expected, fault, n)
    t.deepEqual(problems, [], `${expected.scenario.name}, call ${n}, ${JSON.stringify(fault)}, seed ${SEED}`)
    if (!hasFailed) return runs
  }
}
