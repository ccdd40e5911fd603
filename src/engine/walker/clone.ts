/**
 * Deep copy of a subtree from one frame into another, packed: spillover, compaction and renamePrefix are made of it.
 * Both passes use an explicit stack: a path-shaped tree may be four thousand nodes deep.
 */
import { HoltError } from '../../errors.ts'
import { FRAME_SIZE } from '../../limits.ts'
import { copyFrameKey } from '../frame-key.ts'
import {
  BLOB,
  H_ROOT,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  leafSize,
  NODE4,
  NODE256,
  PREFIX,
  PREFIX_CHILD,
  refOf,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { copyBytes } from './bytes.ts'
import { findChild, isRun, leafValueLength, nextChild, nodeAt, nodeSize, runEnd } from './node.ts'

/** Every node takes at least 8 bytes. */
export const MAX_NODES = FRAME_SIZE / 8

/** Nodes up to so many bytes are copied word by word, larger ones by a call. */
const WORDWISE = 256

/** Shared by the walks of whole subtrees, none of which runs inside another. */
export const stack = new Int32Array(2 * MAX_NODES)

/** Bytes a packed copy of the node at `node` takes. */
export function packedSize(pool: Pool, node: number): number {
  if (pool.u8[node] === LEAF) return leafSize(pool.u16[(node + LEAF_SUFFIX) >> 1], leafValueLength(pool, node))
  const size = nodeSize(pool, node)
  if (size === 0) throw malformed()
  return size
}

/** Where the nodes of the subtree that was measured last begin and end in their frame. */
export const extent = { start: 0, end: 0 }

/**
 * Bytes the nodes of the subtree at `refAt` occupy; a packed copy takes at most as many.
 * @throws HoltError HOLT_CORRUPT_FRAME for what is no tree of nodes that fit in a frame
 */
export function measureSubtree(pool: Pool, base: number, refAt: number): number {
  let bytes = 0
  let start = base + FRAME_SIZE
  let end = base
  let top = 0
  stack[top++] = refAt
  while (top > 0) {
    const node = nodeAt(pool, base, stack[--top])
    const size = nodeSize(pool, node)
    if (size === 0 || (pool.u8[node] === LEAF && pool.u16[(node + LEAF_KEY_START) >> 1] < LEAF_HEAD)) throw malformed()
    bytes += size
    if (node < start) start = node
    if (node + size > end) end = node + size
    if (bytes > FRAME_SIZE) throw new HoltError('HOLT_CORRUPT_FRAME', 'a frame holds more nodes than fit in it')
    top = pushChildren(pool, base, node, top)
  }
  extent.start = start - base
  extent.end = end - base
  return bytes
}

/** Puts the references to all children of a node on {@link stack}, a run crossing's once; returns the new top. */
export function pushChildren(pool: Pool, base: number, node: number, top: number): number {
  const kind = pool.u8[node]
  if (kind === PREFIX) {
    stack[top++] = node + PREFIX_CHILD
  } else if (kind >= NODE4 && kind <= NODE256) {
    if (pool.u16[(node + INNER_TERMINAL) >> 1] !== 0) stack[top++] = node + INNER_TERMINAL
    for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
      const child = findChild(pool, node, byte)
      stack[top++] = child
      if (isRun(pool, nodeAt(pool, base, child))) byte = runEnd(pool, node, byte)
    }
  }
  return top
}

/** Copies the subtree at `refAt` of the frame at `from` into the frame at `to`, which has the room; returns its reference. */
export function cloneSubtree(pool: Pool, from: number, refAt: number, to: number): number {
  const { u16 } = pool
  let root = 0
  let top = 0
  stack[top++] = refAt
  stack[top++] = 0
  while (top > 0) {
    const hangAt = stack[--top]
    const source = nodeAt(pool, from, stack[--top])
    const size = packedSize(pool, source)
    const copy = to + pool.space.allocate(to, size)
    copyNode(pool, source, copy, size)
    if (hangAt === 0) root = refOf(copy - to)
    else u16[hangAt >> 1] = refOf(copy - to)
    const kind = pool.u8[source]
    if (kind === PREFIX) {
      stack[top++] = source + PREFIX_CHILD
      stack[top++] = copy + PREFIX_CHILD
    } else if (kind >= NODE4) {
      if (u16[(source + INNER_TERMINAL) >> 1] !== 0) {
        stack[top++] = source + INNER_TERMINAL
        stack[top++] = copy + INNER_TERMINAL
      }
      for (let byte = nextChild(pool, source, 0); byte < 256; byte = nextChild(pool, source, byte + 1)) {
        const child = findChild(pool, source, byte)
        if (isRun(pool, nodeAt(pool, from, child))) {
          byte = cloneRun(pool, from, to, source, copy, byte)
          continue
        }
        stack[top++] = child
        stack[top++] = copy + (child - source)
      }
    } else if (kind !== LEAF && kind !== BLOB) {
      throw malformed()
    }
  }
  return root
}

function malformed(): HoltError {
  return new HoltError('HOLT_CORRUPT_FRAME', 'a frame holds a malformed node')
}

/** Copies the run crossing that begins at `byte` of `source` for all bytes of its run; returns the last of them. */
function cloneRun(pool: Pool, from: number, to: number, source: number, copy: number, byte: number): number {
  const { u16 } = pool
  const end = runEnd(pool, source, byte)
  const crossing = nodeAt(pool, from, findChild(pool, source, byte))
  const size = nodeSize(pool, crossing)
  const fresh = to + pool.space.allocate(to, size)
  copyBytes(pool.u8, crossing, pool.u8, fresh, size)
  for (let b = byte; b <= end; b++) u16[(copy + findChild(pool, source, b) - source) >> 1] = refOf(fresh - to)
  return end
}

/** Copies one node of `size` packed bytes; a leaf without its slack. */
export function copyNode(pool: Pool, source: number, copy: number, size: number): void {
  const { u8, u16, u32 } = pool
  const start = u8[source] === LEAF ? u16[(source + LEAF_KEY_START) >> 1] : LEAF_HEAD
  if (start === LEAF_HEAD) {
    // Nodes begin at and take multiples of 8 bytes.
    if (size > WORDWISE) u8.copyWithin(copy, source, source + size)
    else for (let at = source >> 2, to = copy >> 2, end = (source + size) >> 2; at < end; ) u32[to++] = u32[at++]
    return
  }
  const bytes = u16[(source + LEAF_SUFFIX) >> 1] + leafValueLength(pool, source)
  copyBytes(u8, source, u8, copy, LEAF_HEAD)
  u16[(copy + LEAF_KEY_START) >> 1] = LEAF_HEAD
  copyBytes(u8, source + start, u8, copy + LEAF_HEAD, bytes)
}

/** Copies the whole tree of the frame at `from` into the formatted, empty frame at `to`. */
export function cloneFrame(pool: Pool, from: number, to: number): void {
  const { u16 } = pool
  copyFrameKey(pool, from, to)
  if (u16[(from + H_ROOT) >> 1] === 0) return
  u16[(to + H_ROOT) >> 1] = cloneSubtree(pool, from, from + H_ROOT, to)
}
