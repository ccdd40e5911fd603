/**
 * Keeping the tree dense: merges sparse blobs into their parents and drops the dead bytes of frames. Candidates are noted
 * by whoever changes a frame (Pool.noteBlob); any thread may work on them, a blob at a time. Frames that nobody changes
 * get the routing layout.
 *
 * A step copies the frames that it needs while others go on, builds the new frame in private memory, and enters the
 * mutation gate only to put it in place, when the frames are still what they were: the gate is held for one copy of a
 * frame, some 30 µs. No key changes, so nothing is logged.
 */
import { DATA_START, FRAME_SHIFT, FRAME_SIZE } from '../limits.ts'
import { ColdFrames } from './cold-frames.ts'
import type { Gate } from './gate.ts'
import { H_COMPACTIONS, H_DEAD, H_EPOCH, H_USED } from './layout.ts'
import { DEAD_BYTES, Pool, ROOT_BLOB, SPARSE_BYTES } from './pool.ts'
import { C_BLOB_HIGH, C_EPOCH, C_FAILED, C_NOTED, createEngineShared } from './shared.ts'
import { cloneFrame } from './walker/clone.ts'
import { Merge } from './walker/merge.ts'
import { cloneRouted, isRouted, planRouting } from './walker/route-layout.ts'

export type Work = 'merge' | 'compact' | 'route'
/** What became of a blob: `busy` asks to try again later. */
export type Outcome = 'merged' | 'compacted' | 'routed' | 'kept' | 'busy'

/** Most bytes of nodes in a frame into which another one was merged: there is room to grow before it spills again. */
const MERGED_BYTES = Math.floor((FRAME_SIZE - DATA_START) * 0.7)

/** Slots that putting a frame in place may take. */
const SLOTS_A_STEP = 2

/** Slots of the private pool. */
const PARENT = 0
const CHILD = 1
const RESULT = 2

export class Upkeep {
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #lastSeq: () => number
  readonly #private = new Pool(createEngineShared(0), undefined)
  readonly #merge = new Merge(this.#private)
  /** Pool slot and version of the frames that were copied to PARENT and CHILD. */
  readonly #slots = [0, 0]
  readonly #versions = [0, 0]
  readonly #cold: ColdFrames

  constructor(pool: Pool, gate: Gate, lastSeq: () => number) {
    this.#pool = pool
    this.#gate = gate
    this.#lastSeq = lastSeq
    this.#cold = new ColdFrames(pool, lastSeq())
  }

  /** The blobs that were noted since the last call. */
  collect(): number[] {
    const { control, notes } = this.#pool
    const noted: number[] = []
    if (control[C_NOTED] === 0) return noted
    control[C_NOTED] = 0
    for (let blob = ROOT_BLOB; blob <= control[C_BLOB_HIGH]; blob++) {
      if (notes[blob] === 0) continue
      notes[blob] = 0
      noted.push(blob)
    }
    return noted
  }

  /** Some blobs that did not change since the last call and would gain from {@link route}. */
  collectCold(): number[] {
    return this.#cold.collect(this.#lastSeq())
  }

  /** What a noted blob is worth, as far as its frame is in the pool. */
  worth(blob: number): Work | undefined {
    const pool = this.#pool
    const slot = pool.slotOf[blob] - 1
    if (slot < 0) return undefined
    const base = slot << FRAME_SHIFT
    if (blob !== ROOT_BLOB && pool.live(base) <= SPARSE_BYTES && this.#fits(pool.parentOf[blob], blob)) return 'merge'
    return pool.u32[(base + H_DEAD) >> 2] >= DEAD_BYTES ? 'compact' : undefined
  }

  /** Does what a blob is {@link worth}. */
  tend(blob: number): Outcome {
    const work = this.worth(blob)
    return work === undefined ? 'kept' : this[work](blob)
  }

  /** Whether both frames are in the pool and one takes what both hold. */
  #fits(parent: number, blob: number): boolean {
    const pool = this.#pool
    const above = pool.slotOf[parent] - 1
    const below = pool.slotOf[blob] - 1
    if (parent === 0 || above < 0 || below < 0) return false
    return pool.live(above << FRAME_SHIFT) + pool.live(below << FRAME_SHIFT) <= MERGED_BYTES
  }

