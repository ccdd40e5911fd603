/**
 * A reader's way from a blob id to a frame: the one place where walkers that take no lock resolve blobs. Whoever reads
 * another tree than the live one, in the same frames, hands them another residency.
 */
import { MAX_BLOBS } from '../../limits.ts'
import type { Gate } from '../gate.ts'
import type { Pool } from '../pool.ts'
import { ColdLookup, type Load } from './cold.ts'

export interface Residency {
  /** The pool slot of a blob's frame; -1 when it has to be fetched. */
  slotOf(blob: number): number
  /** Whether `slot` holds the blob as this tree has it: asked after the slot's version was read (I3). */
  holds(slot: number, blob: number): boolean
  /**
   * Makes `blob` resident, to which the frame in slot `parent` refers if its version still is `version` (`parent` -1:
   * the root, to which nothing refers); returns its slot, or -1 when the reader has to start again.
   */
  fetchBelow(parent: number, version: number, blob: number): number
  /** Looks up single keys in blobs that are not resident, where this residency has a way to. */
  readonly cold?: ColdLookup | undefined
}

/**
 * The live tree. A frame that is missing is loaded under the gate with the frame that refers to it pinned, and the
 * descent goes on from there instead of starting again: so a pool of few frames serves a path through many.
 */
export class LiveResidency implements Residency {
  readonly #slotOf: Int32Array
  readonly #blobOf: Int32Array
  readonly #pool: Pool
  readonly #gate: Gate
  #cold: ColdLookup | undefined

  constructor(pool: Pool, gate: Gate) {
    this.#slotOf = pool.slotOf
    this.#blobOf = pool.blobOf
    this.#pool = pool
    this.#gate = gate
  }

  slotOf(blob: number): number {
    return blob < MAX_BLOBS ? Atomics.load(this.#slotOf, blob) - 1 : -1
  }

  holds(slot: number, blob: number): boolean {
    return Atomics.load(this.#blobOf, slot) === blob
  }

  /** Made when it is first asked for: most cursors and many threads never need one. */
  get cold(): ColdLookup | undefined {
    const { file } = this.#pool
    if (this.#cold === undefined && file !== undefined) {
      const load: Load = (parent, version, blob) => this.fetchBelow(parent, version, blob)
      this.#cold = new ColdLookup(this.#pool, this.#gate, file, load)
    }
    return this.#cold
  }

  fetchBelow(parent: number, version: number, blob: number): number {
    const pool = this.#pool
    const entered = this.#gate.enter()
    try {
      if (parent >= 0 && pool.version[parent] !== version) return -1
      pool.slots.unpinAll()
      if (parent >= 0) pool.slots.pin(parent)
      return pool.fetch(blob)
    } finally {
      this.#gate.leave(entered)
    }
  }
}
