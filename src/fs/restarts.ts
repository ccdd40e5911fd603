/**
 * What the ends of servers say to the supervisor: whether to start another one, when, and which requests it had better not
 * touch. Programs wait for as long as there is hope; what decides is whether servers get anywhere, not how often they end.
 *
 * - A request that was in hand when servers ended, again and again, is what they end of: it is refused, and nothing else.
 * - A server that has served at all is followed by another one at once. Those that do not come to it are followed after
 *   pauses that grow, and after a number of them in a row there is no hope.
 *
 * A server that is killed from outside says less than one that fails by itself.
 */
import type { ServerEnd } from './server-process.ts'

/** Milliseconds from its first answer after which a server has served, even if there was nothing to do. */
const SERVED = 250
/** An end counts so much when it is the server's own doing, and 1 when it was killed. */
const OWN_END = 3
/** How much may count against a request, and against servers that do not come to serve, until it is enough. */
const REFUSE_AT = 6
const HOPELESS_AT = 24
/** Milliseconds before the next start after a second fruitless one; it doubles with each one more, up to the longest. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 2000

export interface Decision {
  isHopeless: boolean
  /** Milliseconds to wait before the next start. */
  pause: number
  /** How many requests have come to be refused. */
  newlyRefused: number
}

export class Restarts {
  /** Numbers of requests that the next server is to refuse. */
  readonly refused: number[] = []
  /** What counts against requests that are not answered. */
  readonly #against = new Map<number, number>()
  #fruitless = 0
  #againstAll = 0

  ended({ served, isKilled, inHand }: Pick<ServerEnd, 'served' | 'isKilled' | 'inHand'>): Decision {
    const weight = isKilled ? 1 : OWN_END
    let newlyRefused = 0
    for (const request of inHand.done) this.#against.delete(request)
    for (const request of inHand.begun) {
      const against = (this.#against.get(request) ?? 0) + weight
      this.#against.set(request, against)
      if (against < REFUSE_AT) continue
      this.#against.delete(request)
      this.refused.push(request)
      newlyRefused++
    }
    const cameToServe = served > SERVED || inHand.hasAny
    this.#fruitless = cameToServe ? 0 : this.#fruitless + 1
    this.#againstAll = cameToServe ? 0 : this.#againstAll + weight
    const pause = this.#fruitless < 2 ? 0 : Math.min(FIRST_PAUSE * 2 ** (this.#fruitless - 2), LONGEST_PAUSE)
    return { isHopeless: this.#againstAll >= HOPELESS_AT, pause, newlyRefused }
  }
}
