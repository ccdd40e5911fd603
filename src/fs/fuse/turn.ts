/**
 * Which workers wait for the next request, and how. What costs most about a small request is to wake a thread, in a virtual machine
 * several times as much as to serve it. So (leader/followers, Schmidt et al. 2000, with as few leaders as the load needs):
 *
 * - A worker that comes back while another one waits at the device parks on a futex, where the kernel does not wake it in vain. It is
 *   called when requests have to wait: most were there already when a worker came back for them, or one is or was served for long.
 * - A worker that waits at the device polls it before it sleeps in read(2), when the last request came soon enough for that to
 *   pay (the rule of KVM's halt polling). One at a time does, none where there is one core.
 */
import { availableParallelism } from 'node:os'
import { koffi } from '../../journal/c-library.ts'
import {
  FUSE_COPY_FILE_RANGE,
  FUSE_COPY_FILE_RANGE_64,
  FUSE_FALLOCATE,
  FUSE_FSYNC,
  FUSE_FSYNCDIR,
  FUSE_SYNCFS,
  OPCODES,
} from './wire.ts'

/** Milliseconds for which a worker polls, and within which the last request must have come for it to do so. */
const SOON = 0.1
/** Milliseconds without polling after another program was given the core meanwhile: it has better use for it. */
const YIELDED = 100
/** Milliseconds by which polling must have lasted too long for that to be the explanation. */
const PREEMPTED = 0.5
/** Milliseconds within which a request must come for it to have been there already. */
const AT_ONCE = 0.004
/** Requests that were there already, less those that were not, after which another worker is of use. A few always are: nobody waits for them. */
const CROWD = 8
/** Milliseconds of serving a request after which others are likely to wait. */
const LONG = 1
/** Milliseconds after a call in which nobody parks. */
const CALLED = 20
const POLLIN = 1

/** 1 for requests that may wait for a disk for long, by opcode. */
const MAY_LAST = new Uint8Array(OPCODES)
for (const opcode of [
  FUSE_FSYNC,
  FUSE_FSYNCDIR,
  FUSE_SYNCFS,
  FUSE_FALLOCATE,
  FUSE_COPY_FILE_RANGE,
  FUSE_COPY_FILE_RANGE_64,
]) {
  MAY_LAST[opcode] = 1
}

/** Shared by the workers of a mount: how many wait at the device, are parked; one may leave the park; when it was called. */
const AT_DEVICE = 0
const PARKED = 1
const PERMIT = 2
const CALLED_AT = 3
const POLLS = 4
const ENDED = 5
const WORDS = 6

type Poll = (descriptors: Uint8Array, count: number, timeout: number) => number

export function createTurns(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4 * WORDS))
}

/** Nobody parks any more: the mount has ended. */
export function endTurns(turns: Int32Array): void {
  Atomics.store(turns, ENDED, 1)
  Atomics.store(turns, PERMIT, 1)
  Atomics.notify(turns, PERMIT)
}

/** What one worker does between a reply and the next request. */
export class Turn {
  readonly #turns: Int32Array
  readonly #mayPoll = availableParallelism() > 1
  /** One `struct pollfd`. */
  readonly #descriptor: Buffer
  #poll: Poll | undefined
  #comesSoon = false
  /** See {@link CROWD}. */
  #crowd = 0
  /** `performance.now()` when the last reply was sent, when a request came, until when the core is left to others. */
  #since = 0
  #receivedAt = 0
  #yieldsUntil = 0

  constructor(fd: number, turns: Int32Array) {
    this.#turns = turns
    this.#descriptor = Buffer.alloc(8)
    this.#descriptor.writeInt32LE(fd, 0)
    this.#descriptor.writeInt16LE(POLLIN, 4)
    this.#receivedAt = performance.now()
  }

  /** Returns when it is time to read from the device: there is a request, or the worker sleeps until there is. */
  wait(): void {
    const turns = this.#turns
    const now = performance.now()
    if (now - this.#receivedAt > LONG) this.#call()
    this.#since = now
    if (!joins(turns)) this.#park()
    if (!this.#mayPoll || !this.#comesSoon || now < this.#yieldsUntil) return
    if (Atomics.compareExchange(turns, POLLS, 0, 1) !== 0) return
    const end = this.#pollUntil(now + SOON)
    Atomics.store(turns, POLLS, 0)
    if (end > now + SOON + PREEMPTED) this.#yieldsUntil = end + YIELDED
  }

  /** A request has come, and is about to be served. */
  received(opcode: number): void {
    Atomics.sub(this.#turns, AT_DEVICE, 1)
    this.#receivedAt = performance.now()
    const waited = this.#receivedAt - this.#since
    this.#comesSoon = waited < SOON
    this.#crowd = waited < AT_ONCE ? this.#crowd + 1 : Math.max(0, this.#crowd - 1)
    if (this.#crowd < CROWD && MAY_LAST[opcode] !== 1) return
    this.#crowd = 0
    this.#call()
  }

  /** Sleeps until it is called. */
  #park(): void {
    const turns = this.#turns
    Atomics.add(turns, PARKED, 1)
    while (Atomics.exchange(turns, PERMIT, 0) === 0) Atomics.wait(turns, PERMIT, 0)
    Atomics.sub(turns, PARKED, 1)
    if (Atomics.load(turns, ENDED) === 1) endTurns(turns)
    Atomics.add(turns, AT_DEVICE, 1)
    this.#comesSoon = false
  }

  /** Requests wait: one more worker is of use. */
  #call(): void {
    const turns = this.#turns
    Atomics.store(turns, CALLED_AT, Date.now() | 0)
    if (Atomics.load(turns, PARKED) === 0) return
    Atomics.store(turns, PERMIT, 1)
    Atomics.notify(turns, PERMIT, 1)
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

/**
 * Goes to the device, unless somebody is there. In one step: who parks must be sure that another one waits or will come back, and
 * would not be if a worker that is about to park counted for a moment.
 */
function joins(turns: Int32Array): boolean {
  for (;;) {
    const there = Atomics.load(turns, AT_DEVICE)
    if (there > 0 && !isCalled(turns)) return false
    if (Atomics.compareExchange(turns, AT_DEVICE, there, there + 1) === there) return true
  }
}

/** Whether a worker was called a short while ago: then those that are there stay. The clock's 32 bits may wrap around. */
function isCalled(turns: Int32Array): boolean {
  if (Atomics.load(turns, ENDED) === 1) return true
  const elapsed = ((Date.now() | 0) - Atomics.load(turns, CALLED_AT)) | 0
  return elapsed >= 0 && elapsed < CALLED
}
