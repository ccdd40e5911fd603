/**
 * Keeping the tree dense: merges sparse blobs into their parents and drops the dead bytes of frames. Candidates are noted
 * by whoever changes a frame (FrameSpace.abandon); any thread may work on them, a blob at a time. Frames that nobody changes
 * get the routing layout.
 *
 * What is done to frames is done to copies of them (frame-copies.ts), so others go on meanwhile, and a step on what they
 * change comes to nothing.
 */
import { DATA_START, FRAME_SIZE, MAX_BLOBS, PAGE_SIZE, SPILL_RESERVE } from '../limits.ts'
import { ColdFrames } from './cold-frames.ts'
import { baseOf, FrameCopies } from './frame-copies.ts'
import { DEAD_BYTES, SPARSE_BYTES } from './frame-space.ts'
import type { Gate } from './gate.ts'
import { H_BLOB, H_COMPACTIONS, H_DEAD, ROOT_BLOB } from './layout.ts'
import type { Pool } from './pool.ts'
import { C_BLOB_HIGH, C_NOTED, C_SHRINK, C_SLOT_FREED, SHRINK_ALL } from './shared.ts'
import { cloneFrame } from './walker/clone.ts'
import { Gather } from './walker/gather.ts'
import { Merge } from './walker/merge.ts'
import { cloneRouted, isRouted, planRouting } from './walker/route-layout.ts'

export type Work = 'merge' | 'gather' | 'compact' | 'route'

export interface Task {
  work: Work
  blob: number
}

/** What became of a step: `busy` asks to try again later. */
export type Outcome = 'done' | 'kept' | 'busy'

/** Most bytes of nodes in a frame into which another one was merged: there is room to grow before it spills again. */
const MERGED_BYTES = Math.floor((FRAME_SIZE - DATA_START) * 0.7)

/** Most blobs that one step gathers. */
const MOST_GATHERED = 32

/** Stands for the blob of a group until it has one. */
const GROUP_BLOB = MAX_BLOBS

/** Tries of a step on frames that others change or that a round still needs, each a millisecond after a longer wait. */
const MOST_TRIES = 16

/** Slots for copies, and for what is built of them. */
const PARENT = 0
const CHILD = 1
const RESULT = 2
const GROUP = 3

export class Upkeep {
  readonly #pool: Pool
  readonly #lastSeq: () => number
  readonly #copies: FrameCopies
  /** Holds the copies. */
  readonly #own: Pool
  readonly #merge: Merge
  readonly #gather: Gather
  /** Live bytes of blobs that are not resident, as {@link compactAll} has seen them. */
  readonly #known = new Map<number, number>()
  readonly #cold: ColdFrames

