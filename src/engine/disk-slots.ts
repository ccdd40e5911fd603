/**
 * Slots of frames.dat, by count of references: one each from a blob's newest image, the committed checkpoint, the round
 * in flight, and every view that needs it. A slot without references is free, and no other is ever written (I5). Called under the gate, and
 * beside it by the thread that writes a round: so the counts change by atomic operations.
 */
import { HoltError } from '../errors.ts'
import { C_DISK_HIGH, C_DISK_HINT, MAX_DISK_SLOTS } from './shared.ts'

export class DiskSlots {
  /** References to each slot; 0 = free. */
  readonly refs: Uint8Array
  readonly #control: Int32Array

  constructor(shared: SharedArrayBuffer, control: Int32Array) {
    this.refs = new Uint8Array(shared)
    this.#control = control
  }

  /** Claims a free slot, with one reference. */
  allocate(): number {
    const control = this.#control
    for (let slot = control[C_DISK_HINT]; slot < MAX_DISK_SLOTS; slot++) {
      if (Atomics.compareExchange(this.refs, slot, 0, 1) === 0) {
        Atomics.store(control, C_DISK_HINT, slot + 1)
        if (slot >= control[C_DISK_HIGH]) Atomics.store(control, C_DISK_HIGH, slot + 1)
        return slot
      }
    }
    throw new HoltError('HOLT_FULL', 'frames.dat has its most slots')
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
