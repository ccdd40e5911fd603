/**
 * A checkpoint round: a cut of the tree written to fresh disk slots and committed by one manifest record (DESIGN:
 * epochs, cuts and checkpoint rounds). Any thread may run one; the round lock keeps it to one at a time.
 *
 * A crash or error anywhere leaves the previous checkpoint and its WAL suffix as they were: no live slot is written
 * (I5), nothing is trimmed before the commit (I7), and what was dirty stays dirty.
 */
import { HoltError, hostError } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import { passesByItself } from '../journal/log-writer.ts'
import { Mutex } from '../journal/mutex.ts'
import type { Storage } from '../journal/storage.ts'
import { FRAME_SHIFT } from '../limits.ts'
import type { DiskSlots } from './disk-slots.ts'
import type { Gate } from './gate.ts'
import { ROOT_BLOB } from './layout.ts'
import { appendCheckpoint, appendHasLog, isOvergrown, MAPPING_WORDS, ROUTED, writeWhole } from './manifest.ts'
import type { Pool } from './pool.ts'
import {
  C_BLOB_HIGH,
  C_BLOB_HINT,
  C_DISK_HINT,
  C_EPOCH,
  C_FAILED,
  C_LONGEST_KEY,
  C_MANIFEST_SIZE,
  C_NO_LOG,
  C_ROUND_LOCK,
  C_SHRINK,
  C_SLOT_FREED,
  N_CHECKPOINT_SEQ,
  N_LAST_ROUND_TIME,
  N_LONGEST_ROUND_TIME,
  N_MANIFEST_BYTES,
  N_ROUND_BYTES,
  N_ROUND_TIME,
  N_WAL_AT_ROUND,
} from './shared.ts'
import { lowerImages, shrinkFrames } from './shrink.ts'

/** A frame image of the cut: where it is, and what the tables said about its blob at the cut. */
interface Image {
  blob: number
  slot: number
  /** Disk slot + 1 of the blob's newest image then, or 0. Held for the round: nothing newer can get the same number. */
  recorded: number
  /** Disk slot it is written to; -1 until then. */
  disk: number
}

/** A blob whose newest image is on disk already, in a slot that the last checkpoint does not know. */
interface Move {
  blob: number
  diskSlot: number
}

interface Cut {
  seq: number
  epoch: number
  longestKey: number
  hasNoLog: boolean
  images: Image[]
  moves: Move[]
}

export class Checkpoint {
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #journal: Journal
  readonly #storage: Storage
  readonly #directory: string
  readonly #lock: Mutex
  readonly #numbers: Float64Array
  /** Images that rounds of this thread write at present: the most of late. */
  #usualImages = 0

  constructor(pool: Pool, gate: Gate, journal: Journal, storage: Storage, directory: string) {
    this.#pool = pool
    this.#gate = gate
    this.#journal = journal
    this.#storage = storage
    this.#directory = directory
    this.#lock = new Mutex(pool.control, C_ROUND_LOCK)
    this.#numbers = pool.numbers
  }

  /**
   * Runs one round. Returns false when the last checkpoint already holds everything. Must not be called inside the gate.
   * @throws HoltError HOLT_FULL or HOLT_IO when it could not be written: the store goes on and a later round can
   * succeed, unless an fsync failed (HOLT_FAILED from then on).
   */
  run(): boolean {
    return this.#run(false)
  }

  /**
   * The last round of a store that is being closed: the manifest says that nothing was logged behind it. Returns the seq
   * up to which it holds everything; -1 when there is no space to say so, and the log has to stay.
   * @throws HoltError as {@link run}
   */
  finish(): number {
    this.#run(true)
    return this.#pool.control[C_NO_LOG] === 0 ? -1 : this.#numbers[N_CHECKPOINT_SEQ]
  }

