/**
 * Runs a scenario again and again, with a fault at its first host call, its second one, and so on until a run meets none.
 * HOLTFS_FAULTS=all tries every call where a test is content with a part of them otherwise; HOLTFS_SEED says which part.
 */
import test, { type ExecutionContext } from 'ava'
import { seededRandom } from '../support/random.ts'
import { type Expectation, expectationOf, type Fault, runWithFault } from './run.ts'
import { SCENARIOS } from './scenarios.ts'

export const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
const EVERY = process.env.HOLTFS_FAULTS === 'all'

/** The fault of the n-th run; `random` gives numbers in [0, 1). */
export type FaultAt = (n: number, random: () => number) => Fault

/**
 * Declares a test for each scenario. Of `stride` calls in a row one is tried (of long scenarios, of three times as many); each
 * logs how many runs there were.
 */
export function sweep(title: string, faultAt: FaultAt, options: { stride: number; isMapped?: boolean }): void {
  for (const scenario of SCENARIOS) {
    test(`${title}: ${scenario.name}`, t => {
      const stride = EVERY ? 1 : options.stride * (scenario.isLong ? 3 : 1)
      const expected = expectationOf(scenario, options.isMapped ?? false)
      try {
        const runs = sweepOne(t, expected, faultAt, stride, seededRandom(SEED))
        t.log(`${runs} runs, ${expected.calls} calls without a fault, seed ${SEED}`)
        t.true(runs > 0)
      } finally {
        expected.dispose()
      }
    })
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
