/**
 * Puts a chunk of sorted records into the tree: keys below which the tree holds nothing yet are built as one subtree
 * and hung as a whole; those among existing keys are inserted one by one. Runs under the gate.
 */
import { FRAME_SHIFT, MAX_KEY, SPILL_RESERVE } from '../../limits.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_RUN,
  H_ROOT,
  LEAF,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  NODE256_SIZE,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  ROOT_BLOB,
} from '../layout.ts'
import { ChunkReader, ENTRY_HEAD } from '../load-chunk.ts'
import type { Pool } from '../pool.ts'
import { Build } from './build.ts'
import { commonLength } from './bytes.ts'
import { edgeSize } from './edge.ts'
import { ANY_VERSION, type Insert } from './insert.ts'
import { OF_CHANGE } from './item.ts'
import { findChild, nextChild, nodeAt } from './node.ts'
import { LEAST_RUN } from './open-nodes.ts'

/** Fewer keys than these are inserted faster than they are built and hung. */
const WORTH_BUILDING = 8
/** From so many keys on, a frame is copied to append them. */
const WORTH_APPENDING = 256

export class PlaceChunk {
  readonly #pool: Pool
  readonly #insert: Insert
  readonly #build: Build
  readonly #chunk = new ChunkReader()
  readonly #key = new Uint8Array(MAX_KEY)
  /** Where the last {@link #hangingDepth} ended: the blob, the depth of its root, the room in its frame. */
  #blob = 0
  #entry = 0
  #room = 0
  /** Keys that share so many bytes with that one belong there as well: behind a run crossing, its byte too. */
  #agreed = 0
  /** The key leaves at an inner node, behind all keys of that frame. */
  #isBehindFrame = false

  constructor(pool: Pool, insert: Insert) {
    this.#pool = pool
    this.#insert = insert
    this.#build = new Build(pool)
  }

  /** Applies the first `length` bytes of a load record's body. Throws HOLT_CORRUPT_WAL when they are not entries. */
  run(body: Uint8Array, length: number, seq: number): void {
    const chunk = this.#chunk
    const key = this.#key
    chunk.read(body, length, seq)
    this.#pool.noteKey(chunk.longest)
    for (let i = 0; i < chunk.count; ) {
      chunk.advance(i, key)
      const depth = this.#hangingDepth(chunk.keyLength(i))
      if (this.#isBehindFrame) {
        const end = this.#endOfGroup(i, this.#agreed)
        const next =
          end - i < WORTH_APPENDING ? i : this.#build.append(chunk, key, i, end, this.#entry, this.#blob, seq)
        if (next > i) {
          i = next
          continue
        }
      }
      const end = depth < 0 ? i + 1 : this.#endOfGroup(i, depth)
      if (end - i >= WORTH_BUILDING) {
        i = this.#build.run(chunk, key, i, end, depth, seq)
        this.#hang()
        continue
      }
      for (; ; chunk.advance(i, key)) {
        const value = chunk.at[i] + ENTRY_HEAD + chunk.rest(i)
        this.#insert.put(key, 0, chunk.keyLength(i), body, value, chunk.valueLength(i), OF_CHANGE, ANY_VERSION)
        if (++i === end) break
      }
    }
  }

  /** The first entry behind `i` that shares fewer than `depth` bytes with the one before it. */
  #endOfGroup(i: number, depth: number): number {
    const { count, shared } = this.#chunk
    for (i++; i < count && shared[i] >= depth; ) i++
    return i
  }

  /** Hangs what was built: its nodes in the frame above when they fit or are few, else its blob. */
  #hang(): void {
    const { slot, bytes, rootDepth } = this.#build
    const pool = this.#pool
    const blob = pool.blobOf[slot]
    const fits = bytes + edgeSize(rootDepth) + NODE256_SIZE <= this.#room
    if (fits || bytes < LEAST_RUN) {
      this.#insert.hangCopy(this.#key, 0, rootDepth, slot << FRAME_SHIFT, bytes)
      pool.freeBlob(blob)
    } else this.#insert.hangBlob(this.#key, 0, rootDepth, blob)
  }

  /**
   * How many bytes of the key lead to where a subtree can be hung that the tree does not have yet; -1 when there is no
   * such place: the key is there, or ends on the way.
   */
  #hangingDepth(end: number): number {
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    const key = this.#key
    pool.slots.unpinAll()
    this.#blob = ROOT_BLOB
    this.#entry = 0
    this.#agreed = 0
    this.#isBehindFrame = false
    let base = pool.fetch(ROOT_BLOB) << FRAME_SHIFT
    let refAt = base + H_ROOT
    let at = 0
    let shared = 0
    let isLast = true
    for (;;) {
      this.#room = pool.space.room(base, SPILL_RESERVE)
      if (u16[refAt >> 1] === 0) return at
      const node = nodeAt(pool, base, refAt)
      const kind = u8[node]
      if (kind === LEAF) {
        const suffix = u16[(node + LEAF_SUFFIX) >> 1]
        const start = node + u16[(node + LEAF_KEY_START) >> 1]
        shared = commonLength(u8, start, key, at, Math.min(suffix, end - at))
        return at + shared === end ? -1 : at + shared + 1
      }
      if (kind === PREFIX || kind === BLOB) {
        const n = u8[node + PREFIX_LENGTH]
        shared = commonLength(u8, node + (kind === BLOB ? BLOB_BYTES : PREFIX_BYTES), key, at, Math.min(n, end - at))
        if (shared < n) return at + shared === end ? -1 : at + shared + 1
        at += n
        if (kind === PREFIX) {
          refAt = node + PREFIX_CHILD
          continue
        }
        this.#agreed = at
        at -= u8[node + BLOB_RUN]
        this.#entry = at
        this.#blob = u32[(node + BLOB_CHILD) >> 2]
        isLast = true
        pool.slots.unpinAll()
        base = pool.fetch(this.#blob) << FRAME_SHIFT
        refAt = base + H_ROOT
        continue
      }
      if (at === end) return -1
      isLast &&= nextChild(pool, node, key[at] + 1) === 256
      refAt = findChild(pool, node, key[at])
      if (refAt === 0) {
        this.#isBehindFrame = isLast
        return at + 1
      }
      at++
    }
  }
}
