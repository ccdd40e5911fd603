/**
 * A reader's way from a blob id to a frame: the one place where walkers that take no lock resolve blobs. Whoever reads
 * another tree than the live one, in the same frames, hands them another residency.
 */
import type { Gate } from '../gate.ts'
import type { Pool } from '../pool.ts'

export interface Residency {
  /** By blob id: the pool slot + 1 of its frame, 0 when it is not resident. Read by atomic loads. */
  readonly slotOf: Int32Array
  /** By pool slot: the blob that this residency has there. Compared after the slot's version was read (I3). */
  readonly blobOf: Int32Array
  /**
   * Makes `blob` resident, to which the frame in slot `parent` refers if its version still is `version`; returns its
   * slot, or -1 when the reader has to start again.
   */
  fetchBelow(parent: number, version: number, blob: number): number
}

/**
 * The live tree. A frame that is missing is loaded under the gate with the frame that refers to it pinned, and the
 * descent goes on from there instead of starting again: so a pool of few frames serves a path through many.
 */
export class LiveResidency implements Residency {
  readonly slotOf: Int32Array
  readonly blobOf: Int32Array
  readonly #pool: Pool
  readonly #gate: Gate

  constructor(pool: Pool, gate: Gate) {
    this.slotOf = pool.slotOf
    this.blobOf = pool.blobOf
    this.#pool = pool
    this.#gate = gate
  }

  fetchBelow(parent: number, version: number, blob: number): number {
    const pool = this.#pool
    const entered = this.#gate.enter()
    try {
      if (pool.version[parent] !== version) return -1
      pool.unpinAll()
      pool.pin(parent)
      return pool.fetch(blob)
    } finally {
      this.#gate.leave(entered)
    }
  }
}
