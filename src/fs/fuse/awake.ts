/**
 * Staying awake for the next request: waking a thread on an idle core takes longer than most requests do, in a virtual machine
 * several times as long. So a worker polls the device for a while before it sleeps in read(2), when the request before came soon
 * enough for that to pay; this is the rule of KVM's halt polling. One worker at a time polls, and none where there is one core.
 */
import { availableParallelism } from 'node:os'
import { koffi } from '../../journal/c-library.ts'

/** Milliseconds for which a worker polls, and within which the last request must have come for it to do so. */
const SOON = 0.1
/** Milliseconds without polling after another program was given the core meanwhile: it has better use for it. */
const YIELDED = 100
/** Milliseconds by which polling must have lasted too long for that to be the explanation. */
const PREEMPTED = 0.5
const POLLIN = 1

type Poll = (descriptors: Uint8Array, count: number, timeout: number) => number

/** The flag that the workers of a mount share: whether one of them polls. */
export function createPollFlag(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4))
}

/** What one worker does between a reply and the next request. */
export class Awake {
  readonly #flag: Int32Array
  readonly #isUseful = availableParallelism() > 1
  /** One `struct pollfd`. */
  readonly #descriptor: Buffer
  #poll: Poll | undefined
  #comesSoon = false
  /** When the last reply was sent, and until when the core is left to others: `performance.now()`. */
  #since = 0
  #yieldsUntil = 0

  constructor(fd: number, flag: Int32Array) {
    this.#flag = flag
    this.#descriptor = Buffer.alloc(8)
    this.#descriptor.writeInt32LE(fd, 0)
    this.#descriptor.writeInt16LE(POLLIN, 4)
  }

  /** Returns when there is a request, or when it is time to sleep in read(2). */
  wait(): void {
    if (!this.#isUseful) return
    this.#since = performance.now()
    if (!this.#comesSoon || this.#since < this.#yieldsUntil) return
    if (Atomics.compareExchange(this.#flag, 0, 0, 1) === 1) return
    const now = this.#pollUntil(this.#since + SOON)
    Atomics.store(this.#flag, 0, 0)
    if (now > this.#since + SOON + PREEMPTED) this.#yieldsUntil = now + YIELDED
  }

  /** A request has come. */
  received(): void {
    if (this.#isUseful) this.#comesSoon = performance.now() - this.#since < SOON
  }

  /** @returns when it ended: `performance.now()` */
  #pollUntil(end: number): number {
    this.#poll ??= koffi()
      .load(null)
      .func('int poll(void *descriptors, unsigned long count, int timeout)') as unknown as Poll
    let now: number
    do {
      const isReady = this.#poll(this.#descriptor, 1, 0) !== 0
      now = performance.now()
      if (isReady) break
    } while (now < end)
    return now
  }
}
