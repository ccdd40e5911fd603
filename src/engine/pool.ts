/**
 * The pool of resident frames and the residency tables: which blob sits in which pool slot and which disk slot.
 *
 * Readers only look: version words, `slotOf`, frame bytes. Everything that changes residency (load, evict, steal,
 * relocate, allocate, free) happens under the mutation gate, so there is one such thread at a time (I2). The thread
 * that writes a checkpoint round runs beside it; the two meet only in `cut` and in `disk`.
 *
 * A slot is free when `blobOf` and `cut` are both 0. `cut` = 1 means a round still has to copy this image: it must not
 * be changed, so a writer moves the live frame to another slot first (copy-aside) and leaves the image behind (I4). A
 * slot whose `blobOf` is negative holds an image for views: `view-table.ts`.
 */
import { HoltError } from '../errors.ts'
import { DATA_START, FRAME_SHIFT, FRAME_SIZE, MAX_BLOBS } from '../limits.ts'
import { DiskSlots } from './disk-slots.ts'
import type { FrameFile } from './frame-file.ts'
import { noteFrameKey } from './frame-key.ts'
import {
  FORMAT_VERSION,
  FRAME_MAGIC_HIGH,
  FRAME_MAGIC_LOW,
  H_BLOB,
  H_COMPACTIONS,
  H_DEAD,
  H_EPOCH,
  H_FORMAT,
  H_LEAVES,
  H_MAGIC,
  H_ROOT,
  H_SEQ,
  H_SLACK,
  H_TREE,
  H_USED,
} from './layout.ts'
import {
  C_BLOB_HIGH,
  C_BLOB_HINT,
  C_COUNTERS,
  C_EPOCH,
  C_LONGEST_KEY,
  C_NOTED,
  C_SLOT_FREED,
  C_SPARE,
  C_TICK,
  C_VIEWS,
  CONTROL_WORDS,
  COUNTERS,
  type CounterName,
  type EngineShared,
  N_STEAL_BYTES,
  NOTES,
  NUMBERS,
} from './shared.ts'
import { ViewTable } from './view-table.ts'

const NO_KEY = new Uint8Array(0)

/** Blob id of the tree's root frame; ids start here, 0 means none. */
export const ROOT_BLOB = 1

/** A blob with at most this many live bytes is worth merging. */
export const SPARSE_BYTES = 96 * 1024
/** A frame with at least this many dead bytes is worth compacting before it is full. */
export const DEAD_BYTES = 128 * 1024

const counterIndex = Object.fromEntries(COUNTERS.map((name, i) => [name, C_COUNTERS + i])) as Record<
  CounterName,
  number
>

export class Pool {
  readonly frames: number
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  /** Even: free to read; odd: being changed. Never goes back, whatever blob the slot holds. */
  readonly version: Int32Array
  readonly blobOf: Int32Array
  /** Epoch in which the frame was last changed since it was last checkpointed; 0 = clean. */
  readonly dirty: Int32Array
  readonly cut: Int32Array
  readonly touch: Int32Array
  /** Bumped before the version becomes even again, unless all that is left where it was: nodes other than leaves, and the blob itself. */
  readonly shape: Int32Array
  /** Pool slot + 1 of a resident blob, else 0. */
  readonly slotOf: Int32Array
  /** Disk slot + 1 of the newest image on disk, else 0. Not meaningful while the resident frame is dirty. */
  readonly diskSlotOf: Int32Array
  /** Bumped whenever `diskSlotOf` of the blob changes: says that an image is still the one that was seen (I37). */
  readonly imageOf: Int32Array
  /** Disk slot + 1 in the last committed checkpoint, else 0. */
  readonly committedOf: Int32Array
  /** Blob that led to this one when a removal last passed, or 0: a hint for the maintenance, which looks for itself. */
  readonly parentOf: Int32Array
  /** 1 for a blob that the maintenance should look at; lossy (see {@link noteBlob}). */
  readonly notes: Uint8Array
  readonly disk: DiskSlots
  readonly views: ViewTable
  readonly control: Int32Array
  readonly numbers: Float64Array
  readonly file: FrameFile | undefined
  /** Seq stamped into the frames that are changed; set by whoever applies a record. */
  seq = 0

  readonly #pinned: Int32Array
  #pinStamp = 1
  #freeHint = 0

