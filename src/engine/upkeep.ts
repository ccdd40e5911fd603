/**
 * Keeping the tree dense: merges sparse blobs into their parents and drops the dead bytes of frames. Candidates are noted
 * by whoever changes a frame (FrameSpace.abandon); any thread may work on them, a blob at a time. Frames that nobody changes
 * get the routing layout.
 *
 * A step copies the frames that it needs while others go on, builds the new frame in private memory, and enters the
 * mutation gate only to put it in place, when the frames are still what they were: the gate is held for one copy of a
 * frame, some 30 µs. No key changes, so nothing is logged.
 */
import { ADVICE, HoltError } from '../errors.ts'
import { DATA_START, FRAME_SHIFT, FRAME_SIZE, MAX_BLOBS, PAGE_SIZE, SPILL_RESERVE } from '../limits.ts'
import { ColdFrames } from './cold-frames.ts'
import { DEAD_BYTES, SPARSE_BYTES } from './frame-space.ts'
import type { Gate } from './gate.ts'
import { H_BLOB, H_COMPACTIONS, H_DEAD, H_EPOCH, H_ROOT, H_USED, ROOT_BLOB } from './layout.ts'
import { Pool } from './pool.ts'
import {
  C_BLOB_HIGH,
  C_EPOCH,
  C_FAILED,
  C_NOTED,
  C_SHRINK,
  C_SLOT_FREED,
  createEngineShared,
  SHRINK_ALL,
} from './shared.ts'
import { cloneFrame, measureSubtree } from './walker/clone.ts'
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

/** Slots that putting a frame in place may take. */
const SLOTS_A_STEP = 2

/** Most blobs that one step gathers. */
const MOST_GATHERED = 32

/** Stands for the blob of a group until it has one. */
const GROUP_BLOB = MAX_BLOBS

/** Tries of a step on frames that others change or that a round still needs, each a millisecond after a longer wait. */
const MOST_TRIES = 16

/** Slots of the private pool. */
const PARENT = 0
const CHILD = 1
const RESULT = 2
const GROUP = 3

export class Upkeep {
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #lastSeq: () => number
  readonly #private = new Pool(createEngineShared(0), undefined)
  readonly #merge = new Merge(this.#private)
  readonly #gather = new Gather(this.#private)
  /** Pool slots and versions of the frames that the step has copied. */
  readonly #slots: number[] = []
  readonly #versions: number[] = []
  /** Live bytes of blobs that are not resident, as {@link compactAll} has seen them. */
  readonly #known = new Map<number, number>()
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

