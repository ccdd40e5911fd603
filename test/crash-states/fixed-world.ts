/**
 * Time and random bytes that are the same in every run, so that the same workload makes the same bytes: a state that
 * failed can be made again from its name. Only for work that is synchronous, in one thread: waiting for another one throws.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { seededRandom } from '../support/random.ts'

/** Milliseconds since 1970 at which work begins. */
const BEGINNING = 1_700_000_000_000
/** Milliseconds from one look at a clock to the next. */
const STEP = 0.001

/** Of the random bytes. */
const SEED = 1

export function inFixedWorld<T>(work: () => T): T {
  const { randomBytes } = crypto
  const { now } = Date
  const performanceNow = performance.now
  const { hrtime } = process
  const { wait } = Atomics
  const random = seededRandom(SEED)
  let elapsed = 0
  const tick = () => {
    elapsed += STEP
    return elapsed
  }
  crypto.randomBytes = ((size: number) => Buffer.from(Array.from({ length: size }, () => random() * 256))) as never
  Date.now = () => BEGINNING + Math.floor(tick())
  performance.now = tick
  process.hrtime = (() => [0, Math.floor(tick() * 1e6)]) as never
  Atomics.wait = () => {
    throw new Error('this waits for another thread, and there is none: it would hang')
  }
  syncBuiltinESMExports()
  try {
    return work()
  } finally {
    crypto.randomBytes = randomBytes
    Date.now = now
    performance.now = performanceNow
    process.hrtime = hrtime
    Atomics.wait = wait
    syncBuiltinESMExports()
  }
}