  constructor(shared: EngineShared, file: FrameFile | undefined) {
    const n = shared.frames
    this.frames = n
    this.u8 = new Uint8Array(shared.pool)
    this.u16 = new Uint16Array(shared.pool)
    this.u32 = new Uint32Array(shared.pool)
    this.version = new Int32Array(shared.slots, 0, n)
    this.blobOf = new Int32Array(shared.slots, n * 4, n)
    this.dirty = new Int32Array(shared.slots, n * 8, n)
    this.cut = new Int32Array(shared.slots, n * 12, n)
    this.touch = new Int32Array(shared.slots, n * 16, n)
    this.shape = new Int32Array(shared.slots, n * 28, n)
    this.slotOf = new Int32Array(shared.blobs, 0, MAX_BLOBS)
    this.diskSlotOf = new Int32Array(shared.blobs, MAX_BLOBS * 4, MAX_BLOBS)
    this.committedOf = new Int32Array(shared.blobs, MAX_BLOBS * 8, MAX_BLOBS)
    this.parentOf = new Int32Array(shared.blobs, MAX_BLOBS * 12, MAX_BLOBS)
    this.notes = new Uint8Array(shared.blobs, NOTES, MAX_BLOBS)
    this.imageOf = new Int32Array(shared.blobs, MAX_BLOBS * 16, MAX_BLOBS)
    this.control = new Int32Array(shared.control, 0, CONTROL_WORDS)
    this.disk = new DiskSlots(shared.blobs, this.control)
    this.views = new ViewTable(shared, this.control, this.disk, this.blobOf, this.version)
    this.numbers = new Float64Array(shared.control, CONTROL_WORDS * 4, NUMBERS)
    this.file = file
    this.#pinned = new Int32Array(n)
  }

  count(name: CounterName, by = 1): void {
    Atomics.add(this.control, counterIndex[name], by)
  }

  /** Makes the root frame resident, which it stays: the one on disk, or an empty one when the store has none yet. */
  openRoot(): void {
    if (this.control[C_EPOCH] === 0) this.control[C_EPOCH] = 1
    if (this.diskSlotOf[ROOT_BLOB] !== 0) this.fetch(ROOT_BLOB)
    else noteFrameKey(this, this.#install(ROOT_BLOB) << FRAME_SHIFT, NO_KEY, 0)
  }

  /** Notes that there is a key of so many bytes, before the change is visible in a cut. */
  noteKey(length: number): void {
    const { control } = this
    for (let seen = Atomics.load(control, C_LONGEST_KEY); length > seen; seen = Atomics.load(control, C_LONGEST_KEY)) {
      Atomics.compareExchange(control, C_LONGEST_KEY, seen, length)
    }
  }

  // --- pins: slots that the running walk needs are not evicted by its own loads ---

  unpinAll(): void {
    this.#pinStamp++
  }

  pin(slot: number): void {
    this.#pinned[slot] = this.#pinStamp
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

  /** On the shared side of the gate: marks the frame as being changed if its version is still the even `version`. */
  latch(slot: number, version: number): boolean {
    return Atomics.compareExchange(this.version, slot, version, version + 1) === version
  }

  /** Lets go of a latched frame that was not changed. */
  unlatch(slot: number): void {
    Atomics.add(this.version, slot, 1)
  }

  /** Seq of the last change of the frame at `base`. */
  seqAt(base: number): number {
    return this.u32[(base + H_SEQ) >> 2] + this.u32[(base + H_SEQ + 4) >> 2] * 4294967296
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

  #copyAside(slot: number): number {
    this.pin(slot)
    if (this.dirty[slot] === 0) this.#keepForViews(slot)
    let to = -1
    while (to < 0) {
      if (!this.mustCopyAside(slot)) return slot
      const isCut = Atomics.load(this.cut, slot) !== 0
      to = this.takeSlot(!isCut)
      if (to < 0) this.#waitForRound(slot)
    }
    const base = slot << FRAME_SHIFT
    const used = this.u32[(base + H_USED) >> 2]
    this.u8.copyWithin(to << FRAME_SHIFT, base, base + used)
    this.dirty[to] = this.dirty[slot]
    this.relocate(slot, to)
    this.pin(to)
    this.count('copiesAside')
    return to
  }

  #waitForRound(slot: number): void {
    while (Atomics.load(this.cut, slot) !== 0) {
      const seen = Atomics.load(this.control, C_SLOT_FREED)
      if (Atomics.load(this.cut, slot) === 0) return
      Atomics.wait(this.control, C_SLOT_FREED, seen, 100)
    }
  }

  /** Keeps the frame in `slot` for the views that lack it: a clean one on disk; true for one that must stay in memory. */
  #keepForViews(slot: number): boolean {
    if (this.control[C_VIEWS] === 0) return false
    const blob = this.blobOf[slot]
    if (this.dirty[slot] !== 0) return this.views.keepInMemory(blob, slot)
    this.views.keepOnDisk(blob, this.diskSlotOf[blob])
    return false
  }

