/**
 * Which frames are worth routing: plain ones that nobody has changed for a while and whose bytes are on disk. Each is
 * offered once for what it holds, so that one that does not fit is not tried again and again.
 */
import { FRAME_SHIFT, MIN_ROUTED_BYTES } from '../limits.ts'
import { ROOT_BLOB } from './layout.ts'
import type { Pool } from './pool.ts'
import { isRouted } from './walker/route-layout.ts'

/** Frames offered at once: each is 512 KB to write. */
const MOST = 16

export class ColdFrames {
  readonly #pool: Pool
  /** Version in which each slot was offered last. */
  readonly #offered: Int32Array
  #lastSeq: number

  /** `lastSeq`: that of the last record now. */
  constructor(pool: Pool, lastSeq: number) {
    this.#pool = pool
    this.#offered = new Int32Array(pool.frames).fill(-1)
    this.#lastSeq = lastSeq
  }

  /** The blobs of some frames that did not change since the call before. Looks only: a blob may change at any time. */
  collect(lastSeq: number): number[] {
    const pool = this.#pool
    const blobs: number[] = []
    for (let slot = 0; slot < pool.frames && blobs.length < MOST; slot++) {
      const version = Atomics.load(pool.version, slot)
      if (version === this.#offered[slot] || !this.#isCold(slot)) continue
      this.#offered[slot] = version
      blobs.push(pool.blobOf[slot])
    }
    this.#lastSeq = lastSeq
    return blobs
  }

  #isCold(slot: number): boolean {
    const pool = this.#pool
    const base = slot << FRAME_SHIFT
    if (pool.blobOf[slot] <= ROOT_BLOB || pool.dirty[slot] !== 0 || isRouted(pool, slot)) return false
    return pool.seqAt(base) <= this.#lastSeq && pool.space.live(base) >= MIN_ROUTED_BYTES
  }
}
