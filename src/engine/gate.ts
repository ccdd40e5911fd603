/**
 * The mutation gate: one thread at a time changes the tree, its residency tables or takes a cut; readers never enter
 * unless they must load a frame. Re-entrant by asking: `enter` tells whether this call took the gate.
 *
 * Lock order: the gate first, then the journal's locks. The round lock is taken before the gate.
 */
import { Mutex } from '../journal/mutex.ts'
import { C_GATE } from './shared.ts'

export class Gate {
  /** Whether this thread is inside. */
  held = false
  readonly #mutex: Mutex

  constructor(control: Int32Array) {
    this.#mutex = new Mutex(control, C_GATE)
  }

  /** Waits for the gate. Returns false when this thread is inside already; pass the answer to {@link leave}. */
  enter(): boolean {
    if (this.held) return false
    this.#mutex.lock()
    this.held = true
    return true
  }

  leave(entered: boolean): void {
    if (!entered) return
    this.held = false
    this.#mutex.unlock()
  }
}
