/**
 * Wall-clock time with nanoseconds that is the same in every thread of the process and never behind `Date.now()`: the
 * process's monotonic clock plus a shared base, which is set anew when it has drifted from the wall clock.
 */
import { F_CLOCK_BASE, type SharedState } from './shared.ts'

/** Milliseconds that we may run ahead of `Date.now()`, which rounds down to a millisecond. */
const MAX_AHEAD = 2
/** Milliseconds by which the sum of two clocks, as a double, may be wrong: a time never seems to be before Date.now(). */
const ROUNDING = 0.0005

export class Clock {
  /** The time that {@link tick} read: seconds since 1970 and nanoseconds below 1e9. */
  seconds = 0
  nanoseconds = 0
  readonly #shared: SharedState
  /** The monotonic clock, in ms, at this thread's time origin. */
  readonly #origin: number

  constructor(shared: SharedState) {
    this.#shared = shared
    this.#origin = monotonicOrigin()
    const base = shared.doubles[F_CLOCK_BASE]
    if (base === 0) shared.doubles[F_CLOCK_BASE] = performance.timeOrigin - this.#origin
  }

  /** Reads the time. */
  tick(): void {
    const doubles = this.#shared.doubles
    const monotonic = this.#origin + performance.now()
    const wall = Date.now()
    let base = doubles[F_CLOCK_BASE]
    const ahead = base + monotonic - wall
    if (!(ahead >= ROUNDING && ahead <= MAX_AHEAD)) {
      base = wall - monotonic + 2 * ROUNDING
      doubles[F_CLOCK_BASE] = base
    }
    // Milliseconds since 1970 leave a double no room for nanoseconds: the fractions are added up apart.
    const whole = Math.floor(base)
    const rest = monotonic + (base - whole)
    const restWhole = Math.floor(rest)
    const milliseconds = whole + restWhole
    this.seconds = Math.floor(milliseconds / 1000)
    this.nanoseconds = (milliseconds - this.seconds * 1000) * 1e6 + Math.floor((rest - restWhole) * 1e6)
  }
}

/** Readings of the two clocks by which their distance is found. */
const SAMPLES = 32

/**
 * The process's monotonic clock, which all threads share, at the time origin of this thread's `performance.now()`, in
 * ms. A pause between the two readings makes the difference smaller, so the largest is the best.
 */
function monotonicOrigin(): number {
  let origin = 0
  for (let i = 0; i < SAMPLES; i++) {
    const [seconds, nanoseconds] = process.hrtime()
    origin = Math.max(origin, seconds * 1e3 + nanoseconds / 1e6 - performance.now())
  }
  return origin
}
