/**
 * What an insertion hangs in a tree, and how many bytes that takes: a record, a crossing to a blob, or a copy of a subtree.
 * Where it goes, and that there is room, is for the insertion to see to.
 */
import { MAX_KEY, MAX_PREFIX } from '../../limits.ts'
import {
  H_ROOT,
  LEAF,
  LEAF_HEAD,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  LEAF_VALUE,
  LEAF_VALUE_HIGH,
  LEAF_VERSION,
  leafSize,
  refOf,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { copyBytes } from './bytes.ts'
import { cloneSubtree } from './clone.ts'
import { crossingSize, edgeSize, makeCrossing, makeEdge } from './edge.ts'

/** Bytes of the longest name below which something is hung. */
export const LONGEST = 2 * (MAX_KEY + MAX_PREFIX)

/** In the place of a version: the seq of the change. */
export const OF_CHANGE = 0

/** Kinds of items. */
export const RECORD = 0
export const CROSSING = 1
export const COPY = 2

export class Item {
  kind = RECORD
  /** In memory of this object's own: four more bytes can be read behind it. */
  readonly key = new Uint8Array(LONGEST + 4)
  readonly keyBytes = new DataView(this.key.buffer)
  end = 0
  valueLength = 0
  /** CROSSING: the blob; COPY: the base of the frame that holds the subtree as its root. */
  graft = 0
  #graftSize = 0
  #value: Uint8Array = new Uint8Array(0)
  #valueAt = 0
  #version = OF_CHANGE
  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  setKey(key: Uint8Array, at: number, length: number): void {
    copyBytes(key, at, this.key, 0, length)
    this.end = length
  }

  setRecord(value: Uint8Array, valueAt: number, valueLength: number, version: number): void {
    this.kind = RECORD
    this.#value = value
    this.#valueAt = valueAt
    this.valueLength = valueLength
    this.#version = version
  }

  /** `kind`: CROSSING or COPY; `size`: packed bytes of the subtree that is copied. */
  setGraft(kind: number, graft: number, size: number): void {
    this.kind = kind
    this.graft = graft
    this.#graftSize = size
  }

  /** Most bytes that it takes, hung below `at`. */
  size(at: number): number {
    const rest = this.end - at
    if (this.kind === RECORD) return leafSize(rest, this.valueLength)
    return this.kind === CROSSING ? crossingSize(rest) : edgeSize(rest) + this.#graftSize
  }

  /** Allocates the item for the key bytes from `at` on; returns its reference. */
  place(base: number, at: number): number {
    const pool = this.#pool
    const rest = this.end - at
    if (this.kind === CROSSING) return makeCrossing(pool, base, this.key, at, rest, this.graft)
    if (this.kind === COPY) {
      const root = cloneSubtree(pool, this.graft, this.graft + H_ROOT, base)
      return makeEdge(pool, base, this.key, at, rest, root)
    }
    const leaf = base + pool.space.allocate(base, leafSize(rest, this.valueLength))
    pool.u8[leaf] = LEAF
    pool.u16[(leaf + LEAF_KEY_START) >> 1] = LEAF_HEAD
    pool.u16[(leaf + LEAF_SUFFIX) >> 1] = rest
    copyBytes(this.key, at, pool.u8, leaf + LEAF_HEAD, rest)
    this.writeValue(leaf, leaf + LEAF_HEAD + rest)
    return refOf(leaf - base)
  }

  /** Writes the value of the record, and the version that it has from now on. */
  writeValue(leaf: number, valueAt: number): void {
    const { u8, u16, u32 } = this.#pool
    const n = this.valueLength
    const version = this.#version === OF_CHANGE ? this.#pool.seq : this.#version
    u8[leaf + LEAF_VALUE_HIGH] = n >>> 16
    u16[(leaf + LEAF_VALUE) >> 1] = n & 0xffff
    u32[(leaf + LEAF_VERSION) >> 2] = version >>> 0
    u32[(leaf + LEAF_VERSION + 4) >> 2] = Math.floor(version / 4294967296)
    copyBytes(this.#value, this.#valueAt, u8, valueAt, n)
  }
}
