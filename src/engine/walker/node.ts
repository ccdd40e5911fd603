/**
 * One node at a time: sizes, finding, adding and removing children, growth and shrink. Positions are indexes into the
 * pool; a `refAt` is the position of the 16-bit reference by which a node hangs. The caller holds the frame for writing.
 */
import { SPILL_RESERVE } from '../../limits.ts'
import {
  align8,
  BLOB,
  BLOB_LENGTH,
  BLOB_RUN,
  blobSize,
  INNER_COUNT,
  INNER_TERMINAL,
  LEAF,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  LEAF_VALUE,
  LEAF_VALUE_HIGH,
  LEAF_VERSION,
  NODE4,
  NODE4_CHILDREN,
  NODE4_KEYS,
  NODE4_SIZE,
  NODE16,
  NODE16_CHILDREN,
  NODE16_KEYS,
  NODE16_SIZE,
  NODE48,
  NODE48_CHILDREN,
  NODE48_INDEX,
  NODE48_SIZE,
  NODE256,
  NODE256_CHILDREN,
  NODE256_SIZE,
  offsetOf,
  PREFIX,
  PREFIX_LENGTH,
  prefixSize,
  refOf,
  SHRINK_TO_4,
  SHRINK_TO_16,
  SHRINK_TO_48,
} from '../layout.ts'
import type { Pool } from '../pool.ts'

/** Bytes the node at `node` occupies, slack included; 0 for a kind that does not exist. */
export function nodeSize(pool: Pool, node: number): number {
  const { u8, u16 } = pool
  switch (u8[node]) {
    case LEAF:
      return align8(u16[(node + LEAF_KEY_START) >> 1] + u16[(node + LEAF_SUFFIX) >> 1] + leafValueLength(pool, node))
    case PREFIX:
      return prefixSize(u8[node + PREFIX_LENGTH])
    case BLOB:
      return blobSize(u8[node + BLOB_LENGTH])
    case NODE4:
      return NODE4_SIZE
    case NODE16:
      return NODE16_SIZE
    case NODE48:
      return NODE48_SIZE
    case NODE256:
      return NODE256_SIZE
    default:
      return 0
  }
}

export function leafValueLength(pool: Pool, node: number): number {
  return pool.u16[(node + LEAF_VALUE) >> 1] | (pool.u8[node + LEAF_VALUE_HIGH] << 16)
}

/** Version of the record of a leaf, in any memory that holds frames. */
export function leafVersion(u32: Uint32Array, leaf: number): number {
  const at = (leaf + LEAF_VERSION) >> 2
  return u32[at] + u32[at + 1] * 4294967296
}

/** Children of an inner node, its terminal not counted. A Node256 counts modulo 256: it is full or empty at 0. */
export function childCount(pool: Pool, node: number): number {
  const n = pool.u8[node + INNER_COUNT]
  if (n !== 0 || pool.u8[node] !== NODE256) return n
  return pool.u16[(node + NODE256_CHILDREN) >> 1] === 0 ? 0 : 256
}

/** Whether adding a child makes the node another one. */
export function isFull(pool: Pool, node: number): boolean {
  const n = pool.u8[node + INNER_COUNT]
  const kind = pool.u8[node]
  return kind === NODE4 ? n >= 4 : kind === NODE16 ? n >= 16 : kind === NODE48 && n >= 48
}

/** Whether the node at `node` is a run crossing (see layout.ts). */
export function isRun(pool: Pool, node: number): boolean {
  return pool.u8[node] === BLOB && pool.u8[node + BLOB_RUN] === 1
}

/** Last byte of the run of children of `node`, beginning at `byte`, that share its reference. */
export function runEnd(pool: Pool, node: number, byte: number): number {
  const ref = pool.u16[findChild(pool, node, byte) >> 1]
  while (byte < 255) {
    const next = findChild(pool, node, byte + 1)
    if (next === 0 || pool.u16[next >> 1] !== ref) break
    byte++
  }
  return byte
}