  /**
   * Makes slot `to`, filled by the caller, the home of the blob in `from`; `from` becomes free or stays as the image that
   * a round or a view needs.
   */
  relocate(from: number, to: number, isBeingWritten = false): void {
    const blob = this.blobOf[from]
    const isImage = this.#keepForViews(from)
    this.touch[to] = this.control[C_TICK]
    Atomics.store(this.blobOf, to, blob)
    if (!isBeingWritten) Atomics.add(this.version, from, 1)
    Atomics.store(this.slotOf, blob, to + 1)
    this.dirty[from] = 0
    Atomics.store(this.blobOf, from, isImage ? -blob : 0)
    this.shape[from]++
    Atomics.add(this.version, from, 1)
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
    const slot = this.takeSlot(true)
    this.formatFrame(slot, blob)
    this.pin(slot)
    this.dirty[slot] = this.control[C_EPOCH]
    this.touch[slot] = this.control[C_TICK]
    Atomics.store(this.blobOf, slot, blob)
    Atomics.store(this.slotOf, blob, slot + 1)
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
    this.u16[(base + H_ROOT) >> 1] = 0
    this.u32[(base + H_USED) >> 2] = DATA_START
    this.u32[(base + H_DEAD) >> 2] = 0
    this.u32[(base + H_COMPACTIONS) >> 2] = 0
  }

  /** Forgets a blob that no parent refers to any more. */
  freeBlob(blob: number): void {
    const resident = this.slotOf[blob]
    if (resident !== 0) this.#vacate(resident - 1, this.#keepForViews(resident - 1))
    else this.views.keepOnDisk(blob, this.diskSlotOf[blob])
    this.setCurrent(blob, 0)
    if (blob < this.control[C_BLOB_HINT]) this.control[C_BLOB_HINT] = blob
    this.count('blobsFreed')
  }

