/**
 * The frames of the pool and the residency tables: which blob is in which pool slot and which disk slot. Each thread has
 * its own arrays over the memory that all share.
 *
 * Readers only look: version words, `slotOf`, frame bytes. Everything that changes residency (load, evict, steal,
 * relocate, allocate, free) happens under the mutation gate, so there is one such thread at a time (I2). The thread
 * that writes a checkpoint round runs beside it; the two meet only in `cut` and in `disk`.
 *
 * A slot is free when `blobOf` and `cut` are both 0. `cut` = 1 means a round still has to copy this image: it must not
 * be changed, so a writer moves the live frame to another slot first (copy-aside) and leaves the image behind (I4). A
 * slot whose `blobOf` is negative holds an image for views: `view-table.ts`.
 *
 * Here is how a blob comes to a slot and leaves it; when it does is up to the pool.
 */
import { MAX_BLOBS } from '../limits.ts'
import { DiskSlots } from './disk-slots.ts'
import {
  C_COUNTERS,
  C_LONGEST_KEY,
  C_NOTED,
  C_TICK,
  C_VIEWS,
  CONTROL_WORDS,
  COUNTERS,
  type CounterName,
  type EngineShared,
  NOTES,
  NUMBERS,
} from './shared.ts'
import { ViewTable } from './view-table.ts'

const counterIndex = Object.fromEntries(COUNTERS.map((name, i) => [name, C_COUNTERS + i])) as Record<
  CounterName,
  number
>

export class ResidencyTables {
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
  /** Bumped before the version is even again, unless the blob and all its nodes but leaves are where they were (I43). */
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

  constructor(shared: EngineShared) {
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
  }

  count(name: CounterName, by = 1): void {
    Atomics.add(this.control, counterIndex[name], by)
  }

  /** Notes that there is a key of so many bytes, before the change is visible in a cut. */
  noteKey(length: number): void {
    const { control } = this
    for (let seen = Atomics.load(control, C_LONGEST_KEY); length > seen; seen = Atomics.load(control, C_LONGEST_KEY)) {
      Atomics.compareExchange(control, C_LONGEST_KEY, seen, length)
    }
  }

  /** Asks the maintenance to look at a blob that became sparse or holds many dead bytes. A note may get lost. */
  noteBlob(blob: number): void {
    if (this.notes[blob] !== 0) return
    this.notes[blob] = 1
    this.control[C_NOTED] = 1
  }

  /** Makes a slot the home of a blob that was in none: its frame is there already. */
  settle(slot: number, blob: number): void {
    this.touch[slot] = this.control[C_TICK]
    Atomics.store(this.blobOf, slot, blob)
    Atomics.store(this.slotOf, blob, slot + 1)
  }

  /**
   * Makes slot `to`, filled by the caller, the home of the blob in `from`; `from` becomes free or stays as the image that
   * a round or a view needs.
   */
  relocate(from: number, to: number, isBeingWritten = false): void {
    const blob = this.blobOf[from]
    const isImage = this.keepForViews(from)
    this.touch[to] = this.control[C_TICK]
    Atomics.store(this.blobOf, to, blob)
    if (!isBeingWritten) Atomics.add(this.version, from, 1)
    Atomics.store(this.slotOf, blob, to + 1)
    this.#leave(from, isImage)
  }

  /** Takes the blob out of its slot, which becomes free or, with `isImage`, the image that views need. */
  vacate(slot: number, isImage = false): void {
    Atomics.add(this.version, slot, 1)
    Atomics.store(this.slotOf, this.blobOf[slot], 0)
    this.#leave(slot, isImage)
  }

  /** The end of a change that leaves no live frame in `slot`. */
  #leave(slot: number, isImage: boolean): void {
    this.dirty[slot] = 0
    Atomics.store(this.blobOf, slot, isImage ? -this.blobOf[slot] : 0)
    this.shape[slot]++
    Atomics.add(this.version, slot, 1)
  }

  /** Keeps the frame in `slot` for the views that lack it: a clean one on disk; true for one that must stay in memory. */
  keepForViews(slot: number): boolean {
    if (this.control[C_VIEWS] === 0) return false
    const blob = this.blobOf[slot]
    if (this.dirty[slot] !== 0) return this.views.keepInMemory(blob, slot)
    this.views.keepOnDisk(blob, this.diskSlotOf[blob])
    return false
  }

  /** Changes the newest image of a blob; `diskSlot` is slot + 1 with a reference to hand over, or 0. */
  setCurrent(blob: number, diskSlot: number): void {
    const old = this.diskSlotOf[blob]
    Atomics.store(this.diskSlotOf, blob, diskSlot)
    // Before the old slot can be written again, so that a reader that finds it rewritten knows why (I37).
    Atomics.add(this.imageOf, blob, 1)
    if (old !== 0) this.disk.release(old - 1)
  }
}
