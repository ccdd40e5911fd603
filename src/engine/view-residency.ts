/**
 * Where the blobs of a view are: a blob that was not changed since the view was opened is the live one, any other is the
 * image that was kept of it. Lookup and Cursor read a view through this as they read the live tree.
 *
 * Why a live frame can be believed: its table word leaves 0 before the first change. Whoever saw the frame's version,
 * then found the blob there, then found the word 0, and after reading finds the same version, has read what the blob was
 * when the view was opened (I44). Images are not changed, and their slot's version moves on when they are given up.
 */
import { HoltError } from '../errors.ts'
import { MAX_BLOBS } from '../limits.ts'
import type { Gate } from './gate.ts'
import type { Pool } from './pool.ts'
import { C_TICK } from './shared.ts'
import { YOUNGER } from './view-table.ts'
import type { Residency } from './walker/residency.ts'

export class ViewResidency implements Residency {
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #kept: Int32Array
  readonly #slotOf: Int32Array
  readonly #blobOf: Int32Array
  #entry = 0
  #id = 0
  /** First word of the entry in the table. */
  #row = 0

  constructor(pool: Pool, gate: Gate) {
    this.#pool = pool
    this.#gate = gate
    this.#kept = pool.views.kept
    this.#slotOf = pool.slotOf
    this.#blobOf = pool.blobOf
  }

  /** Opens a view of the tree as it is now. Inside the gate. */
  open(): void {
    const { views } = this.#pool
    this.#entry = views.open()
    this.#id = views.ids[this.#entry]
    this.#row = this.#entry * MAX_BLOBS
  }

  /** Ends the view, if it has not expired. */
  close(): void {
    const entered = this.#gate.enter()
    try {
      if (this.isOpen()) this.#pool.views.close(this.#entry)
    } finally {
      this.#gate.leave(entered)
    }
  }

  /** Asked after reading: what was read before it was true is what the view has. */
  isOpen(): boolean {
    return this.#pool.views.isOpen(this.#entry, this.#id)
  }

  slotOf(blob: number): number {
    if (blob >= MAX_BLOBS) return -1
    const kept = Atomics.load(this.#kept, this.#row + blob)
    if (kept === 0) return Atomics.load(this.#slotOf, blob) - 1
    return kept < 0 || kept === YOUNGER ? -1 : kept - 1
  }

  holds(slot: number, blob: number): boolean {
    const found = Atomics.load(this.#blobOf, slot)
    if (found === blob) return Atomics.load(this.#kept, this.#row + blob) === 0
    return found === -blob && Atomics.load(this.#kept, this.#row + blob) === slot + 1
  }

  fetchBelow(parent: number, version: number, blob: number): number {
    const pool = this.#pool
    const entered = this.#gate.enter()
    try {
      if (!this.isOpen()) throw viewExpired()
      if (parent >= 0 && pool.version[parent] !== version) return -1
      pool.slots.unpinAll()
      if (parent >= 0) pool.slots.pin(parent)
      return this.#fetch(blob)
    } finally {
      this.#gate.leave(entered)
    }
  }

  #fetch(blob: number): number {
    const pool = this.#pool
    const kept = blob < MAX_BLOBS ? this.#kept[this.#row + blob] : 0
    if (kept === 0) return pool.fetch(blob)
    if (kept === YOUNGER || pool.file === undefined) {
      throw new HoltError('HOLT_CORRUPT_FRAME', `a view refers to blob ${blob}, which it does not have`)
    }
    if (kept > 0) return kept - 1
    const slot = pool.slots.take(true)
    if (!this.isOpen()) throw viewExpired()
    pool.file.read(-kept - 1, blob, pool.disk.sums[-kept - 1], pool.u8, slot)
    pool.touch[slot] = pool.control[C_TICK]
    pool.views.load(blob, -kept, slot)
    pool.count('frameLoads')
    return slot
  }
}

export function viewExpired(): HoltError {
  const what =
    'the view has expired, because too much was changed or too many views were opened since it was: use shorter views or a larger poolBytes'
  return new HoltError('HOLT_VIEW_EXPIRED', what)
}
