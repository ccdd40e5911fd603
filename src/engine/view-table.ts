/**
 * Which views are open, and what is kept for them. For each view and each blob one word says where the content is that
 * the blob had when the view was opened:
 *
 *     0            unchanged: the live frame, or where none is resident the blob's newest image on disk
 *     s > 0        an image in pool slot s - 1, which nobody changes
 *     d < 0        an image in slot -d - 1 of frames.dat, which has a reference for this view
 *     YOUNGER      none: the blob came into being after the view was opened
 *
 * A word leaves 0 before the first change to its blob since then (I44), and goes back when the view ends. An image in
 * memory is in a slot whose `blobOf` is minus the blob. It stays there until no view needs it; one that was loaded from
 * disk has a `backing` and is evicted like any clean frame.
 *
 * Changed only on the exclusive side of the gate. Readers of a view look at `ids` last: a view ends there first.
 */
import { MAX_BLOBS, MAX_VIEWS, VIEW_DISK_FACTOR, VIEW_IMAGE_SHARE } from '../limits.ts'
import type { DiskSlots } from './disk-slots.ts'
import {
  C_COUNTERS,
  C_VIEW_DISK,
  C_VIEW_IMAGES,
  C_VIEW_NUMBER,
  C_VIEWS,
  COUNTERS,
  type EngineShared,
  VIEW_ARRAYS,
} from './shared.ts'

export const YOUNGER = 0x7fffffff

const EXPIRED = C_COUNTERS + COUNTERS.indexOf('viewsExpired')

export class ViewTable {
  /** Number of the view in each entry; 0 = free. */
  readonly ids: Int32Array
  /** The words described above: MAX_BLOBS of them for each entry. */
  readonly kept: Int32Array
  /** For a slot that holds an image: the views that need it, one bit each, and its disk slot + 1, or 0. */
  readonly holders: Int32Array
  readonly backing: Int32Array
  readonly #control: Int32Array
  readonly #disk: DiskSlots
  readonly #blobOf: Int32Array
  readonly #version: Int32Array
  /** How many words of each entry are not 0. */
  readonly #changed: Int32Array

  constructor(shared: EngineShared, control: Int32Array, disk: DiskSlots, blobOf: Int32Array, version: Int32Array) {
    const n = shared.frames
    this.ids = new Int32Array(shared.views, 0, MAX_VIEWS)
    this.#changed = new Int32Array(shared.views, MAX_VIEWS * 4, MAX_VIEWS)
    this.kept = new Int32Array(shared.views, MAX_VIEWS * VIEW_ARRAYS * 4)
    this.holders = new Int32Array(shared.slots, n * 20, n)
    this.backing = new Int32Array(shared.slots, n * 24, n)
    this.#control = control
    this.#disk = disk
    this.#blobOf = blobOf
    this.#version = version
  }

  // --- views ---

  /** Opens a view of the tree as it is now; returns its entry. When all entries are taken the oldest view expires. */
  open(): number {
    const control = this.#control
    const all = (1 << MAX_VIEWS) - 1
    if (control[C_VIEWS] === all) this.#expireOldest(all)
    const entry = lowest(~control[C_VIEWS])
    const number = (control[C_VIEW_NUMBER] + 1) | 0
    control[C_VIEW_NUMBER] = number === 0 ? 1 : number
    Atomics.store(this.ids, entry, control[C_VIEW_NUMBER])
    control[C_VIEWS] |= 1 << entry
    return entry
  }

  /** Whether the view that got this entry and number has neither been closed nor expired. */
  isOpen(entry: number, id: number): boolean {
    return Atomics.load(this.ids, entry) === id
  }

  /** How many views are open. */
  count(): number {
    return bitCount(this.#control[C_VIEWS])
  }

  /** Ends a view and lets go of what only it needed. */
  close(entry: number): void {
    Atomics.store(this.ids, entry, 0)
    this.#control[C_VIEWS] &= ~(1 << entry)
    const { kept } = this
    for (let at = entry * MAX_BLOBS; this.#changed[entry] > 0; at++) {
      const word = kept[at]
      if (word === 0) continue
      Atomics.store(kept, at, 0)
      this.#changed[entry]--
      if (word < 0) this.#releaseDisk(-word)
      else if (word !== YOUNGER) this.#letGo(word - 1, entry)
    }
  }

  /** Expires the oldest view that keeps an image in memory; false when there is none. Its slot is free then. */
  expireForMemory(): boolean {
    const candidates = this.#imageHolders()
    if (candidates === 0) return false
    this.#expireOldest(candidates)
    return true
  }

  #expireOldest(candidates: number): void {
    const now = this.#control[C_VIEW_NUMBER]
    let oldest = lowest(candidates)
    for (let rest = candidates; rest !== 0; rest &= rest - 1) {
      const entry = lowest(rest)
      // Numbers wrap around: an age is a difference.
      if (((now - this.ids[entry]) | 0) > ((now - this.ids[oldest]) | 0)) oldest = entry
    }
    this.close(oldest)
    Atomics.add(this.#control, EXPIRED, 1)
  }

  /** The views that keep an image which is nowhere but in memory. */
  #imageHolders(): number {
    const { holders, backing } = this
    let found = 0
    for (let slot = 0; slot < holders.length; slot++) if (backing[slot] === 0) found |= holders[slot]
    return found
  }

