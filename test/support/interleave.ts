/**
 * Threads that run one at a time, in an order that follows from a seed: the steps between two atomic operations are what
 * is interleaved, and the halves of long copies. A thread joins by replacing its own `Atomics` with functions that first pass the turn on, so the code
 * under test has no hooks in it. Whoever has the turn draws the next one from the generator in shared memory; a thread
 * whose `Atomics.wait` would sleep passes it on instead.
 */
import assert from 'node:assert/strict'

const TURN = 0
const RANDOM = 1
const JOINED = 2
const STEPS = 3
/** One word for each thread: 1 while it takes part. */
const ALIVE = 4

const SWITCH_ONE_IN = 3

const real = {
  load: Atomics.load,
  store: Atomics.store,
  add: Atomics.add,
  sub: Atomics.sub,
  and: Atomics.and,
  or: Atomics.or,
  exchange: Atomics.exchange,
  compareExchange: Atomics.compareExchange,
  wait: Atomics.wait,
  notify: Atomics.notify,
}

/** More than any schedule of a test takes: a thread spins for ever. */
const MOST_STEPS = 5_000_000

export function createSchedule(threads: number, seed: number): SharedArrayBuffer {
  const schedule = new SharedArrayBuffer((ALIVE + threads) * 4)
  const words = new Int32Array(schedule)
  words[RANDOM] = seed | 1
  words[TURN] = -1
  words.fill(1, ALIVE)
  return schedule
}

/** How often the turn could have passed on. */
export function stepsOf(schedule: SharedArrayBuffer): number {
  return new Int32Array(schedule)[STEPS]
}

export interface Turns {
  /** A point at which another thread may go on. */
  yield(): void
  /** Leaves the schedule; `Atomics` is itself again. */
  leave(): void
}

/** Joins as thread `me` and returns when all have joined and it has the turn. */
export function join(schedule: SharedArrayBuffer, me: number): Turns {
  const words = new Int32Array(schedule)
  const threads = words.length - ALIVE

  function draw(n: number): number {
    words[RANDOM] = (Math.imul(words[RANDOM], 1664525) + 1013904223) | 0
    return (words[RANDOM] >>> 8) % n
  }

  function pass(to: number): void {
    real.store(words, TURN, to)
    real.notify(words, TURN)
    for (;;) {
      const turn = real.load(words, TURN)
      if (turn === me) return
      real.wait(words, TURN, turn)
    }
  }

  function next(): number {
    let to = draw(threads)
    while (words[ALIVE + to] === 0) to = (to + 1) % threads
    return to
  }

  function yieldTurn(mustSwitch = false): void {
    assert.ok(words[STEPS]++ < MOST_STEPS, 'the threads make no progress')
    if (!mustSwitch && draw(SWITCH_ONE_IN) !== 0) return
    const to = next()
    if (to !== me) pass(to)
  }

  const interleaved = {
    wait(array: Int32Array, index: number, value: number, timeout = Number.POSITIVE_INFINITY) {
      for (let turns = 0; real.load(array, index) === value; turns++) {
        if (turns > 100 && timeout !== Number.POSITIVE_INFINITY) return 'timed-out'
        yieldTurn(true)
      }
      return 'ok'
    },
    notify: () => 0,
  } as unknown as typeof Atomics
  for (const name of ['load', 'store', 'add', 'sub', 'and', 'or', 'exchange', 'compareExchange'] as const) {
    const operation = real[name] as (...operands: unknown[]) => number
    Object.assign(interleaved, {
      [name](...operands: unknown[]) {
        yieldTurn()
        return operation(...operands)
      },
    })
  }

  if (real.add(words, JOINED, 1) + 1 === threads) {
    real.store(words, TURN, 0)
    real.notify(words, TURN)
  }
  for (let turn = real.load(words, TURN); turn !== me; turn = real.load(words, TURN)) real.wait(words, TURN, turn)
  Object.assign(Atomics, interleaved)

  // A long copy from or to shared memory is seen half done.
  const set = Uint8Array.prototype.set
  Uint8Array.prototype.set = function (this: Uint8Array, source: ArrayLike<number>, at = 0) {
    const isShared = [this, source].some(bytes => (bytes as Uint8Array).buffer instanceof SharedArrayBuffer)
    if (!isShared || !(source instanceof Uint8Array)) return set.call(this, source, at)
    const half = source.length >> 1
    set.call(this, source.subarray(0, half), at)
    yieldTurn()
    set.call(this, source.subarray(half), at + half)
  }

  return {
    yield: yieldTurn,
    leave() {
      Uint8Array.prototype.set = set
      Object.assign(Atomics, real)
      words[ALIVE + me] = 0
      if (words.subarray(ALIVE).includes(1)) {
        real.store(words, TURN, next())
        real.notify(words, TURN)
      }
    },
  }
}

/** The same bytes, with a point to pass the turn before each one that is read. */
export function yieldingBytes(bytes: Uint8Array, turns: Turns): Uint8Array {
  return new Proxy(bytes, {
    get(target, name) {
      if (typeof name === 'string' && name.charCodeAt(0) <= 57) turns.yield()
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