  /** To be called when a record has been logged: the manifest says from then on that there is a log (I48). */
  noteLog(): void {
    const { control } = this.#pool
    if (Atomics.load(control, C_NO_LOG) === 0) return
    this.#lock.lock()
    try {
      if (control[C_NO_LOG] === 0) return
      const seq = this.#numbers[N_CHECKPOINT_SEQ]
      const longestKey = Atomics.load(control, C_LONGEST_KEY)
      const checkpoint = { seq, epoch: control[C_EPOCH] - 1, longestKey, hasNoLog: false }
      appendHasLog(this.#storage, this.#directory, control[C_MANIFEST_SIZE], checkpoint)
      Atomics.store(control, C_NO_LOG, 0)
    } catch (cause) {
      throw hostError('cannot note that there is a log', cause)
    } finally {
      this.#lock.unlock()
    }
  }

  #run(isLast: boolean): boolean {
    this.#lock.lock()
    const started = performance.now()
    try {
      // What is in memory may be a change half applied, or rest on an image that a failed fsync has lost.
      assertNotFailed(this.#pool)
      const cut = this.#cut(isLast)
      if (cut.images.length === 0 && cut.moves.length === 0 && cut.seq === this.#numbers[N_CHECKPOINT_SEQ]) {
        if (isLast && this.#pool.control[C_NO_LOG] === 0) this.#tryToWrite(cut)
        if (this.#pool.control[C_SHRINK] !== 0) this.#shrink(isLast)
        return false
      }
      this.#write(cut)
      this.#usualImages = Math.max(cut.images.length, (this.#usualImages * 7) >> 3)
      this.#shrink(isLast)
      this.#pool.count('rounds')
      this.#pool.count('roundFrames', cut.images.length)
      this.#noteTime(performance.now() - started)
      return true
    } finally {
      this.#lock.unlock()
    }
  }

  #noteTime(milliseconds: number): void {
    const numbers = this.#numbers
    numbers[N_ROUND_TIME] += milliseconds
    numbers[N_LAST_ROUND_TIME] = milliseconds
    numbers[N_LONGEST_ROUND_TIME] = Math.max(numbers[N_LONGEST_ROUND_TIME], milliseconds)
  }

  /** Gives back what frames.dat does not need any more. */
  #shrink(isLast: boolean): void {
    // The slots that they leave are free after another commit.
    if (lowerImages(this.#pool, this.#gate, this.#usualImages) > 0) this.#write(this.#cut(isLast))
    shrinkFrames(this.#pool, this.#gate, this.#usualImages)
  }

  /** Stops mutations for a moment and notes what the tree consists of. */
  #cut(isLast: boolean): Cut {
    const pool = this.#pool
    const entered = this.#gate.enter()
    try {
      const epoch = pool.control[C_EPOCH]
      const longestKey = Atomics.load(pool.control, C_LONGEST_KEY)
      // Without a change since the store was opened there may be no log.
      const hasNoLog = isLast || (pool.control[C_NO_LOG] !== 0 && this.#journal.isUntouched())
      const cut: Cut = { seq: this.#journal.lastSeq(), epoch, longestKey, hasNoLog, images: [], moves: [] }
      for (let slot = 0; slot < pool.frames; slot++) {
        const blob = pool.blobOf[slot]
        if (blob === 0 || pool.dirty[slot] === 0) continue
        const recorded = pool.diskSlotOf[blob]
        if (recorded !== 0) pool.disk.retain(recorded - 1)
        cut.images.push({ blob, slot, recorded, disk: -1 })
        Atomics.store(pool.cut, slot, 1)
      }
      const high = pool.control[C_BLOB_HIGH]
      for (let blob = ROOT_BLOB; blob <= high; blob++) {
        const resident = pool.slotOf[blob]
        if (resident !== 0 && pool.dirty[resident - 1] !== 0) continue
        const diskSlot = pool.diskSlotOf[blob]
        if (diskSlot === pool.committedOf[blob]) continue
        if (diskSlot !== 0) pool.disk.retain(diskSlot - 1)
        cut.moves.push({ blob, diskSlot })
      }
      this.#numbers[N_WAL_AT_ROUND] = this.#journal.appendedBytes()
      Atomics.store(pool.control, C_EPOCH, epoch + 1)
      return cut
    } finally {
      this.#gate.leave(entered)
    }
  }

  #write(cut: Cut): void {
    const pool = this.#pool
    try {
      this.#journal.sync()
      for (const image of cut.images) this.#writeImage(image)
      if (cut.images.length + cut.moves.length > 0) this.#settle(() => pool.file!.datasync(), false)
      this.#settle(() => this.#commitManifest(cut), true)
      Atomics.store(pool.control, C_NO_LOG, cut.hasNoLog ? 1 : 0)
    } catch (cause) {
      pool.count('failedRounds')
      this.#abandon(cut)
      throw hostError('a checkpoint round failed', cause)
    }
    this.#install(cut)
    this.#journal.trim(cut.seq)
  }

  /** For a cut that the last checkpoint holds already. */
  #tryToWrite(cut: Cut): void {
    try {
      this.#write(cut)
    } catch (error) {
      if (Atomics.load(this.#pool.control, C_FAILED) !== 0) throw error
    }
  }

  #writeImage(image: Image): void {
    const pool = this.#pool
    const disk = pool.disk.allocate()
    image.disk = disk
    pool.file!.copy(pool.u8, image.slot << FRAME_SHIFT)
    this.#letGo(image.slot)
    pool.disk.routed[disk] = pool.file!.isCopyRouted ? 1 : 0
    this.#numbers[N_ROUND_BYTES] += pool.file!.writeCopy(disk)
    pool.disk.sums[disk] = pool.file!.copySum
  }

  /** The image is copied (or given up): writers may change the frame, and a slot left behind is free. */
  #letGo(slot: number): void {
    const { control, cut } = this.#pool
    Atomics.store(cut, slot, 0)
    Atomics.add(control, C_SLOT_FREED, 1)
    Atomics.notify(control, C_SLOT_FREED)
  }

  /**
   * After a failed fsync nobody knows what is on the medium: the store takes no more changes until it is reopened. Only
   * a manifest append for which there is no space, or no descriptor, may be tried again.
   */
  #settle(step: () => void, mayPass: boolean): void {
    try {
      step()
    } catch (cause) {
      if (!mayPass || !passesByItself(cause)) Atomics.store(this.#pool.control, C_FAILED, 1)
      throw cause
    }
  }

  #commitManifest(cut: Cut): void {
    const { control, committedOf } = this.#pool
    const count = cut.images.length + cut.moves.length
    const moves = new MappingRecord(this.#pool.disk, count)
    for (const image of cut.images) moves.add(image.blob, image.disk + 1)
    for (const move of cut.moves) moves.add(move.blob, move.diskSlot)
    const high = control[C_BLOB_HIGH]
    if (!isOvergrown(control[C_MANIFEST_SIZE], high)) {
      const size = control[C_MANIFEST_SIZE]
      control[C_MANIFEST_SIZE] = appendCheckpoint(this.#storage, this.#directory, size, cut, moves.words, count)
      this.#numbers[N_MANIFEST_BYTES] += control[C_MANIFEST_SIZE] - size
      return
    }
    const slots = committedOf.slice(0, high + 1)
    for (const image of cut.images) slots[image.blob] = image.disk + 1
    for (const move of cut.moves) slots[move.blob] = move.diskSlot
    const whole = new MappingRecord(this.#pool.disk, high + 1)
    for (let blob = ROOT_BLOB; blob <= high; blob++) if (slots[blob] !== 0) whole.add(blob, slots[blob])
    control[C_MANIFEST_SIZE] = writeWhole(this.#storage, this.#directory, cut, whole.words, whole.count)
    this.#numbers[N_MANIFEST_BYTES] += control[C_MANIFEST_SIZE]
  }

  /** The round is committed: the tables follow, and the slots that only the previous checkpoint used become free. */
  #install(cut: Cut): void {
    const pool = this.#pool
    const entered = this.#gate.enter()
    try {
      for (const { blob, recorded, disk } of cut.images) {
        this.#setCommitted(blob, disk + 1)
        const resident = pool.slotOf[blob]
        if (resident !== 0 && pool.diskSlotOf[blob] === recorded) {
          // Not stolen, freed or written elsewhere since the cut: this is its newest image on disk.
          pool.disk.retain(disk)
          pool.setCurrent(blob, disk + 1)
          if (pool.dirty[resident - 1] <= cut.epoch) pool.dirty[resident - 1] = 0
        }
        if (recorded !== 0) pool.disk.release(recorded - 1)
      }
      for (const { blob, diskSlot } of cut.moves) this.#setCommitted(blob, diskSlot)
      this.#numbers[N_CHECKPOINT_SEQ] = cut.seq
      Atomics.store(pool.control, C_DISK_HINT, 0)
      pool.control[C_BLOB_HINT] = 0
    } finally {
      this.#gate.leave(entered)
    }
  }

  #setCommitted(blob: number, diskSlot: number): void {
    const pool = this.#pool
    const old = pool.committedOf[blob]
    pool.committedOf[blob] = diskSlot
    if (old !== 0) pool.disk.release(old - 1)
  }

  #abandon(cut: Cut): void {
    for (const image of cut.images) this.#letGo(image.slot)
    // The manifest record may be on the medium after all: then its slots must stay as they are.
    if (Atomics.load(this.#pool.control, C_FAILED) !== 0) return
    for (const { disk, recorded } of cut.images) {
      if (disk >= 0) this.#pool.disk.release(disk)
      if (recorded !== 0) this.#pool.disk.release(recorded - 1)
    }
    for (const { diskSlot } of cut.moves) if (diskSlot !== 0) this.#pool.disk.release(diskSlot - 1)
  }
}

/** Collects what a manifest record says of blobs: where the image is, whether it is routed, its checksum. */
class MappingRecord {
  readonly words: Uint32Array
  count = 0
  readonly #disk: DiskSlots

  constructor(disk: DiskSlots, most: number) {
    this.#disk = disk
    this.words = new Uint32Array(MAPPING_WORDS * most)
  }

  /** `diskSlot`: slot + 1, or 0 for a blob that is gone. */
  add(blob: number, diskSlot: number): void {
    const at = MAPPING_WORDS * this.count++
    this.words[at] = blob
    if (diskSlot === 0) return
    this.words[at + 1] = this.#disk.routed[diskSlot - 1] === 0 ? diskSlot : diskSlot | ROUTED
    this.words[at + 2] = this.#disk.sums[diskSlot - 1]
  }
}

/** Whether an fsync of frames or manifest failed earlier. */
export function assertNotFailed(pool: Pool): void {
  if (Atomics.load(pool.control, C_FAILED) === 0) return
  throw new HoltError('HOLT_FAILED', 'the store failed earlier and takes no more changes: reopen it')
}