  constructor(pool: Pool, gate: Gate, lastSeq: () => number) {
    this.#pool = pool
    this.#copies = new FrameCopies(pool, gate, lastSeq)
    this.#own = this.#copies.own
    this.#merge = new Merge(this.#own)
    this.#gather = new Gather(this.#own)
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

  /** What to do about a noted blob, as far as can be told from the frames in the pool. */
  task(blob: number): Task | undefined {
    const pool = this.#pool
    const slot = pool.slotOf[blob] - 1
    if (slot < 0) return undefined
    const base = baseOf(slot)
    const parent = pool.parentOf[blob]
    if (blob !== ROOT_BLOB && parent !== 0 && pool.space.live(base) <= SPARSE_BYTES) {
      const fits = this.#weight(parent) + pool.space.live(base) <= MERGED_BYTES
      return fits ? { work: 'merge', blob } : { work: 'gather', blob: parent }
    }
    return pool.u32[(base + H_DEAD) >> 2] >= DEAD_BYTES ? { work: 'compact', blob } : undefined
  }

  /** Live bytes of a blob; more than a frame holds when they are not known without loading it. */
  #weight(blob: number): number {
    const slot = this.#pool.slotOf[blob] - 1
    return slot < 0 ? (this.#known.get(blob) ?? FRAME_SIZE) : this.#pool.space.live(baseOf(slot))
  }

  /** Puts what a blob holds into its parent, when that has the room, and frees the blob. */
  merge(blob: number): Outcome {
    const pool = this.#pool
    const own = this.#own
    const parent = pool.parentOf[blob]
    if (parent === 0 || this.#copies.resident(parent) < 0 || this.#copies.resident(blob) < 0) return 'kept'
    if (this.#weight(parent) + this.#weight(blob) > MERGED_BYTES) return 'kept'
    this.#copies.begin()
    if (!this.#copies.copy(parent, PARENT) || !this.#copies.copy(blob, CHILD)) return 'busy'
    this.#pack(parent)
    if (own.space.live(baseOf(RESULT)) + own.space.live(baseOf(CHILD)) > MERGED_BYTES) return 'kept'
    if (!this.#merge.fold(baseOf(RESULT), baseOf(CHILD), blob)) {
      pool.parentOf[blob] = 0
      return 'kept'
    }
    if (!this.#copies.install([RESULT], [blob])) return 'busy'
    this.#adopt(RESULT, parent)
    if (own.space.live(baseOf(RESULT)) <= SPARSE_BYTES) pool.noteBlob(parent)
    pool.count('merges')
    return 'done'
  }

  /**
   * Gives sparse neighbours among the children of a blob one blob in common; when done, there may be more of them. The more
   * they are, the likelier is one of them changed meanwhile: then fewer must do.
   */
  gather(parent: number): Outcome {
    // All of them are in the pool together, and leave room for others.
    for (let most = Math.min(MOST_GATHERED, this.#pool.frames >> 2); most >= 2; most >>= 2) {
      const outcome = this.#gatherSome(parent, most)
      if (outcome !== 'busy') return outcome
    }
    return 'busy'
  }

  #gatherSome(parent: number, most: number): Outcome {
    const pool = this.#pool
    const own = this.#own
    if (this.#copies.resident(parent) < 0) return 'kept'
    this.#copies.begin()
    if (!this.#copies.copy(parent, PARENT)) return 'busy'
    this.#merge.list(baseOf(PARENT))
    if (this.#merge.children.length < 2) return 'kept'
    this.#pack(parent)
    own.formatFrame(GROUP, 0)
    // The frame is that of the first child folded into it; which one that is shows only then.
    const weigh = (blob: number) => this.#weight(blob)
    if (!this.#gather.move(baseOf(RESULT), baseOf(GROUP), GROUP_BLOB, MERGED_BYTES, most, weigh)) return 'kept'
    this.#merge.list(baseOf(GROUP))
    const folded: number[] = []
    for (const blob of [...this.#merge.children]) {
      if (this.#copies.resident(blob) < 0 || !this.#copies.copy(blob, CHILD)) return 'busy'
      if (own.space.room(baseOf(GROUP), SPILL_RESERVE) < own.space.live(baseOf(CHILD)) + PAGE_SIZE) return 'busy'
      if (!this.#merge.fold(baseOf(GROUP), baseOf(CHILD), blob)) return 'kept'
      folded.push(blob)
    }
    const host = folded[0]
    this.#merge.rename(baseOf(RESULT), GROUP_BLOB, host)
    own.u32[(baseOf(GROUP) + H_BLOB) >> 2] = host
    if (!this.#copies.install([RESULT, GROUP], folded.slice(1))) return 'busy'
    this.#adopt(RESULT, parent)
    this.#adopt(GROUP, host)
    pool.count('merges', folded.length - 1)
    return 'done'
  }

  /** Packs a frame that has dead bytes. */
  compact(blob: number): Outcome {
    const slot = this.#copies.resident(blob)
    if (slot < 0 || this.#pool.u32[(baseOf(slot) + H_DEAD) >> 2] === 0) return 'kept'
    return this.#rebuild(blob, false)
  }

  /** Gives a frame the routing layout, if it gains from it. */
  route(blob: number): Outcome {
    const pool = this.#pool
    const slot = this.#copies.resident(blob)
    if (slot < 0 || blob === ROOT_BLOB || pool.file === undefined) return 'kept'
    if (isRouted(pool, slot) && pool.u32[(baseOf(slot) + H_DEAD) >> 2] === 0) return 'kept'
    return this.#rebuild(blob, true)
  }

  #rebuild(blob: number, routed: boolean): Outcome {
    this.#copies.begin()
    if (!this.#copies.copy(blob, PARENT)) return 'busy'
    if (routed && !planRouting(this.#own, baseOf(PARENT))) return 'kept'
    this.#pack(blob, routed ? cloneRouted : cloneFrame)
    if (!this.#copies.install([RESULT], [])) return 'busy'
    this.#pool.count('compactions')
    if (routed) this.#pool.count('routings')
    return 'done'
  }

  /**
   * Merges what is sparse, packs every frame that has dead bytes, and routes those that gain from it; every blob is loaded.
   * The next round gives back what frames.dat does not need any more. Returns how many frames it changed.
   */
  compactAll(): number {
    const pool = this.#pool
    let changed = 0
    const repeat = (step: () => Outcome) => {
      while (this.#untilDone(step) === 'done') changed++
    }
    for (const blob of this.#survey()) {
      repeat(() => this.merge(blob))
      repeat(() => this.gather(blob))
    }
    for (let blob = ROOT_BLOB; blob <= pool.control[C_BLOB_HIGH]; blob++) {
      const routed = this.#untilDone(() => this.route(blob)) === 'done'
      if (routed || this.#untilDone(() => this.compact(blob)) === 'done') changed++
    }
    this.#known.clear()
    if (pool.file !== undefined) pool.control[C_SHRINK] = SHRINK_ALL
    return changed
  }

  #untilDone(step: () => Outcome): Outcome {
    for (let i = 0; i < MOST_TRIES; i++) {
      const outcome = step()
      if (outcome !== 'busy') return outcome
      Atomics.wait(this.#pool.control, C_SLOT_FREED, this.#pool.control[C_SLOT_FREED], i)
    }
    return 'busy'
  }

  /** Walks all frames to learn what is where; returns the blobs, those below before those above. */
  #survey(): number[] {
    const pool = this.#pool
    const seen = new Set([ROOT_BLOB])
    for (const blob of seen) {
      this.#copies.begin()
      if (this.#copies.resident(blob) < 0) continue
      if (this.#untilDone(() => (this.#copies.copy(blob, PARENT) ? 'kept' : 'busy')) === 'busy') continue
      this.#known.set(blob, this.#own.space.live(baseOf(PARENT)))
      this.#merge.list(baseOf(PARENT))
      for (const child of this.#merge.children) {
        pool.parentOf[child] = blob
        seen.add(child)
      }
    }
    return [...seen].reverse()
  }

  /** Copies the frame in PARENT packed to RESULT. */
  #pack(blob: number, clone = cloneFrame): void {
    const own = this.#own
    const from = baseOf(PARENT)
    const to = baseOf(RESULT)
    own.formatFrame(RESULT, blob)
    clone(own, from, to)
    own.u32[(to + H_COMPACTIONS) >> 2] = own.u32[(from + H_COMPACTIONS) >> 2] + 1
  }

  /** Tells the blobs below a frame that was built, which is that of `blob` now, where they hang. */
  #adopt(slot: number, blob: number): void {
    this.#merge.list(baseOf(slot))
    for (const child of this.#merge.children) this.#pool.parentOf[child] = blob
    if (this.#known.size > 0) this.#known.set(blob, this.#own.space.live(baseOf(slot)))
  }
}
