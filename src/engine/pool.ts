/**
 * The pool of resident frames: how a frame is changed while readers look at it, made, given up, and brought in from
 * frames.dat. The tables that say where each blob is are in `residency-tables.ts`, the choice of a slot and eviction in
 * `pool-slots.ts`, space within a frame in `frame-space.ts`.
 *
 * A change goes from an odd version to the next even one, and never touches an image that a round or a view needs (I4,
 * I44). Single changes latch a frame and end its change on the shared side of the gate; all else is for the exclusive side.
 */
import { HoltError } from '../errors.ts'
import { DATA_START, FRAME_SHIFT, MAX_BLOBS } from '../limits.ts'
import type { FrameFile } from './frame-file.ts'
import { noteFrameKey } from './frame-key.ts'
import { FrameSpace } from './frame-space.ts'
import {
  FORMAT_VERSION,
  FRAME_MAGIC_HIGH,
  FRAME_MAGIC_LOW,
  H_BLOB,
  H_EPOCH,
  H_FORMAT,
  H_MAGIC,
  H_SEQ,
  H_TREE,
  H_USED,
  ROOT_BLOB,
} from './layout.ts'
import { PoolSlots } from './pool-slots.ts'
import { ResidencyTables } from './residency-tables.ts'
import { C_BLOB_HIGH, C_BLOB_HINT, C_EPOCH, C_SPARE, C_TICK, C_VIEWS, type EngineShared } from './shared.ts'

const NO_KEY = new Uint8Array(0)

export class Pool extends ResidencyTables {
  readonly file: FrameFile | undefined
  readonly slots: PoolSlots
  readonly space: FrameSpace
  /** Seq stamped into the frames that are changed; set by whoever applies a record. */
  seq = 0

  constructor(shared: EngineShared, file: FrameFile | undefined) {
    super(shared)
    this.file = file
    this.slots = new PoolSlots(this, file)
    this.space = new FrameSpace(this)
  }

  /** Makes the root frame resident, which it stays: the one on disk, or an empty one when the store has none yet. */
  openRoot(): void {
    if (this.control[C_EPOCH] === 0) this.control[C_EPOCH] = 1
    if (this.diskSlotOf[ROOT_BLOB] !== 0) this.fetch(ROOT_BLOB)
    else noteFrameKey(this, this.#install(ROOT_BLOB) << FRAME_SHIFT, NO_KEY, 0)
  }

  // --- changing a frame ---

  /**
   * Makes the frame in `slot` changeable and marks it as being changed: readers that meet it wait or restart.
   * Returns the slot where it now is: another one when a round or a view still needs the old image.
   */
  beginWrite(slot: number): number {
    if (this.mustCopyAside(slot)) slot = this.#copyAside(slot)
    Atomics.add(this.version, slot, 1)
    return slot
  }

  /** Whether a round or a view needs the frame in `slot` as it is: not for the shared side of the gate to change. */
  mustCopyAside(slot: number): boolean {
    if (Atomics.load(this.cut, slot) !== 0) return true
    return this.control[C_VIEWS] !== 0 && this.views.lacking(this.blobOf[slot]) !== 0
  }

  #copyAside(slot: number): number {
    this.slots.pin(slot)
    if (this.dirty[slot] === 0) this.keepForViews(slot)
    let to = -1
    while (to < 0) {
      if (!this.mustCopyAside(slot)) return slot
      const isCut = Atomics.load(this.cut, slot) !== 0
      to = this.slots.take(!isCut)
      if (to < 0) this.slots.waitForRound(slot)
    }
    const base = slot << FRAME_SHIFT
    const used = this.u32[(base + H_USED) >> 2]
    this.u8.copyWithin(to << FRAME_SHIFT, base, base + used)
    this.dirty[to] = this.dirty[slot]
    this.relocate(slot, to)
    this.slots.pin(to)
    this.count('copiesAside')
    return to
  }

  /** On the shared side of the gate: marks the frame as being changed if its version is still the even `version`. */
  latch(slot: number, version: number): boolean {
    return Atomics.compareExchange(this.version, slot, version, version + 1) === version
  }

  /** Lets go of a latched frame that was not changed. */
  unlatch(slot: number): void {
    Atomics.add(this.version, slot, 1)
  }

