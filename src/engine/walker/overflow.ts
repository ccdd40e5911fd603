/**
 * What happens when the frame of a subtree that is being built (`build.ts`) is full: the longest run of finished siblings
 * stays in it, as a blob of its own; everything else moves to a new frame, where a crossing stands for the run.
 */
import { DATA_START, FRAME_SHIFT, FRAME_SIZE } from '../../limits.ts'
import { noteFrameKey } from '../frame-key.ts'
import {
  BLOB_RUN,
  H_DEAD,
  H_ROOT,
  H_USED,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  prefixSize,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { cloneSubtree } from './clone.ts'
import { makeCrossing } from './edge.ts'
import { shiftSubtree } from './move.ts'
import { type OpenNodes, SCATTERED } from './open-nodes.ts'
import { compact } from './spillover.ts'

/** Dead bytes in a finished blob that are worth a copy of it. */
export const WORTH_COMPACTING = (FRAME_SIZE - DATA_START) >> 5

export class Overflow {
  readonly #pool: Pool
  readonly #open: OpenNodes

  constructor(pool: Pool, open: OpenNodes) {
    this.#pool = pool
    this.#open = open
  }

  /** Empties the frame in `oldSlot` as said; returns the slot of the new one, pinned, or -1 when no run is worth it. */
  leaveRun(oldSlot: number, key: Uint8Array): number {
    const open = this.#open
    const level = open.chooseLevel(oldSlot << FRAME_SHIFT, key)
    if (level < 0) return -1
    const pool = this.#pool
    const old = oldSlot << FRAME_SHIFT
    const last = open.endOf(level) - 1
    const first = open.firstOfRun(old, level)
    const from = open.from[first]
    const to = open.to[last]
    const oldEnd = open.ends[last]
    const newSlot = pool.createBlob()
    const base = newSlot << FRAME_SHIFT
    // The run's entries move behind all others: their places are taken while the rest moves up.
    const run = open.count
    const runEnd = run + last - first + 1
    let kept = 0
    for (let i = first; i <= last; i++) {
      open.set(run + i - first, open.from[i], open.to[i], open.refs[i], open.bytes[i], open.starts[i], old)
      kept += open.bytes[i]
    }
    let moved = 0
    for (let l = 0; l <= open.top; l++) {
      if (open.terminals[l] !== 0) open.terminals[l] = this.#copy(old, open.terminals[l], base)
      const start = open.firsts[l]
      const end = l === level ? first : l === open.top ? run : open.firsts[l + 1]
      open.firsts[l] = moved
      for (let i = start; i < end; i++) {
        const at = pool.u32[(base + H_USED) >> 2]
        const ref = this.#moveEntry(i, old, base)
        open.set(moved++, open.from[i], open.to[i], ref, pool.u32[(base + H_USED) >> 2] - at, at, base)
      }
      if (l !== level) continue
      const at = pool.u32[(base + H_USED) >> 2]
      const ref = this.#cross(oldSlot, run, runEnd, base)
      open.set(moved++, from, to, ref, pool.u32[(base + H_USED) >> 2] - at, at, base)
    }
    open.count = moved
    // What is behind the run in the old frame has been moved.
    if (this.#packRun(old, run, runEnd, kept)) pool.u32[(old + H_USED) >> 2] = DATA_START + kept
    else pool.u32[(old + H_USED) >> 2] = oldEnd
    pool.u32[(old + H_DEAD) >> 2] = pool.u32[(old + H_USED) >> 2] - DATA_START - kept
    this.#noteKey(old, level, run, runEnd, key)
    this.#makeRoot(old, run, runEnd)
    pool.beginWrite(oldSlot)
    pool.endWrite(oldSlot)
    if (pool.u32[(old + H_DEAD) >> 2] > WORTH_COMPACTING) compact(pool, oldSlot)
    pool.slots.unpinAll()
    pool.slots.pin(newSlot)
    return newSlot
  }

  /** Takes entry `i` from the frame at `from` to the end of that at `to`; returns its reference there. */
  #moveEntry(i: number, from: number, to: number): number {
    const open = this.#open
    const start = open.starts[i]
    if (start === SCATTERED) return this.#copy(from, open.refs[i], to)
    const bytes = open.bytes[i]
    const at = this.#pool.space.allocate(to, bytes)
    this.#pool.u8.copyWithin(to + at, from + start, from + start + bytes)
    return shiftSubtree(this.#pool, to, open.refs[i], (at - start) >> 3)
  }

  /** Brings the run in `first` to `end - 1`, `bytes` in all, to the beginning of its frame; false: it does not lie side by side. */
  #packRun(base: number, first: number, end: number, bytes: number): boolean {
    const open = this.#open
    const start = open.starts[first]
    if (start === SCATTERED || open.starts[end - 1] + open.bytes[end - 1] - start !== bytes) return false
    for (let i = first, at = start; i < end; at += open.bytes[i++]) if (open.starts[i] !== at) return false
    this.#pool.u8.copyWithin(base + DATA_START, base + start, base + start + bytes)
    for (let i = first; i < end; i++) {
      open.refs[i] = shiftSubtree(this.#pool, base, open.refs[i], (DATA_START - start) >> 3)
    }
    return true
  }

  #copy(from: number, ref: number, to: number): number {
    const pool = this.#pool
    pool.u16[(from + H_ROOT) >> 1] = ref
    return cloneSubtree(pool, from, from + H_ROOT, to)
  }

  /** A crossing, in the frame at `base`, to the blob in `slot`, which is to hold the entries `first` to `end - 1`. */
  #cross(slot: number, first: number, end: number, base: number): number {
    const pool = this.#pool
    const open = this.#open
    const { u8 } = pool
    const blob = pool.blobOf[slot]
    if (end - first === 1) {
      const child = (slot << FRAME_SHIFT) + offsetOf(open.refs[first])
      return makeCrossing(pool, base, u8, child + PREFIX_BYTES, edgeOf(pool, child), blob)
    }
    const ref = makeCrossing(pool, base, u8, 0, 0, blob)
    u8[base + offsetOf(ref) + BLOB_RUN] = 1
    return ref
  }

  /** Notes in the frame at `base` what leads to the run in `first` to `end - 1` of an open node on the way of `key`. */
  #noteKey(base: number, level: number, first: number, end: number, key: Uint8Array): void {
    const open = this.#open
    const depth = open.depths[level]
    if (end - first > 1) {
      noteFrameKey(this.#pool, base, key, depth)
      return
    }
    const child = base + offsetOf(open.refs[first])
    const edge = edgeOf(this.#pool, child)
    const own = new Uint8Array(depth + 1 + edge)
    own.set(key.subarray(0, depth))
    own[depth] = open.from[first]
    own.set(this.#pool.u8.subarray(child + PREFIX_BYTES, child + PREFIX_BYTES + edge), depth + 1)
    noteFrameKey(this.#pool, base, own, own.length)
  }

  /** Makes the entries `first` to `end - 1` the tree of the frame at `base`. */
  #makeRoot(base: number, first: number, end: number): void {
    const pool = this.#pool
    const open = this.#open
    const { u16 } = pool
    const child = base + offsetOf(open.refs[first])
    const length = edgeOf(pool, child)
    if (end - first > 1) u16[(base + H_ROOT) >> 1] = open.makeNode(base, first, end, 0)
    else if (length === 0) u16[(base + H_ROOT) >> 1] = open.refs[first]
    else {
      u16[(base + H_ROOT) >> 1] = u16[(child + PREFIX_CHILD) >> 1]
      pool.space.abandon(base, prefixSize(length))
    }
  }
}

/** Bytes of a Prefix: they move into the crossing, so that a key that does not match never loads the blob. */
function edgeOf(pool: Pool, node: number): number {
  return pool.u8[node] === PREFIX ? pool.u8[node + PREFIX_LENGTH] : 0
}