  /** What to do about a noted blob, as far as can be told from the frames in the pool. */
  task(blob: number): Task | undefined {
    const pool = this.#pool
    const slot = pool.slotOf[blob] - 1
    if (slot < 0) return undefined
    const base = slot << FRAME_SHIFT
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
    return slot < 0 ? (this.#known.get(blob) ?? FRAME_SIZE) : this.#pool.space.live(slot << FRAME_SHIFT)
  }

  /** Puts what a blob holds into its parent, when that has the room, and frees the blob. */
  merge(blob: number): Outcome {
    const pool = this.#pool
    const own = this.#private
    const parent = pool.parentOf[blob]
    if (parent === 0 || this.#resident(parent) < 0 || this.#resident(blob) < 0) return 'kept'
    if (this.#weight(parent) + this.#weight(blob) > MERGED_BYTES) return 'kept'
    this.#begin()
    if (!this.#copy(parent, PARENT) || !this.#copy(blob, CHILD)) return 'busy'
    this.#pack(parent)
    if (own.space.live(base(RESULT)) + own.space.live(base(CHILD)) > MERGED_BYTES) return 'kept'
    if (!this.#merge.fold(base(RESULT), base(CHILD), blob)) {
      pool.parentOf[blob] = 0
      return 'kept'
    }
    if (!this.#install([RESULT], [blob])) return 'busy'
    this.#adopt(RESULT, parent)
    if (own.space.live(base(RESULT)) <= SPARSE_BYTES) pool.noteBlob(parent)
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
    const own = this.#private
    if (this.#resident(parent) < 0) return 'kept'
    this.#begin()
    if (!this.#copy(parent, PARENT)) return 'busy'
    this.#merge.list(base(PARENT))
    if (this.#merge.children.length < 2) return 'kept'
    this.#pack(parent)
    own.formatFrame(GROUP, 0)
    // The frame is that of the first child folded into it; which one that is shows only then.
    const weigh = (blob: number) => this.#weight(blob)
    if (!this.#gather.move(base(RESULT), base(GROUP), GROUP_BLOB, MERGED_BYTES, most, weigh)) return 'kept'
    this.#merge.list(base(GROUP))
    const folded: number[] = []
    for (const blob of [...this.#merge.children]) {
      if (this.#resident(blob) < 0 || !this.#copy(blob, CHILD)) return 'busy'
      if (own.space.room(base(GROUP), SPILL_RESERVE) < own.space.live(base(CHILD)) + PAGE_SIZE) return 'busy'
      if (!this.#merge.fold(base(GROUP), base(CHILD), blob)) return 'kept'
      folded.push(blob)
    }
    const host = folded[0]
    this.#merge.rename(base(RESULT), GROUP_BLOB, host)
    own.u32[(base(GROUP) + H_BLOB) >> 2] = host
    if (!this.#install([RESULT, GROUP], folded.slice(1))) return 'busy'
    this.#adopt(RESULT, parent)
    this.#adopt(GROUP, host)
    pool.count('merges', folded.length - 1)
    return 'done'
  }

  /** Packs a frame that has dead bytes. */
  compact(blob: number): Outcome {
    const slot = this.#resident(blob)
    if (slot < 0 || this.#pool.u32[(base(slot) + H_DEAD) >> 2] === 0) return 'kept'
    return this.#rebuild(blob, false)
  }

  /** Gives a frame the routing layout, if it gains from it. */
  route(blob: number): Outcome {
    const pool = this.#pool
    const slot = this.#resident(blob)
    if (slot < 0 || blob === ROOT_BLOB || pool.file === undefined) return 'kept'
    if (isRouted(pool, slot) && pool.u32[(base(slot) + H_DEAD) >> 2] === 0) return 'kept'
    return this.#rebuild(blob, true)
  }

  #rebuild(blob: number, routed: boolean): Outcome {
    this.#begin()
    if (!this.#copy(blob, PARENT)) return 'busy'
    if (routed && !planRouting(this.#private, base(PARENT))) return 'kept'
    this.#pack(blob, routed ? cloneRouted : cloneFrame)
    if (!this.#install([RESULT], [])) return 'busy'
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
      this.#begin()
      if (this.#resident(blob) < 0 || this.#untilDone(() => (this.#copy(blob, PARENT) ? 'kept' : 'busy')) === 'busy')
        continue
      this.#known.set(blob, this.#private.space.live(base(PARENT)))
      this.#merge.list(base(PARENT))
      for (const child of this.#merge.children) {
        pool.parentOf[child] = blob
        seen.add(child)
      }
    }
    return [...seen].reverse()
  }

  /** Slot of a blob, which is loaded when it must be; -1 when there is no such blob. */
  #resident(blob: number): number {
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
  #begin(): void {
    this.#slots.length = 0
    this.#versions.length = 0
  }

  /** Copies a resident frame to a slot of the private pool; false when it is being changed or is gone. */
  #copy(blob: number, to: number): boolean {
    const pool = this.#pool
    const slot = pool.slotOf[blob] - 1
    if (slot < 0) return false
    const version = Atomics.load(pool.version, slot)
    if ((version & 1) !== 0 || Atomics.load(pool.blobOf, slot) !== blob) return false
    const from = base(slot)
    const used = Math.min(FRAME_SIZE, Math.max(DATA_START, pool.u32[(from + H_USED) >> 2]))
    this.#private.u8.set(pool.u8.subarray(from, from + used), base(to))
    this.#slots.push(slot)
    this.#versions.push(version)
    if (Atomics.load(pool.version, slot) !== version) return false
    this.#assertTree(blob, base(to))
    return true
  }

  /** What is built of a frame has room because its nodes are a tree of as many bytes as its header says. */
  #assertTree(blob: number, frame: number): void {
    const own = this.#private
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

  /** Copies the frame in PARENT packed to RESULT. */
  #pack(blob: number, clone = cloneFrame): void {
    const own = this.#private
    const from = base(PARENT)
    const to = base(RESULT)
    own.formatFrame(RESULT, blob)
    clone(own, from, to)
    own.u32[(to + H_COMPACTIONS) >> 2] = own.u32[(from + H_COMPACTIONS) >> 2] + 1
  }

  /** Tells the blobs below a frame of the private pool, which is that of `blob` now, where they hang. */
  #adopt(slot: number, blob: number): void {
    this.#merge.list(base(slot))
    for (const child of this.#merge.children) this.#pool.parentOf[child] = blob
    if (this.#known.size > 0) this.#known.set(blob, this.#private.space.live(base(slot)))
  }

  /** Puts frames of the private pool in the place of the blobs' own and frees blobs, if all that was copied is unchanged. */
  #install(results: readonly number[], freed: readonly number[]): boolean {
    const pool = this.#pool
    const own = this.#private
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
      const slots = results.map(result => pool.beginWrite(pool.slotOf[own.u32[(base(result) + H_BLOB) >> 2]] - 1))
      for (let i = 0; i < results.length; i++) {
        const from = base(results[i])
        const used = own.u32[(from + H_USED) >> 2]
        pool.u8.set(own.u8.subarray(from, from + used), base(slots[i]))
        pool.u32[(base(slots[i]) + H_EPOCH) >> 2] = pool.control[C_EPOCH]
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
function base(slot: number): number {
  return slot << FRAME_SHIFT
}