  /** Ends a change of the frame. `keepsShape`: every node but leaves is where it was. */
  endWrite(slot: number, keepsShape = false): void {
    const base = slot << FRAME_SHIFT
    this.u32[(base + H_SEQ) >> 2] = this.seq >>> 0
    this.u32[(base + H_SEQ + 4) >> 2] = Math.floor(this.seq / 4294967296)
    if (this.dirty[slot] === 0) Atomics.sub(this.control, C_SPARE, 1)
    this.dirty[slot] = this.control[C_EPOCH]
    if (!keepsShape) this.shape[slot]++
    Atomics.add(this.version, slot, 1)
  }

  /** Seq of the last change of the frame at `base`. */
  seqAt(base: number): number {
    return this.u32[(base + H_SEQ) >> 2] + this.u32[(base + H_SEQ + 4) >> 2] * 4294967296
  }

  // --- blobs ---

  /** A new blob with an empty frame; returns its slot, already dirty and pinned. */
  createBlob(): number {
    const high = Math.max(ROOT_BLOB, this.control[C_BLOB_HIGH])
    let blob = Math.max(ROOT_BLOB + 1, this.control[C_BLOB_HINT])
    for (; blob < MAX_BLOBS; blob++) {
      if (blob > high || (this.slotOf[blob] | this.diskSlotOf[blob] | this.committedOf[blob]) === 0) break
    }
    if (blob >= MAX_BLOBS) throw new HoltError('HOLT_FULL', `the store holds its most blobs, ${MAX_BLOBS}`)
    this.control[C_BLOB_HINT] = blob + 1
    this.views.create(blob)
    return this.#install(blob)
  }

  #install(blob: number): number {
    const slot = this.slots.take(true)
    this.formatFrame(slot, blob)
    this.slots.pin(slot)
    this.dirty[slot] = this.control[C_EPOCH]
    this.settle(slot, blob)
    if (blob > this.control[C_BLOB_HIGH]) this.control[C_BLOB_HIGH] = blob
    return slot
  }

  /** Writes the header of an empty frame of `blob` into `slot`. */
  formatFrame(slot: number, blob: number): void {
    const base = slot << FRAME_SHIFT
    this.u8.fill(0, base, base + DATA_START)
    this.u32[(base + H_MAGIC) >> 2] = FRAME_MAGIC_LOW
    this.u32[(base + H_MAGIC + 4) >> 2] = FRAME_MAGIC_HIGH
    this.u32[(base + H_FORMAT) >> 2] = FORMAT_VERSION
    this.u32[(base + H_BLOB) >> 2] = blob
    this.u32[(base + H_TREE) >> 2] = 1
    this.u32[(base + H_EPOCH) >> 2] = this.control[C_EPOCH]
    this.u32[(base + H_USED) >> 2] = DATA_START
  }

  /** Forgets a blob that no parent refers to any more. */
  freeBlob(blob: number): void {
    const resident = this.slotOf[blob]
    if (resident !== 0) this.vacate(resident - 1, this.keepForViews(resident - 1))
    else this.views.keepOnDisk(blob, this.diskSlotOf[blob])
    this.setCurrent(blob, 0)
    if (blob < this.control[C_BLOB_HINT]) this.control[C_BLOB_HINT] = blob
    this.count('blobsFreed')
  }

  /** The slot of a blob, loading it when it is not resident; pinned. */
  fetch(blob: number): number {
    const resident = blob < MAX_BLOBS ? this.slotOf[blob] : 0
    if (resident !== 0) {
      const slot = resident - 1
      this.touch[slot] = this.control[C_TICK]
      this.slots.pin(slot)
      return slot
    }
    const disk = blob < MAX_BLOBS ? this.diskSlotOf[blob] : 0
    if (disk === 0 || this.file === undefined) {
      throw new HoltError('HOLT_CORRUPT_FRAME', `the tree refers to blob ${blob}, which does not exist`)
    }
    const slot = this.slots.take(true)
    this.file.read(disk - 1, blob, this.disk.sums[disk - 1], this.u8, slot)
    this.dirty[slot] = 0
    this.slots.pin(slot)
    this.settle(slot, blob)
    this.count('frameLoads')
    return slot
  }
}