  // --- blobs: what the pool tells before it changes one ---

  /** The views, one bit each, for which the frame or newest image of a blob is still the content that they need. */
  lacking(blob: number): number {
    let lacking = 0
    for (let rest = this.#control[C_VIEWS]; rest !== 0; rest &= rest - 1) {
      const entry = lowest(rest)
      if (this.kept[entry * MAX_BLOBS + blob] === 0) lacking |= 1 << entry
    }
    return lacking
  }

  /** A blob comes into being. Where its id was another's that a view still has, it has it. */
  create(blob: number): void {
    for (let rest = this.lacking(blob); rest !== 0; rest &= rest - 1) this.#keep(lowest(rest), blob, YOUNGER)
  }

  /** Keeps the content of a blob, which is in disk slot `disk` - 1, for the views that lack it. */
  keepOnDisk(blob: number, disk: number): void {
    const most = VIEW_DISK_FACTOR * this.holders.length
    let lacking = this.lacking(blob)
    for (; lacking !== 0 && this.#control[C_VIEW_DISK] + bitCount(lacking) > most; lacking = this.lacking(blob)) {
      this.#expireOldest(this.#control[C_VIEWS])
    }
    for (; lacking !== 0; lacking &= lacking - 1) {
      this.#keep(lowest(lacking), blob, -disk)
      this.#disk.retain(disk - 1)
      this.#control[C_VIEW_DISK]++
    }
  }

  /**
   * Makes the frame of a blob in `slot` the image for the views that lack it, whose `blobOf` the caller then changes to
   * minus the blob. False when none does; views expire where the images are too many.
   */
  keepInMemory(blob: number, slot: number): boolean {
    const most = Math.floor(this.holders.length / VIEW_IMAGE_SHARE)
    let lacking = this.lacking(blob)
    for (; lacking !== 0 && this.#control[C_VIEW_IMAGES] >= most; lacking = this.lacking(blob)) this.expireForMemory()
    if (lacking === 0) return false
    this.holders[slot] = lacking
    this.#control[C_VIEW_IMAGES]++
    for (; lacking !== 0; lacking &= lacking - 1) this.#keep(lowest(lacking), blob, slot + 1)
    return true
  }

  #keep(entry: number, blob: number, word: number): void {
    Atomics.store(this.kept, entry * MAX_BLOBS + blob, word)
    this.#changed[entry]++
  }

  // --- images that come from disk ---

  /** Makes `slot`, into which the disk slot `disk` - 1 was read, the image for all views that keep the blob there. */
  load(blob: number, disk: number, slot: number): void {
    this.backing[slot] = disk
    for (let rest = this.#control[C_VIEWS]; rest !== 0; rest &= rest - 1) {
      const entry = lowest(rest)
      if (this.kept[entry * MAX_BLOBS + blob] !== -disk) continue
      this.holders[slot] |= 1 << entry
      Atomics.store(this.kept, entry * MAX_BLOBS + blob, slot + 1)
    }
    Atomics.store(this.#blobOf, slot, -blob)
  }

  /** Evicts an image that has a backing: its views find it on disk. */
  evict(slot: number): void {
    const blob = -this.#blobOf[slot]
    for (let rest = this.holders[slot]; rest !== 0; rest &= rest - 1) {
      Atomics.store(this.kept, lowest(rest) * MAX_BLOBS + blob, -this.backing[slot])
    }
    this.#vacate(slot)
  }

  #letGo(slot: number, entry: number): void {
    this.holders[slot] &= ~(1 << entry)
    if (this.backing[slot] !== 0) this.#releaseDisk(this.backing[slot])
    if (this.holders[slot] !== 0) return
    if (this.backing[slot] === 0) this.#control[C_VIEW_IMAGES]--
    this.#vacate(slot)
  }

  #releaseDisk(disk: number): void {
    this.#disk.release(disk - 1)
    this.#control[C_VIEW_DISK]--
  }

  #vacate(slot: number): void {
    Atomics.add(this.#version, slot, 1)
    this.holders[slot] = 0
    this.backing[slot] = 0
    Atomics.store(this.#blobOf, slot, 0)
    Atomics.add(this.#version, slot, 1)
  }
}

/** Index of the lowest bit that is set. */
function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}

function bitCount(bits: number): number {
  let n = 0
  for (; bits !== 0; bits &= bits - 1) n++
  return n
}
