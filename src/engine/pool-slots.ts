/**
 * The slots of the pool: a free one for whoever needs one, and when there is none that of the frame that was touched
 * longest ago (eviction), written ahead to frames.dat when it is dirty (steal). No checkpoint knows of an image that was
 * written ahead; a crash forgets it, and the log has the change.
 *
 * Exempt are the root, what a round still has to copy, and the frames that are pinned: those that the running walk needs,
 * which its own loads must not evict. Only under the gate; what then goes into the slot is up to the caller.
 */
import { HoltError, hostError } from '../errors.ts'
import { FRAME_SHIFT } from '../limits.ts'
import type { FrameFile } from './frame-file.ts'
import { ROOT_BLOB } from './layout.ts'
import type { ResidencyTables } from './residency-tables.ts'
import { C_SLOT_FREED, C_SPARE, C_TICK, N_STEAL_BYTES } from './shared.ts'

export class PoolSlots {
  readonly #tables: ResidencyTables
  readonly #file: FrameFile | undefined
  /** Slots whose word is the stamp are pinned. */
  readonly #pinned: Int32Array
  #pinStamp = 1
  #freeHint = 0

  constructor(tables: ResidencyTables, file: FrameFile | undefined) {
    this.#tables = tables
    this.#file = file
    this.#pinned = new Int32Array(tables.frames)
  }

  unpinAll(): void {
    this.#pinStamp++
  }

  pin(slot: number): void {
    this.#pinned[slot] = this.#pinStamp
  }

  /**
   * A free slot; when there is none, that of the least recently used frame. A dirty one is written ahead first. (Clean
   * frames are not preferred: a reader whose path has the only two would evict one with the other for ever.)
   * With `wait` false returns -1 instead of waiting for a round in flight.
   */
  take(wait: boolean): number {
    const tables = this.#tables
    const { control } = tables
    for (;;) {
      control[C_SPARE]--
      // Asked before looking: what the round lets go of in between is found at the next turn.
      const mayFree = this.#roundHolds()
      let slot = this.#freeOrColdest(false)
      if (slot >= 0) {
        if (tables.blobOf[slot] === 0) return slot
        Atomics.add(control, C_TICK, 1)
        if (tables.dirty[slot] === 0 || this.#file !== undefined) {
          if (tables.dirty[slot] !== 0) slot = this.#cleanedOrClean(slot)
          if (tables.blobOf[slot] < 0) tables.views.evict(slot)
          else tables.vacate(slot)
          tables.count('frameEvictions')
          return slot
        }
      }
      if (!mayFree && tables.views.expireForMemory()) continue
      if (!mayFree) throw this.#exhausted()
      if (!wait) return -1
      const seen = Atomics.load(control, C_SLOT_FREED)
      if (this.#roundHolds()) Atomics.wait(control, C_SLOT_FREED, seen, 20)
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
    const { frames, cut, blobOf, dirty, touch, views } = this.#tables
    let coldest = -1
    for (let i = 0; i < frames; i++) {
      let slot = this.#freeHint + i
      if (slot >= frames) slot -= frames
      if (Atomics.load(cut, slot) !== 0) continue
      const blob = blobOf[slot]
      if (blob === 0) {
        this.#freeHint = slot + 1 === frames ? 0 : slot + 1
        return slot
      }
      if (blob < 0 && views.backing[slot] === 0) continue
      if (blob === ROOT_BLOB || this.#pinned[slot] === this.#pinStamp) continue
      if (clean && dirty[slot] !== 0) continue
      if (coldest < 0 || touch[slot] < touch[coldest]) coldest = slot
    }
    return coldest
  }

  /** Whether a round in flight still holds images: it will let go of them. */
  #roundHolds(): boolean {
    const { frames, cut } = this.#tables
    for (let slot = 0; slot < frames; slot++) if (Atomics.load(cut, slot) !== 0) return true
    return false
  }

  /** Waits until the round in flight has let go of the image in `slot`. */
  waitForRound(slot: number): void {
    const { control, cut } = this.#tables
    while (Atomics.load(cut, slot) !== 0) {
      const seen = Atomics.load(control, C_SLOT_FREED)
      if (Atomics.load(cut, slot) === 0) return
      Atomics.wait(control, C_SLOT_FREED, seen, 100)
    }
  }

  /**
   * Makes sure that `wanted` slots can be taken without writing a frame, so that a change that is logged already does
   * not fail for want of space. Throws HOLT_FULL or HOLT_IO, nothing changed.
   */
  reserve(wanted: number): void {
    const { control, views } = this.#tables
    if (control[C_SPARE] >= wanted) return
    let spare = this.#countSpare()
    while (spare < wanted) {
      if (this.#file === undefined) {
        if (!views.expireForMemory()) throw this.#exhausted()
        spare = this.#countSpare()
        continue
      }
      const slot = this.#coldestDirty()
      if (slot < 0) break // the rest belongs to a round in flight, which will let go
      this.#writeAhead(slot)
      spare++
    }
    control[C_SPARE] = spare
  }

  #countSpare(): number {
    const { frames, cut, blobOf, dirty, views } = this.#tables
    let spare = 0
    for (let slot = 0; slot < frames; slot++) {
      const blob = blobOf[slot]
      if (cut[slot] !== 0 || blob === ROOT_BLOB) continue
      if (blob < 0 ? views.backing[slot] !== 0 : blob === 0 || dirty[slot] === 0) spare++
    }
    return spare
  }

  #coldestDirty(): number {
    const { frames, cut, blobOf, dirty, touch } = this.#tables
    let coldest = -1
    for (let slot = 0; slot < frames; slot++) {
      if (cut[slot] !== 0 || blobOf[slot] <= ROOT_BLOB || dirty[slot] === 0) continue
      if (coldest < 0 || touch[slot] < touch[coldest]) coldest = slot
    }
    return coldest
  }

  #exhausted(): HoltError {
    const { frames } = this.#tables
    return new HoltError('HOLT_FULL', `the pool of ${frames} frames is full: open with a larger poolBytes`)
  }

  /** Writes a dirty frame to a fresh disk slot; it is clean then, though no checkpoint knows of that image yet. */
  #writeAhead(slot: number): void {
    const tables = this.#tables
    const { disk } = tables
    const file = this.#file!
    const to = disk.allocate()
    try {
      file.copy(tables.u8, slot << FRAME_SHIFT)
      disk.routed[to] = file.isCopyRouted ? 1 : 0
      tables.numbers[N_STEAL_BYTES] += file.writeCopy(to)
      disk.sums[to] = file.copySum
    } catch (cause) {
      disk.release(to)
      throw hostError('cannot write a frame to frames.dat', cause)
    }
    tables.setCurrent(tables.blobOf[slot], to + 1)
    tables.dirty[slot] = 0
    tables.count('frameSteals')
  }
}
