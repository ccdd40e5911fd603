/**
 * Ends the server of a mount by SIGKILL now and then while clients work, and waits each time until the mount is served again. The
 * supervisor is left alone. Every fourth time the one that takes over is killed too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RealMount } from '../mount/real-mount.ts'
import type { Random } from '../support/random.ts'

/** Milliseconds that a server serves at least. */
const LIFE = 350
/** Milliseconds up to which a kill comes later than it is due, and the second one comes later than the first. */
const DELAY = 30
const TAKEOVER = 300
const PATIENCE = 300_000

export class Killer {
  readonly #mount: RealMount
  readonly #every: number
  readonly #random: Random
  readonly #onServed: () => void
  #lastAt = 0
  #servedSince = performance.now()
  #kill: Promise<void> | undefined
  #isOver = false
  kills = 0
  failure: Error | undefined

  /**
   * @param every operations between two kills, at least
   * @param onServed called when the mount is served again
   */
  constructor(mount: RealMount, every: number, random: Random, onServed: () => void) {
    this.#mount = mount
    this.#every = every
    this.#random = random
    this.#onServed = onServed
  }

  /** To be called as the clients get on, with the operations of all of them. */
  onProgress(operations: number): void {
    if (this.#kill !== undefined || this.#isOver || operations - this.#lastAt < this.#every) return
    this.#lastAt = operations
    this.#kill = this.#killOne()
      .catch(error => {
        this.failure = error
      })
      .finally(() => {
        this.#kill = undefined
      })
  }

  /** Resolves when the mount is served and no kill is to come. */
  async end(): Promise<void> {
    this.#isOver = true
    await this.#kill
  }

  /** Milliseconds without a server, one number a pause. */
  pauses(): number[] {
    return this.#mount.pauses()
  }

  async #killOne(): Promise<void> {
    await sleep(Math.max(0, this.#servedSince + LIFE - performance.now()) + this.#random() * DELAY)
    if (this.#isOver) return
    const pauses = this.pauses().length
    this.#mount.killServer()
    this.kills++
    if (this.kills % 4 === 3) await this.#killNext()
    const isServed = () => this.pauses().length > pauses && this.#mount.isServed()
    for (const until = performance.now() + PATIENCE; !isServed(); await sleep(10)) {
      if (performance.now() > until) throw new Error(`no server for ${PATIENCE / 1000} s after it was killed`)
    }
    this.#servedSince = performance.now()
    this.#onServed()
  }

  async #killNext(): Promise<void> {
    await sleep(this.#random() * TAKEOVER)
    // It may not be there yet.
    const [, server] = this.#mount.processes()
    if (server === undefined) return
    process.kill(server, 'SIGKILL')
    this.kills++
  }
}
