/**
 * Ends the server of a mount by SIGKILL at random times, and now and then the one that takes over too. The supervisor is left
 * alone; a server lives long enough not to count as one that dies at once.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RealMount } from '../mount/real-mount.ts'
import type { Random } from '../support/random.ts'

/** Milliseconds that a server serves at least; the supervisor counts 250 as an early end. */
const LIFE = 350
/** One kill in so many hits the next server too, within so many milliseconds. */
const TWICE = 5
const TAKEOVER = 400
/** Milliseconds after which a mount that is not served again has failed. */
const PATIENCE = 120_000
const AGAIN = /the mount is served again, after (\d+) ms/g

export class Killer {
  readonly #mount: RealMount
  readonly #random: Random
  readonly #every: number
  kills = 0

  /** @param every milliseconds between two kills, on average */
  constructor(mount: RealMount, every: number, random: Random) {
    this.#mount = mount
    this.#every = every
    this.#random = random
  }

  /** Kills until `isOver`, and resolves when the mount is served and no kill is to come. Throws when it is not served again. */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const pause = LIFE + this.#random() * 2 * this.#every
      for (let waited = 0; waited < pause && !isOver(); waited += 100) await sleep(Math.min(100, pause))
      if (!isOver()) await this.#killOne()
    }
  }

  /** Milliseconds without a server, of all kills so far. */
  pauses(): number[] {
    const text = readFileSync(join(this.#mount.store, 'holtfs.log'), 'latin1')
    return [...text.matchAll(AGAIN)].map(match => Number(match[1]))
  }

  async #killOne(): Promise<void> {
    const served = this.pauses().length
    this.#mount.killServer()
    this.kills++
    if (Math.floor(this.#random() * TWICE) === 0) {
      await sleep(this.#random() * TAKEOVER)
      // It may not be there yet.
      const [, server] = this.#mount.processes()
      if (server !== undefined && this.pauses().length === served) {
        process.kill(server, 'SIGKILL')
        this.kills++
      }
    }
    const begun = performance.now()
    while (this.pauses().length === served) {
      if (performance.now() - begun > PATIENCE) throw new Error('the mount is not served again')
      await sleep(20)
    }
  }
}
