/**
 * A lock of one shared 32-bit word, for threads of one process: 0 free, 1 held, 2 held and waited for
 * (U. Drepper, "Futexes Are Tricky", mutex 3). Not recursive, not fair; a thread that ends while it holds the lock
 * leaves it held. Latches of frames are something else: they carry a version.
 */

/** Tries before a thread goes to sleep: about as long as the short critical sections take. */
const SPINS = 200

export class Mutex {
  readonly #words: Int32Array
  readonly #index: number

  /** `words` lies over a SharedArrayBuffer whose word `index` was zero when the lock was new. */
  constructor(words: Int32Array, index: number) {
    this.#words = words
    this.#index = index
  }

  lock(): void {
    if (Atomics.compareExchange(this.#words, this.#index, 0, 1) !== 0) this.#lockContended()
  }

  /** Takes the lock if it is free, without waiting. */
  tryLock(): boolean {
    return Atomics.compareExchange(this.#words, this.#index, 0, 1) === 0
  }

  unlock(): void {
    if (Atomics.exchange(this.#words, this.#index, 0) === 2) Atomics.notify(this.#words, this.#index, 1)
  }

  #lockContended(): void {
    const words = this.#words
    const index = this.#index
    for (let i = 0; i < SPINS; i++) {
      if (Atomics.load(words, index) === 0 && Atomics.compareExchange(words, index, 0, 1) === 0) return
    }
    while (Atomics.exchange(words, index, 2) !== 0) Atomics.wait(words, index, 2)
  }
}
