/**
 * renamePrefix: cuts the subtree below one prefix and hangs it below another. Leaves hold only the key bytes below
 * their own depth, so none is touched; at most one frame's nodes are copied, however many keys lie below.
 */
import { FRAME_SHIFT, MAX_VALUE } from '../../limits.ts'
import { noteFrameKey } from '../frame-key.ts'
import { BLOB, BLOB_BYTES, BLOB_CHILD, BLOB_LENGTH, H_ROOT, LEAF, LEAF_KEY_START, LEAF_SUFFIX } from '../layout.ts'
import type { Pool } from '../pool.ts'
import { C_MOVES, C_RENAMES } from '../shared.ts'
import { copyBytes } from './bytes.ts'
import { cloneSubtree, measureSubtree } from './clone.ts'
import type { Erase } from './erase.ts'
import { ANY_VERSION, advanceLeaf, type Insert } from './insert.ts'
import { LONGEST } from './item.ts'
import { leafValueLength, leafVersion, nodeAt, nodeSize } from './node.ts'

/** A subtree of at most this many bytes is copied into its new frame; a larger one becomes a blob of its own. */
const INLINE_LIMIT = 16 * 1024

export class RenamePrefix {
  readonly #pool: Pool
  readonly #insert: Insert
  readonly #erase: Erase
  readonly #key = new Uint8Array(LONGEST)
  readonly #value = new Uint8Array(MAX_VALUE)

  constructor(pool: Pool, insert: Insert, erase: Erase) {
    this.#pool = pool
    this.#insert = insert
    this.#erase = erase
  }

  /**
   * Moves every key that starts with `from` to the same key with `to` in its place. Nothing may exist below `to`, and
   * `to` must not start with `from`. Returns false when no key starts with `from`.
   */
  run(from: Uint8Array, fromAt: number, fromLength: number, to: Uint8Array, toAt: number, toLength: number): boolean {
    const { control } = this.#pool
    Atomics.add(control, C_RENAMES, 1)
    Atomics.add(control, C_MOVES, 1)
    try {
      return this.#move(from, fromAt, fromLength, to, toAt, toLength)
    } finally {
      Atomics.add(control, C_MOVES, 1)
      Atomics.add(control, C_RENAMES, 1)
    }
  }

  #move(from: Uint8Array, fromAt: number, fromLength: number, to: Uint8Array, toAt: number, toLength: number): boolean {
    const erase = this.#erase
    const pool = this.#pool
    if (!erase.findSubtree(from, fromAt, fromLength)) return false
    const base = erase.slot << FRAME_SHIFT
    const refAt = base + erase.refOffset
    const node = nodeAt(pool, base, refAt)
    copyBytes(to, toAt, this.#key, 0, toLength)
    copyBytes(erase.edge, 0, this.#key, toLength, erase.edgeLength)
    const length = toLength + erase.edgeLength
    const isLeaf = pool.u8[node] === LEAF
    if (isLeaf && length + pool.u16[(node + LEAF_SUFFIX) >> 1] <= this.#key.length) {
      this.#moveLeaf(length, node)
      return true
    }
    if (pool.u8[node] === BLOB) {
      const blob = pool.u32[(node + BLOB_CHILD) >> 2]
      const rest = pool.u8[node + BLOB_LENGTH] - erase.matched
      copyBytes(pool.u8, node + BLOB_BYTES + erase.matched, this.#key, length, rest)
      erase.cutSubtree(nodeSize(pool, node))
      this.#insert.hangBlob(this.#key, 0, length + rest, blob)
      return true
    }
    const bytes = measureSubtree(pool, base, refAt)
    const slot = pool.createBlob()
    const blob = pool.blobOf[slot]
    const copy = slot << FRAME_SHIFT
    pool.u16[(copy + H_ROOT) >> 1] = cloneSubtree(pool, base, refAt, copy)
    if (isLeaf) advanceLeaf(pool, nodeAt(pool, copy, copy + H_ROOT), erase.matched)
    noteFrameKey(pool, copy, this.#key, length)
    pool.beginWrite(slot)
    pool.endWrite(slot)
    erase.cutSubtree(bytes)
    if (bytes > INLINE_LIMIT) {
      this.#insert.hangBlob(this.#key, 0, length, blob)
    } else {
      const resident = pool.fetch(blob) << FRAME_SHIFT
      this.#insert.hangCopy(this.#key, 0, length, resident, bytes)
      pool.freeBlob(blob)
    }
    return true
  }

  /** One key below `from`: its leaf is written again under the new name, with its old version. */
  #moveLeaf(length: number, leaf: number): void {
    const { u8, u16, u32 } = this.#pool
    const suffix = u16[(leaf + LEAF_SUFFIX) >> 1]
    const start = leaf + u16[(leaf + LEAF_KEY_START) >> 1]
    const rest = suffix - this.#erase.matched
    copyBytes(u8, start + suffix - rest, this.#key, length, rest)
    const valueLength = leafValueLength(this.#pool, leaf)
    copyBytes(u8, start + suffix, this.#value, 0, valueLength)
    const version = leafVersion(u32, leaf)
    this.#erase.cutSubtree(nodeSize(this.#pool, leaf))
    this.#insert.put(this.#key, 0, length + rest, this.#value, 0, valueLength, version, ANY_VERSION)
  }
}
