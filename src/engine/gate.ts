/**
 * The mutation gate, shared and exclusive. On the shared side threads change single frames, each under the latch of its
 * frame (`latch.ts`). The exclusive side is for whatever concerns more than the bytes of one frame: batches, cuts,
 * residency (loads, evictions), and structure (spillover, merge, freeing blobs, renamePrefix). So on the shared side no
 * blob moves, appears or goes (I2). Readers enter neither, unless they must load a frame.
 *
 * The exclusive side is re-entrant by asking: `enter` tells whether this call took the gate. The shared side is not, and
 * a thread on it never asks for the exclusive one.
 *
 * Lock order: the gate first, then latches of frames, then the journal's locks. The round lock is taken before the gate.
 */
import { Mutex } from '../journal/mutex.ts'
import { C_GATE, C_GATE_WAITERS, C_SHARERS } from './shared.ts'

/** In C_SHARERS, above the count of threads on the shared side: nobody else may enter it. */
const SHUT = 1 << 16

/** Looks before a thread goes to sleep: about as long as a change takes. */
const SPINS = 200

export class Gate {
  /** Whether this thread is on the exclusive side. */
  held = false
  readonly #words: Int32Array
  /** Among the threads that want the exclusive side. */
  readonly #mutex: Mutex

  constructor(control: Int32Array) {
    this.#words = control
    this.#mutex = new Mutex(control, C_GATE)
  }

  /** Waits for the exclusive side. Returns false when this thread has it already; pass the answer to {@link leave}. */
  enter(): boolean {
    if (this.held) return false
    this.#mutex.lock()
    let others = Atomics.add(this.#words, C_SHARERS, SHUT)
    for (let i = 0; others !== 0; i++) {
      if (i > SPINS) this.#sleep(others + SHUT)
      others = Atomics.load(this.#words, C_SHARERS) - SHUT
    }
    this.held = true
    return true
  }

  leave(entered: boolean): void {
    if (!entered) return
    this.held = false
    Atomics.sub(this.#words, C_SHARERS, SHUT)
    this.#wake()
    this.#mutex.unlock()
  }

  /** Waits for the shared side; whoever wants the exclusive one goes first. */
  enterShared(): void {
    for (let i = 0; ; i++) {
      const seen = Atomics.load(this.#words, C_SHARERS)
      if (seen < SHUT) {
        if (Atomics.compareExchange(this.#words, C_SHARERS, seen, seen + 1) === seen) return
      } else if (i > SPINS) this.#sleep(seen)
    }
  }

  leaveShared(): void {
    if (Atomics.sub(this.#words, C_SHARERS, 1) === SHUT + 1) this.#wake()
  }

  /** Sleeps while the word is `seen`. */
  #sleep(seen: number): void {
    Atomics.add(this.#words, C_GATE_WAITERS, 1)
    Atomics.wait(this.#words, C_SHARERS, seen)
    Atomics.sub(this.#words, C_GATE_WAITERS, 1)
  }

  #wake(): void {
    if (Atomics.load(this.#words, C_GATE_WAITERS) !== 0) Atomics.notify(this.#words, C_SHARERS)
  }
}
