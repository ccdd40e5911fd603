/**
 * What a workload did, as its caller knows it: what could be seen after each step, and what was promised by then. A power
 * cut may go back to any step that no promise covers, and to nothing between two steps.
 */

export interface Step<Seen> {
  what: string
  /** Last seq after the step. */
  seq: number
  /** What could be seen after it. */
  seen: Seen
  /** Everything up to this seq survives once the step has ended. */
  promised: number
  /** The inode whose bytes survive once the step has ended, 0: none. */
  synced: number
}

/** What is known when the power goes. */
export interface Moment {
  /** Steps that have ended; the next one may be under way. */
  done: number
  /** Only the process has died: nothing that was acknowledged may be missing. */
  killed: boolean
}

/** Says how what was found differs from step `index`; undefined when it does not. */
export type Compare<Seen> = (steps: readonly Step<Seen>[], index: number, moment: Moment) => string | undefined

export class History<Seen> {
  readonly steps: Step<Seen>[] = []
  /** Whether a killed process leaves everything that was acknowledged: not with durability `async`. */
  readonly #keepsAcknowledged: boolean

  constructor(keepsAcknowledged: boolean) {
    this.#keepsAcknowledged = keepsAcknowledged
  }

  /** Says what is wrong with a store that was recovered up to `seq`; undefined when nothing is. */
  judge(seq: number, moment: Moment, compare: Compare<Seen>): string | undefined {
    const { steps } = this
    const { done } = moment
    const known: Moment = { done, killed: moment.killed && this.#keepsAcknowledged }
    let promised = known.killed && done > 0 ? steps[done - 1].seq : 0
    for (let i = 0; i < done; i++) promised = Math.max(promised, steps[i].promised)
    if (seq < promised) return `recovered up to ${seq}, but ${promised} was promised`
    const reached = steps.slice(0, done + 1)
    const most = reached.at(-1)?.seq ?? 0
    if (seq > most) return `recovered up to ${seq}, but only ${most} was ever there`
    const index = reached.findLastIndex(step => step.seq <= seq)
    if (index < 0) return compare(steps, -1, known)
    const wrong = compare(steps, index, known)
    if (wrong === undefined || index === done) return wrong
    // A step of several commits shows what it does with one of them. One that logs nothing is over at once.
    const isBetween = reached[index].seq !== seq && compare(steps, index + 1, known) === undefined
    return isBetween ? undefined : `step ${index} (${reached[index].what}): ${wrong}`
  }
}