  /** Takes the blob out of its slot, which becomes free or stays as the image that a round or a view needs. */
  #vacate(slot: number, isImage = false): void {
    const blob = this.blobOf[slot]
    Atomics.add(this.version, slot, 1)
    Atomics.store(this.slotOf, blob, 0)
    this.dirty[slot] = 0
    Atomics.store(this.blobOf, slot, isImage ? -blob : 0)
    this.shape[slot]++
    Atomics.add(this.version, slot, 1)
  }

  // --- residency ---

  /** The slot of a blob, loading it when it is not resident. Only under the gate. */
  fetch(blob: number): number {
    const resident = blob < MAX_BLOBS ? this.slotOf[blob] : 0
    if (resident !== 0) {
      const slot = resident - 1
      this.touch[slot] = this.control[C_TICK]
      this.pin(slot)
      return slot
    }
    const disk = blob < MAX_BLOBS ? this.diskSlotOf[blob] : 0
    if (disk === 0 || this.file === undefined) {
      throw new HoltError('HOLT_CORRUPT_FRAME', `the tree refers to blob ${blob}, which does not exist`)
    }
    const slot = this.takeSlot(true)
    this.file.read(disk - 1, blob, this.disk.sums[disk - 1], this.u8, slot)
    this.dirty[slot] = 0
    this.touch[slot] = this.control[C_TICK]
    this.pin(slot)
    Atomics.store(this.blobOf, slot, blob)
    Atomics.store(this.slotOf, blob, slot + 1)
    this.count('frameLoads')
    return slot
  }

  /**
   * A free slot; when there is none, that of the least recently used frame. A dirty one is written ahead first. (Clean
   * frames are not preferred: a reader whose path has the only two would evict one with the other for ever.)
   * With `wait` false returns -1 instead of waiting for a round in flight.
   */
  takeSlot(wait: boolean): number {
    for (;;) {
      this.control[C_SPARE]--
      // Asked before looking: what the round lets go of in between is found at the next turn.
      const mayFree = this.#roundHolds()
      let slot = this.#freeOrColdest(false)
      if (slot >= 0) {
        if (this.blobOf[slot] === 0) return slot
        Atomics.add(this.control, C_TICK, 1)
        if (this.dirty[slot] === 0 || this.file !== undefined) {
          if (this.dirty[slot] !== 0) slot = this.#cleanedOrClean(slot)
          if (this.blobOf[slot] < 0) this.views.evict(slot)
          else this.#vacate(slot)
          this.count('frameEvictions')
          return slot
        }
      }
      if (!mayFree && this.views.expireForMemory()) continue
      if (!mayFree) throw this.#exhausted()
      if (!wait) return -1
      const seen = Atomics.load(this.control, C_SLOT_FREED)
      if (this.#roundHolds()) Atomics.wait(this.control, C_SLOT_FREED, seen, 20)
    }
  }

  /** Writes the frame in `slot` ahead; where it cannot be written, a clean one must do: what {@link reserve} promised. */
  #cleanedOrClean(slot: number): number {
    try {
      this.#writeAhead(slot)
      return slot
    } catch (error) {
      const clean = this.#freeOrColdest(true)
      if (clean < 0) throw error
      return clean
    }
  }

  /** A free slot, else the evictable one (with `clean`: of those that need not be written) touched longest ago, else -1. */
  #freeOrColdest(clean: boolean): number {
    const n = this.frames
    let coldest = -1
    for (let i = 0; i < n; i++) {
      let slot = this.#freeHint + i
      if (slot >= n) slot -= n
      if (Atomics.load(this.cut, slot) !== 0) continue
      const blob = this.blobOf[slot]
      if (blob === 0) {
        this.#freeHint = slot + 1 === n ? 0 : slot + 1
        return slot
      }
      if (blob < 0 && this.views.backing[slot] === 0) continue
      if (blob === ROOT_BLOB || this.#pinned[slot] === this.#pinStamp) continue
      if (clean && this.dirty[slot] !== 0) continue
      if (coldest < 0 || this.touch[slot] < this.touch[coldest]) coldest = slot
    }
    return coldest
  }

  /** Whether a round in flight still holds images: it will let go of them. */
  #roundHolds(): boolean {
    for (let slot = 0; slot < this.frames; slot++) if (Atomics.load(this.cut, slot) !== 0) return true
    return false
  }

  /**
   * Makes sure that `wanted` slots can be taken without writing a frame, so that a change that is logged already does
   * not fail for want of space. Throws HOLT_FULL or HOLT_IO, nothing changed.
   */
  reserve(wanted: number): void {
    if (this.control[C_SPARE] >= wanted) return
    let spare = this.#countSpare()
    while (spare < wanted) {
      if (this.file === undefined) {
        if (!this.views.expireForMemory()) throw this.#exhausted()
        spare = this.#countSpare()
        continue
      }
      const slot = this.#coldestDirty()
      if (slot < 0) break // the rest belongs to a round in flight, which will let go
      this.#writeAhead(slot)
      spare++
    }
    this.control[C_SPARE] = spare
  }

  #countSpare(): number {
    let spare = 0
    for (let slot = 0; slot < this.frames; slot++) {
      const blob = this.blobOf[slot]
      if (this.cut[slot] !== 0 || blob === ROOT_BLOB) continue
      if (blob < 0 ? this.views.backing[slot] !== 0 : blob === 0 || this.dirty[slot] === 0) spare++
    }
    return spare
  }

  #coldestDirty(): number {
    let coldest = -1
    for (let slot = 0; slot < this.frames; slot++) {
      if (this.cut[slot] !== 0 || this.blobOf[slot] <= ROOT_BLOB || this.dirty[slot] === 0) continue
      if (coldest < 0 || this.touch[slot] < this.touch[coldest]) coldest = slot
    }
    return coldest
  }

  #exhausted(): HoltError {
    return new HoltError('HOLT_FULL', `the pool of ${this.frames} frames is full: open with a larger poolBytes`)
  }

  /** Writes a dirty frame to a fresh disk slot; it is clean then, though no checkpoint knows of that image yet. */
  #writeAhead(slot: number): void {
    const file = this.file!
    const blob = this.blobOf[slot]
    const disk = this.disk.allocate()
    try {
      file.copy(this.u8, slot << FRAME_SHIFT)
      this.disk.routed[disk] = file.isCopyRouted ? 1 : 0
      this.numbers[N_STEAL_BYTES] += file.writeCopy(disk)
      this.disk.sums[disk] = file.copySum
    } catch (cause) {
      this.disk.release(disk)
      throw hostError('cannot write a frame to frames.dat', cause)
    }
    this.setCurrent(blob, disk + 1)
    this.dirty[slot] = 0
    this.count('frameSteals')
  }

  /** Changes the newest image of a blob; `diskSlot` is slot + 1 with a reference to hand over, or 0. */
  setCurrent(blob: number, diskSlot: number): void {
    const old = this.diskSlotOf[blob]
    Atomics.store(this.diskSlotOf, blob, diskSlot)
    // Before the old slot can be written again, so that a reader that finds it rewritten knows why (I37).
    Atomics.add(this.imageOf, blob, 1)
    if (old !== 0) this.disk.release(old - 1)
  }

  // --- space in a frame ---

  /** Bytes that can still be allocated at the end of the frame at `base`, less `reserve`. */
  room(base: number, reserve: number): number {
    return FRAME_SIZE - this.u32[(base + H_USED) >> 2] - reserve
  }

  /**
   * Allocates `size` bytes, a multiple of 8, and returns their offset in the frame. The caller checked {@link room}. A
   * routed frame becomes plain: the new node is where none of its kind may be, or has a key that the bloom filter lacks.
   */
  allocate(base: number, size: number): number {
    if (this.u32[(base + H_LEAVES) >> 2] !== 0) this.#unroute(base)
    const at = (base + H_USED) >> 2
    const offset = this.u32[at]
    if (offset + size > FRAME_SIZE) throw new Error('a frame overflows: room was not checked')
    this.u32[at] = offset + size
    return offset
  }

  #unroute(base: number): void {
    this.u32[(base + H_LEAVES) >> 2] = 0
    this.u32[(base + H_DEAD) >> 2] += this.u32[(base + H_SLACK) >> 2]
    this.u32[(base + H_SLACK) >> 2] = 0
  }

  /** Counts `size` bytes of the frame as dead, and notes its blob when it is worth merging or compacting by now. */
  abandon(base: number, size: number): void {
    const { u32 } = this
    const dead = u32[(base + H_DEAD) >> 2] + size
    u32[(base + H_DEAD) >> 2] = dead
    if (dead >= DEAD_BYTES || u32[(base + H_USED) >> 2] - dead <= DATA_START + SPARSE_BYTES) {
      this.noteBlob(u32[(base + H_BLOB) >> 2])
    }
  }

  /** As {@link abandon}, for one node at `node`: the last one of a plain frame gives its bytes back. */
  release(base: number, node: number, size: number): void {
    const { u32 } = this
    const used = (base + H_USED) >> 2
    if (node - base + size !== u32[used] || u32[(base + H_LEAVES) >> 2] !== 0) {
      this.abandon(base, size)
      return
    }
    u32[used] -= size
    if (u32[used] - u32[(base + H_DEAD) >> 2] <= DATA_START + SPARSE_BYTES) this.noteBlob(u32[(base + H_BLOB) >> 2])
  }

  /** Bytes of the nodes of the frame at `base`. */
  live(base: number): number {
    return (
      this.u32[(base + H_USED) >> 2] - DATA_START - this.u32[(base + H_DEAD) >> 2] - this.u32[(base + H_SLACK) >> 2]
    )
  }

  /** Asks the maintenance to look at a blob that became sparse or holds many dead bytes. A note may get lost. */
  noteBlob(blob: number): void {
    if (this.notes[blob] !== 0) return
    this.notes[blob] = 1
    this.control[C_NOTED] = 1
  }
}

/** Wraps an error of the host's files; ENOSPC and EDQUOT become HOLT_FULL. */
export function hostError(what: string, cause: unknown): HoltError {
  if (cause instanceof HoltError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new HoltError(full ? 'HOLT_FULL' : 'HOLT_IO', `${what}: ${message}`, { cause })
}
