/**
 * Rebuilding frames beside those who use them: a step copies the frames that it needs to private memory while others go on,
 * builds new ones there, and enters the mutation gate only to put these in place, when the frames are still what they were.
 * So the gate is held for one copy of a frame, some 30 µs. No key changes, so nothing is logged.
 */
import { ADVICE, HoltError } from '../errors.ts'
import { FRAME_SHIFT } from '../limits.ts'
import type { Gate } from './gate.ts'
import { H_BLOB, H_EPOCH, H_ROOT, H_USED, imageBytes } from './layout.ts'
import { Pool } from './pool.ts'
import { C_EPOCH, C_FAILED, createEngineShared } from './shared.ts'
import { measureSubtree } from './walker/clone.ts'

/** Slots that putting a frame in place may take. */
const SLOTS_A_STEP = 2

export class FrameCopies {
  /** Where the copies are, and what is built of them: the slots are the caller's to name. */
  readonly own = new Pool(createEngineShared(0), undefined)
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #lastSeq: () => number
  /** Pool slots and versions of the frames that the step has copied. */
  readonly #slots: number[] = []
  readonly #versions: number[] = []

  constructor(pool: Pool, gate: Gate, lastSeq: () => number) {
    this.#pool = pool
    this.#gate = gate
    this.#lastSeq = lastSeq
  }

  /** Slot of a blob, which is loaded when it must be; -1 when there is no such blob. */
  resident(blob: number): number {
    const pool = this.#pool
    if (pool.slotOf[blob] !== 0) return pool.slotOf[blob] - 1
    const entered = this.#gate.enter()
    try {
      if ((pool.slotOf[blob] | pool.diskSlotOf[blob]) === 0) return -1
      pool.slots.reserve(1)
      pool.slots.unpinAll()
      return pool.fetch(blob)
    } finally {
      this.#gate.leave(entered)
    }
  }

  /** A step begins: nothing is copied yet. */
  begin(): void {
    this.#slots.length = 0
    this.#versions.length = 0
  }

  /** Copies a resident frame to slot `to` of {@link own}; false when it is being changed or is gone. */
  copy(blob: number, to: number): boolean {
    const pool = this.#pool
    const slot = pool.slotOf[blob] - 1
    if (slot < 0) return false
    const version = Atomics.load(pool.version, slot)
    if ((version & 1) !== 0 || Atomics.load(pool.blobOf, slot) !== blob) return false
    const from = baseOf(slot)
    const used = imageBytes(pool.u32[(from + H_USED) >> 2])
    this.own.u8.set(pool.u8.subarray(from, from + used), baseOf(to))
    this.#slots.push(slot)
    this.#versions.push(version)
    if (Atomics.load(pool.version, slot) !== version) return false
    this.#assertTree(blob, baseOf(to))
    return true
  }

  /** What is built of a frame has room because its nodes are a tree of as many bytes as its header says. */
  #assertTree(blob: number, frame: number): void {
    const { own } = this
    if (own.u16[(frame + H_ROOT) >> 1] === 0) return
    let live: number
    try {
      live = measureSubtree(own, frame, frame + H_ROOT)
    } catch (cause) {
      throw new HoltError('HOLT_CORRUPT_FRAME', `blob ${blob}: ${(cause as Error).message}: ${ADVICE}`, { cause })
    }
    if (live === own.space.live(frame)) return
    const what = `its nodes take ${live} bytes and not the ${own.space.live(frame)} that it says`
    throw new HoltError('HOLT_CORRUPT_FRAME', `blob ${blob}: ${what}: ${ADVICE}`)
  }

  /** Puts frames of {@link own} in the place of the blobs' own and frees blobs, if all that was copied is unchanged. */
  install(results: readonly number[], freed: readonly number[]): boolean {
    const pool = this.#pool
    const { own } = this
    const entered = this.#gate.enter()
    try {
      if (Atomics.load(pool.control, C_FAILED) !== 0) return false
      pool.slots.unpinAll()
      for (let i = 0; i < this.#slots.length; i++) {
        const slot = this.#slots[i]
        // An image that a round still needs would have to be copied aside: that is soon over, unlike a view.
        if (pool.version[slot] !== this.#versions[i] || Atomics.load(pool.cut, slot) !== 0) return false
        pool.slots.pin(slot)
      }
      pool.slots.reserve(SLOTS_A_STEP)
      pool.seq = this.#lastSeq()
      // All are held before one is let go of: a reader must not go from a new frame to an old one.
      const slots = results.map(result => pool.beginWrite(pool.slotOf[own.u32[(baseOf(result) + H_BLOB) >> 2]] - 1))
      for (let i = 0; i < results.length; i++) {
        const from = baseOf(results[i])
        const used = own.u32[(from + H_USED) >> 2]
        pool.u8.set(own.u8.subarray(from, from + used), baseOf(slots[i]))
        pool.u32[(baseOf(slots[i]) + H_EPOCH) >> 2] = pool.control[C_EPOCH]
      }
      for (const slot of slots) pool.endWrite(slot)
      for (const blob of freed) pool.freeBlob(blob)
      return true
    } finally {
      this.#gate.leave(entered)
    }
  }
}

/** Byte base of the frame in a slot of either pool. */
export function baseOf(slot: number): number {
  return slot << FRAME_SHIFT
}
