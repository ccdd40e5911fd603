/**
 * One put or delete on the shared side of the mutation gate: threads that change different frames do not wait for each
 * other. What needs more than the bytes of one resident frame asks for the exclusive side instead.
 */
import { HoltError } from '../errors.ts'
import { type Batch, CHANGE_HEAD } from './batch.ts'
import type { Gate } from './gate.ts'
import { EXCLUSIVE, type Log, SharedLatch } from './latch.ts'
import type { Pool } from './pool.ts'
import { C_FAILED } from './shared.ts'
import { ERASED, Erase } from './walker/erase.ts'
import { HELD_BACK, Insert } from './walker/insert.ts'
import { OF_CHANGE } from './walker/item.ts'
import type { RouteCache } from './walker/route-cache.ts'

export class SingleChange {
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #batch: Batch
  readonly #latch: SharedLatch
  readonly #insert: Insert
  readonly #erase: Erase

  /** Changes are taken from `batch`, which holds one when {@link put} or {@link delete} is called. */
  constructor(pool: Pool, gate: Gate, log: Log, batch: Batch, routes: RouteCache) {
    this.#pool = pool
    this.#gate = gate
    this.#batch = batch
    this.#latch = new SharedLatch(pool, log, batch)
    this.#insert = new Insert(pool, this.#latch, routes)
    this.#erase = new Erase(pool, this.#latch, routes)
  }

  /**
   * Logs and applies the put; with a `condition`, only when the record has that version, or for 0 is absent. Returns
   * its seq, 0 when the condition does not hold, or EXCLUSIVE. Throws as Journal.append, nothing changed.
   */
  put(keyLength: number, valueLength: number, condition: number): number {
    const { bytes } = this.#batch
    const value = CHANGE_HEAD + keyLength
    this.#latch.seq = 0
    this.#gate.enterShared()
    try {
      this.#pool.noteKey(keyLength)
      const outcome = this.#insert.put(bytes, CHANGE_HEAD, keyLength, bytes, value, valueLength, OF_CHANGE, condition)
      if (outcome === EXCLUSIVE) return EXCLUSIVE
      return outcome === HELD_BACK ? 0 : this.#latch.seq
    } catch (cause) {
      throw this.#failure(cause)
    } finally {
      this.#gate.leaveShared()
    }
  }

  /** Logs and applies the delete; as {@link put}, and 0 as well when there is no record. */
  delete(keyLength: number, condition: number): number {
    this.#latch.seq = 0
    this.#gate.enterShared()
    try {
      const outcome = this.#erase.delete(this.#batch.bytes, CHANGE_HEAD, keyLength, condition)
      if (outcome === EXCLUSIVE) return EXCLUSIVE
      return outcome === ERASED ? this.#latch.seq : 0
    } catch (cause) {
      throw this.#failure(cause)
    } finally {
      this.#gate.leaveShared()
    }
  }

  #failure(cause: unknown): unknown {
    return this.#latch.seq === 0 ? cause : failedToApply(this.#pool, this.#latch.seq, cause)
  }
}

/**
 * A change is logged but only partly applied: memory is no longer what replay would make of the log, so the store takes
 * no more changes (I17).
 */
export function failedToApply(pool: Pool, seq: number, cause: unknown): HoltError {
  Atomics.store(pool.control, C_FAILED, 1)
  const what = `change ${seq} could not be applied (${(cause as Error).message}): reopen the store`
  return new HoltError('HOLT_FAILED', what, { applied: 'unknown', cause })
}
