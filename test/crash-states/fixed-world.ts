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

/** Numbers in [0, 1) that random bytes are made of; undefined: they are random. */
let random: (() => number) | undefined

// Once: it takes a millisecond until those who import it by its name see another one.
const { randomBytes } = crypto
crypto.randomBytes = ((size: number) => {
  const next = random
  return next === undefined ? randomBytes(size) : Buffer.from(Array.from({ length: size }, () => next() * 256))
}) as never
syncBuiltinESMExports()

export function inFixedWorld<T>(work: () => T): T {
  const { now } = Date
  const performanceNow = performance.now
  const { hrtime } = process
  const { wait } = Atomics
  random = seededRandom(SEED)
  let elapsed = 0
  const tick = () => {
    elapsed += STEP
    return elapsed
  }
  Date.now = () => BEGINNING + Math.floor(tick())
  performance.now = tick
  process.hrtime = (() => [0, Math.floor(tick() * 1e6)]) as never
  Atomics.wait = () => {
    throw new Error('this waits for another thread, and there is none: it would hang')
  }
  try {
    return work()
  } finally {
    random = undefined
    Date.now = now
    performance.now = performanceNow
    process.hrtime = hrtime
    Atomics.wait = wait
  }
}
