/**
 * How a walker gets a frame for writing, on either side of the mutation gate.
 *
 * Exclusive: nobody else changes anything, and the record is logged already. Shared: the frame's version word is the
 * latch, taken by compare-and-swap from the version that the walk has seen, which proves that all it has read of the
 * frame still holds; then the record is logged, so that records of one frame are in the order of its changes (I35).
 */
import type { Journal } from '../journal/journal.ts'
import { Mutex } from '../journal/mutex.ts'
import { type Batch, RECORD_BATCH } from './batch.ts'
import type { Pool } from './pool.ts'
import { C_SEQ_LOCK, N_MEMORY_SEQ } from './shared.ts'

/** Answers of a walker or latch that are not a slot or an outcome: start again; go to the gate's exclusive side. */
export const RETRY = -1
export const EXCLUSIVE = -2

export interface Latch {
  readonly isExclusive: boolean
  /** Makes the frame in `slot`, seen at `version`, changeable; returns the slot where it is now, RETRY or EXCLUSIVE. */
  begin(slot: number, version: number): number
  /** `keepsShape`: every node of the frame but leaves is where it was. */
  end(slot: number, keepsShape?: boolean): void
}

export class ExclusiveLatch implements Latch {
  readonly isExclusive = true
  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  begin(slot: number, _version: number): number {
    return this.#pool.beginWrite(slot)
  }

  end(slot: number, keepsShape?: boolean): void {
    this.#pool.endWrite(slot, keepsShape)
  }
}

export class SharedLatch implements Latch {
  readonly isExclusive = false
  /** Seq of the record once it is logged, else 0. */
  seq = 0
  readonly #pool: Pool
  readonly #log: Log
  readonly #batch: Batch

  constructor(pool: Pool, log: Log, batch: Batch) {
    this.#pool = pool
    this.#log = log
    this.#batch = batch
  }

  begin(slot: number, version: number): number {
    const pool = this.#pool
    if (pool.mustCopyAside(slot)) return EXCLUSIVE
    if (!pool.latch(slot, version)) return RETRY
    try {
      this.seq = this.#log.append(RECORD_BATCH, this.#batch.bytes, this.#batch.length)
    } catch (error) {
      pool.unlatch(slot)
      throw error
    }
    pool.seq = this.seq
    return slot
  }

  end(slot: number, keepsShape?: boolean): void {
    this.#pool.endWrite(slot, keepsShape)
  }
}

/** Where changes get their seq: the journal, or for a store without files a counter. */
export class Log {
  readonly journal: Journal | undefined
  readonly #numbers: Float64Array
  readonly #lock: Mutex

  constructor(pool: Pool, journal: Journal | undefined) {
    this.journal = journal
    this.#numbers = pool.numbers
    this.#lock = new Mutex(pool.control, C_SEQ_LOCK)
  }

  append(type: number, body: Uint8Array, length: number): number {
    if (this.journal !== undefined) return this.journal.append(type, body, length)
    this.#lock.lock()
    const seq = ++this.#numbers[N_MEMORY_SEQ]
    this.#lock.unlock()
    return seq
  }

  lastSeq(): number {
    return this.journal !== undefined ? this.journal.lastSeq() : this.#numbers[N_MEMORY_SEQ]
  }
}