  /** Puts what a blob holds into its parent, when that has the room, and frees the blob. */
  merge(blob: number): Outcome {
    const pool = this.#pool
    const parent = pool.parentOf[blob]
    if (parent === 0) return 'kept'
    if (this.#resident(parent) < 0 || this.#resident(blob) < 0 || !this.#fits(parent, blob)) return 'kept'
    if (!this.#copy(parent, PARENT) || !this.#copy(blob, CHILD)) return 'busy'
    const own = this.#private
    this.#pack(parent)
    const child = CHILD << FRAME_SHIFT
    const result = RESULT << FRAME_SHIFT
    if (own.live(result) + own.live(child) > MERGED_BYTES) return 'kept'
    if (!this.#merge.fold(result, child, blob)) {
      pool.parentOf[blob] = 0
      return 'kept'
    }
    if (!this.#install(2, blob)) return 'busy'
    this.#merge.list(child)
    for (const grandchild of this.#merge.children) pool.parentOf[grandchild] = parent
    if (own.live(result) <= SPARSE_BYTES) pool.noteBlob(parent)
    pool.count('merges')
    return 'merged'
  }

  /** Packs a frame that has dead bytes. */
  compact(blob: number): Outcome {
    const pool = this.#pool
    const slot = this.#resident(blob)
    if (slot < 0 || pool.u32[((slot << FRAME_SHIFT) + H_DEAD) >> 2] === 0) return 'kept'
    if (!this.#copy(blob, PARENT)) return 'busy'
    this.#pack(blob)
    if (!this.#install(1, 0)) return 'busy'
    pool.count('compactions')
    return 'compacted'
  }

  /** Gives the frame of a resident blob the routing layout, when it gains from it and fits. */
  route(blob: number): Outcome {
    const pool = this.#pool
    const slot = pool.slotOf[blob] - 1
    if (slot < 0 || blob === ROOT_BLOB || isRouted(pool, slot)) return 'kept'
    if (!this.#copy(blob, PARENT)) return 'busy'
    if (!planRouting(this.#private, PARENT << FRAME_SHIFT)) return 'kept'
    this.#pack(blob, cloneRouted)
    if (!this.#install(1, 0)) return 'busy'
    pool.count('routings')
    return 'routed'
  }

  /** Slot of a blob, which is loaded when it must be; -1 when there is no such blob. */
  #resident(blob: number): number {
    const pool = this.#pool
    if (pool.slotOf[blob] !== 0) return pool.slotOf[blob] - 1
    const entered = this.#gate.enter()
    try {
      if ((pool.slotOf[blob] | pool.diskSlotOf[blob]) === 0) return -1
      pool.reserve(1)
      pool.unpinAll()
      return pool.fetch(blob)
    } finally {
      this.#gate.leave(entered)
    }
  }

  /** Copies a resident frame to a slot of the private pool; false when it is being changed or is gone. */
  #copy(blob: number, to: number): boolean {
    const pool = this.#pool
    const slot = pool.slotOf[blob] - 1
    if (slot < 0) return false
    const version = Atomics.load(pool.version, slot)
    if ((version & 1) !== 0 || Atomics.load(pool.blobOf, slot) !== blob) return false
    const base = slot << FRAME_SHIFT
    const used = Math.min(FRAME_SIZE, Math.max(DATA_START, pool.u32[(base + H_USED) >> 2]))
    this.#private.u8.set(pool.u8.subarray(base, base + used), to << FRAME_SHIFT)
    this.#slots[to] = slot
    this.#versions[to] = version
    return Atomics.load(pool.version, slot) === version
  }

  /** Copies the frame in PARENT packed to RESULT. */
  #pack(blob: number, clone = cloneFrame): void {
    const own = this.#private
    const from = PARENT << FRAME_SHIFT
    const to = RESULT << FRAME_SHIFT
    own.formatFrame(RESULT, blob)
    clone(own, from, to)
    own.u32[(to + H_COMPACTIONS) >> 2] = own.u32[(from + H_COMPACTIONS) >> 2] + 1
  }

  /** Puts RESULT in place of the frame copied to PARENT and frees `child`, if the first `frames` copied are unchanged. */
  #install(frames: number, child: number): boolean {
    const pool = this.#pool
    const entered = this.#gate.enter()
    try {
      if (Atomics.load(pool.control, C_FAILED) !== 0) return false
      for (let i = 0; i < frames; i++) {
        const slot = this.#slots[i]
        // An image that a round still needs would have to be copied aside: the round is soon over.
        if (pool.version[slot] !== this.#versions[i] || pool.mustCopyAside(slot)) return false
      }
      pool.reserve(SLOTS_A_STEP)
      pool.unpinAll()
      for (let i = 0; i < frames; i++) pool.pin(this.#slots[i])
      pool.seq = this.#lastSeq()
      const base = pool.beginWrite(this.#slots[PARENT]) << FRAME_SHIFT
      const result = RESULT << FRAME_SHIFT
      const used = this.#private.u32[(result + H_USED) >> 2]
      pool.u8.set(this.#private.u8.subarray(result, result + used), base)
      pool.u32[(base + H_EPOCH) >> 2] = pool.control[C_EPOCH]
      pool.endWrite(base >>> FRAME_SHIFT)
      if (child !== 0) pool.freeBlob(child)
      return true
    } finally {
      this.#gate.leave(entered)
    }
  }
}
