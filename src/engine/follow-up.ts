/**
 * What follows a change that is applied: it is acknowledged at the store's durability, and the thread that made it does
 * what no background thread does, or is too far behind with - checkpoint rounds and the upkeep of blobs.
 */
import { HoltError } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import { LATE_ROUND_WAL_BYTES, ROUND_WAL_BYTES } from '../limits.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Pool } from './pool.ts'
import { C_NOTED, N_WAL_AT_ROUND } from './shared.ts'
import type { Upkeep } from './upkeep.ts'

/** Changes between two looks at the blobs that were noted meanwhile. */
const CHANGES_A_LOOK = 64

export class FollowUp {
  readonly #pool: Pool
  readonly #journal: Journal | undefined
  readonly #checkpoint: Checkpoint | undefined
  readonly #upkeep: () => Upkeep
  readonly #onFirst: () => void
  readonly #hasBackground: boolean
  readonly #roundBytes: number
  #sinceLook = 0
  #hasBegun = false
  #hasLogged = false

  constructor(
    pool: Pool,
    journal: Journal | undefined,
    checkpoint: Checkpoint | undefined,
    upkeep: () => Upkeep,
    onFirst: () => void,
    hasBackground: boolean,
  ) {
    this.#pool = pool
    this.#journal = journal
    this.#checkpoint = checkpoint
    this.#upkeep = upkeep
    this.#onFirst = onFirst
    this.#hasBackground = hasBackground
    this.#roundBytes = hasBackground ? LATE_ROUND_WAL_BYTES : ROUND_WAL_BYTES
  }

  /** Returns when the record is acknowledged. Throws as Journal.commit. */
  run(seq: number): void {
    const journal = this.#journal
    if (journal !== undefined) {
      journal.commit(seq)
      if (!this.#hasLogged) this.#noteLog(journal)
      if (journal.appendedBytes() - this.#pool.numbers[N_WAL_AT_ROUND] > this.#roundBytes) this.#round()
    }
    if (!this.#hasBackground && ++this.#sinceLook >= CHANGES_A_LOOK) this.#look()
  }

  /** Calls `onFirst` once: this thread changes the tree. */
  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#onFirst()
  }

  /** The change is acknowledged already: what fails is tried again after the next one. */
  #noteLog(journal: Journal): void {
    this.begin()
    if (!journal.hasSegment()) return
    try {
      this.#checkpoint?.noteLog()
      this.#hasLogged = true
    } catch (error) {
      if (!(error instanceof HoltError)) throw error
    }
  }

  /** The change is acknowledged already: a round that fails is counted, and tried again after as many bytes more. */
  #round(): void {
    try {
      this.#checkpoint?.run()
    } catch (error) {
      if (!(error instanceof HoltError)) throw error
    }
  }

  /** Tends the blobs that were noted. The change is acknowledged already: what cannot be done now is left. */
  #look(): void {
    this.#sinceLook = 0
    if (this.#pool.control[C_NOTED] === 0) return
    const upkeep = this.#upkeep()
    try {
      for (const blob of upkeep.collect()) {
        const task = upkeep.task(blob)
        if (task !== undefined) while (upkeep[task.work](task.blob) === 'done' && task.work === 'gather');
      }
    } catch (error) {
      if (!(error instanceof HoltError)) throw error
    }
  }
}