/** Position of the reference to the child for `byte`, or 0. */
export function findChild(pool: Pool, node: number, byte: number): number {
  const { u8, u16 } = pool
  switch (u8[node]) {
    case NODE4:
      for (let i = 0, n = u8[node + INNER_COUNT]; i < n; i++) {
        if (u8[node + NODE4_KEYS + i] === byte) return node + NODE4_CHILDREN + i * 2
      }
      return 0
    case NODE16: {
      const n = u8[node + INNER_COUNT]
      // Names are often numbered: the children of neighbouring bytes stand side by side.
      const guess = byte - u8[node + NODE16_KEYS]
      if (guess >= 0 && guess < n && u8[node + NODE16_KEYS + guess] === byte) return node + NODE16_CHILDREN + guess * 2
      for (let i = 0; i < n; i++) {
        if (u8[node + NODE16_KEYS + i] === byte) return node + NODE16_CHILDREN + i * 2
      }
      return 0
    }
    case NODE48: {
      const i = u8[node + NODE48_INDEX + byte]
      return i === 0 ? 0 : node + NODE48_CHILDREN + (i - 1) * 2
    }
    default: {
      const at = node + NODE256_CHILDREN + byte * 2
      return u16[at >> 1] === 0 ? 0 : at
    }
  }
}

/** Smallest child byte that is >= `from`, or 256 when there is none; {@link findChild} gives its place. */
export function nextChild(pool: Pool, node: number, from: number): number {
  const { u8, u16 } = pool
  switch (u8[node]) {
    case NODE4:
      for (let i = 0, n = Math.min(4, u8[node + INNER_COUNT]); i < n; i++) {
        if (u8[node + NODE4_KEYS + i] >= from) return u8[node + NODE4_KEYS + i]
      }
      return 256
    case NODE16:
      for (let i = 0, n = Math.min(16, u8[node + INNER_COUNT]); i < n; i++) {
        if (u8[node + NODE16_KEYS + i] >= from) return u8[node + NODE16_KEYS + i]
      }
      return 256
    case NODE48:
      for (let b = from; b < 256; b++) if (u8[node + NODE48_INDEX + b] !== 0) return b
      return 256
    case NODE256:
      for (let b = from; b < 256; b++) if (u16[(node + NODE256_CHILDREN + b * 2) >> 1] !== 0) return b
      return 256
    default:
      return 256
  }
}

/** A Node4 without children in the frame at `base`; the caller checked the room. */
export function newNode4(pool: Pool, base: number): number {
  const node = base + pool.space.allocate(base, NODE4_SIZE)
  pool.u8.fill(0, node, node + NODE4_SIZE)
  pool.u8[node] = NODE4
  return node
}

/** Adds a child that is not there yet, growing the node when it is full (then the reference at `refAt` is updated). */
export function addChild(pool: Pool, base: number, node: number, refAt: number, byte: number, ref: number): void {
  const { u8, u16 } = pool
  let n = u8[node + INNER_COUNT]
  switch (u8[node]) {
    case NODE4:
      if (n < 4) insertSorted(pool, node, NODE4_KEYS, NODE4_CHILDREN, n, byte, ref)
      else addChild(pool, base, rebuild(pool, base, node, refAt, NODE16), refAt, byte, ref)
      return
    case NODE16:
      if (n < 16) insertSorted(pool, node, NODE16_KEYS, NODE16_CHILDREN, n, byte, ref)
      else addChild(pool, base, rebuild(pool, base, node, refAt, NODE48), refAt, byte, ref)
      return
    case NODE48: {
      if (n >= 48) {
        addChild(pool, base, rebuild(pool, base, node, refAt, NODE256), refAt, byte, ref)
        return
      }
      // A removed child leaves a hole among the 48: take the first.
      let i = 0
      while (u16[(node + NODE48_CHILDREN + i * 2) >> 1] !== 0) i++
      u16[(node + NODE48_CHILDREN + i * 2) >> 1] = ref
      u8[node + NODE48_INDEX + byte] = i + 1
      u8[node + INNER_COUNT] = ++n
      return
    }
    default:
      u16[(node + NODE256_CHILDREN + byte * 2) >> 1] = ref
      u8[node + INNER_COUNT] = n + 1
  }
}

