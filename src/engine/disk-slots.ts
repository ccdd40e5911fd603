/**
 * Slots of frames.dat, by count of references: one each from a blob's newest image, the committed checkpoint, the round
 * in flight, and every view that needs it. A slot without references is free, and no other is ever written (I5). Called
 * under the gate, and beside it by the thread that has the round lock: so the counts change by atomic operations. Low
 * slots go first.
 */
import { HoltError } from '../errors.ts'
import { C_DISK_END, C_DISK_HIGH, C_DISK_HINT, DISK, MAX_DISK_SLOTS, SUMS } from './shared.ts'

export class DiskSlots {
  /** References to each slot; 0 = free. */
  readonly refs: Uint8Array
  /**
   * 1 when the slot's image has the routing layout: a hint, which spares a reader the look at the image. Set by whoever
   * writes the image, kept by the manifest.
   */
  readonly routed: Uint8Array
  /**
   * The checksum that the header of the slot's image has, so that an older image of the same blob is not taken for it. Set
   * by whoever writes the image, kept by the manifest.
   */
  readonly sums: Int32Array
  readonly #control: Int32Array

  constructor(shared: SharedArrayBuffer, control: Int32Array) {
    this.refs = new Uint8Array(shared, DISK, MAX_DISK_SLOTS)
    this.routed = new Uint8Array(shared, DISK + MAX_DISK_SLOTS, MAX_DISK_SLOTS)
    this.sums = new Int32Array(shared, SUMS, MAX_DISK_SLOTS)
    this.#control = control
  }

  /** Claims a free slot, with one reference. */
  allocate(): number {
    const control = this.#control
    const end = Atomics.load(control, C_DISK_END)
    for (let slot = control[C_DISK_HINT]; slot < MAX_DISK_SLOTS; slot++) {
      if (end !== 0 && slot >= end) Atomics.wait(control, C_DISK_END, end)
      if (Atomics.compareExchange(this.refs, slot, 0, 1) === 0) {
        Atomics.store(control, C_DISK_HINT, slot + 1)
        if (slot >= control[C_DISK_HIGH]) Atomics.store(control, C_DISK_HIGH, slot + 1)
        return slot
      }
    }
    throw new HoltError('HOLT_FULL', 'frames.dat has its most slots')
  }

  /** Claims this slot, if it is free. */
  claim(slot: number): boolean {
    return Atomics.compareExchange(this.refs, slot, 0, 1) === 0
  }

  /** Slots in use. */
  used(): number {
    const high = this.#control[C_DISK_HIGH]
    let used = 0
    for (let slot = 0; slot < high; slot++) if (this.refs[slot] !== 0) used++
    return used
  }

  /** The slot behind the last one in use. */
  end(): number {
    let end = this.#control[C_DISK_HIGH]
    while (end > 0 && this.refs[end - 1] === 0) end--
    return end
  }

  /**
   * Whoever asks for a slot and finds none below `end` waits for {@link reopen}. The caller is inside the gate and has the
   * round lock, so that nobody is asking now.
   */
  closeFrom(end: number): void {
    this.#control[C_DISK_HIGH] = end
    Atomics.store(this.#control, C_DISK_END, Math.max(1, end))
  }

  reopen(): void {
    Atomics.store(this.#control, C_DISK_END, 0)
    Atomics.notify(this.#control, C_DISK_END)
  }

  retain(slot: number): void {
    Atomics.add(this.refs, slot, 1)
  }

  release(slot: number): void {
    if (Atomics.sub(this.refs, slot, 1) === 1 && slot < this.#control[C_DISK_HINT]) {
      Atomics.store(this.#control, C_DISK_HINT, slot)
    }
  }
}