function insertSorted(
  pool: Pool,
  node: number,
  keys: number,
  children: number,
  n: number,
  byte: number,
  ref: number,
): void {
  const { u8, u16 } = pool
  let i = n
  for (; i > 0 && u8[node + keys + i - 1] > byte; i--) {
    u8[node + keys + i] = u8[node + keys + i - 1]
    u16[(node + children + i * 2) >> 1] = u16[(node + children + i * 2 - 2) >> 1]
  }
  u8[node + keys + i] = byte
  u16[(node + children + i * 2) >> 1] = ref
  u8[node + INNER_COUNT] = n + 1
}

/** Removes the child for `byte`, shrinking the node when it is sparse and the frame has room for the smaller one. */
export function removeChild(pool: Pool, base: number, node: number, refAt: number, byte: number): void {
  const { u8, u16 } = pool
  const n = childCount(pool, node) - 1
  switch (u8[node]) {
    case NODE4:
      removeSorted(pool, node, NODE4_KEYS, NODE4_CHILDREN, byte)
      return
    case NODE16:
      removeSorted(pool, node, NODE16_KEYS, NODE16_CHILDREN, byte)
      if (n <= SHRINK_TO_4 && pool.space.room(base, SPILL_RESERVE) >= NODE4_SIZE)
        rebuild(pool, base, node, refAt, NODE4)
      return
    case NODE48: {
      const i = u8[node + NODE48_INDEX + byte] - 1
      u16[(node + NODE48_CHILDREN + i * 2) >> 1] = 0
      u8[node + NODE48_INDEX + byte] = 0
      u8[node + INNER_COUNT] = n
      if (n <= SHRINK_TO_16 && pool.space.room(base, SPILL_RESERVE) >= NODE16_SIZE)
        rebuild(pool, base, node, refAt, NODE16)
      return
    }
    default:
      u16[(node + NODE256_CHILDREN + byte * 2) >> 1] = 0
      u8[node + INNER_COUNT] = n
      if (n <= SHRINK_TO_48 && pool.space.room(base, SPILL_RESERVE) >= NODE48_SIZE)
        rebuild(pool, base, node, refAt, NODE48)
  }
}

function removeSorted(pool: Pool, node: number, keys: number, children: number, byte: number): void {
  const { u8, u16 } = pool
  const last = u8[node + INNER_COUNT] - 1
  let i = 0
  while (u8[node + keys + i] !== byte) i++
  for (; i < last; i++) {
    u8[node + keys + i] = u8[node + keys + i + 1]
    u16[(node + children + i * 2) >> 1] = u16[(node + children + i * 2 + 2) >> 1]
  }
  u8[node + keys + last] = 0
  u16[(node + children + last * 2) >> 1] = 0
  u8[node + INNER_COUNT] = last
}

/** Makes the same node as another kind and hangs it at `refAt`; the old one is abandoned. */
export function rebuild(pool: Pool, base: number, node: number, refAt: number, kind: number): number {
  const { u8, u16 } = pool
  const size =
    kind === NODE4 ? NODE4_SIZE : kind === NODE16 ? NODE16_SIZE : kind === NODE48 ? NODE48_SIZE : NODE256_SIZE
  const fresh = base + pool.space.allocate(base, size)
  u8.fill(0, fresh, fresh + size)
  u8[fresh] = kind
  u16[(fresh + INNER_TERMINAL) >> 1] = u16[(node + INNER_TERMINAL) >> 1]
  for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
    addChild(pool, base, fresh, 0, byte, u16[findChild(pool, node, byte) >> 1])
  }
  u16[refAt >> 1] = refOf(fresh - base)
  pool.space.abandon(base, nodeSize(pool, node))
  return fresh
}

/** Position of the node that the reference at `refAt` names; the reference is not 0. */
export function nodeAt(pool: Pool, base: number, refAt: number): number {
  return base + offsetOf(pool.u16[refAt >> 1])
}
