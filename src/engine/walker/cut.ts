/**
 * Cuts a node from its frame: nodes that are left with one way collapse into edges, sparse ones shrink. The caller
 * holds the frame for writing and has put the way from the frame's root to the node on the stack.
 * Collapse needs a few bytes of a frame: where there is no room the node stays as it is, which is valid, only larger.
 */
import { MAX_KEY, MAX_PREFIX, SPILL_RESERVE } from '../../limits.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { copyBytes } from './bytes.ts'
import { crossingSize, edgeSize, makeCrossing, makeEdge } from './edge.ts'
import { childCount, findChild, isRun, nextChild, nodeAt, nodeSize, removeChild } from './node.ts'

export class Cut {
  /** Offsets in the frame of the nodes on the way, the frame's root first, and of the references by which they hang. */
  readonly nodes = new Int32Array(2 * MAX_KEY)
  readonly refs = new Int32Array(2 * MAX_KEY)
  depth = 0
  /** Whether the last {@link cut} took a leaf away and left all other nodes where they were. */
  keptShape = false
  /** Bytes that {@link lengthen} puts in front of a node. */
  readonly edge = new Uint8Array(2 * MAX_PREFIX + 1)

  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /** Cuts the last node on the stack from the frame at `base`; true when that leaves the frame without keys. */
  cut(base: number): boolean {
    const pool = this.#pool
    const { u8, u16 } = pool
    this.keptShape = false
    for (let i = this.depth - 1; ; i--) {
      const node = base + this.nodes[i]
      const refAt = base + this.refs[i]
      pool.space.release(base, node, nodeSize(pool, node))
      if (i === 0) {
        u16[refAt >> 1] = 0
        return true
      }
      const above = base + this.nodes[i - 1]
      const run = isRun(pool, node) ? runOf(pool, above, refAt) : 1
      if (u8[above] === PREFIX || ways(pool, above) === run) continue
      const ref = u16[(base + this.refs[i - 1]) >> 1]
      if (refAt === above + INNER_TERMINAL) u16[refAt >> 1] = 0
      else this.#removeRun(base, base + this.refs[i - 1], byteOf(pool, above, refAt), run)
      const isSame = u16[(base + this.refs[i - 1]) >> 1] === ref && ways(pool, above) > 1
      this.keptShape = isSame && i === this.depth - 1 && u8[node] === LEAF
      this.collapse(base, i - 1)
      return false
    }
  }

  /** Removes the `run` neighbouring children around `byte` that share a reference: one, or a run crossing's. */
  #removeRun(base: number, refAt: number, byte: number, run: number): void {
    const pool = this.#pool
    const { u16 } = pool
    const node = nodeAt(pool, base, refAt)
    const ref = u16[findChild(pool, node, byte) >> 1]
    let first = byte
    while (run > 1 && first > 0 && childRef(pool, node, first - 1) === ref) first--
    // Removing may shrink the node, which then hangs elsewhere.
    for (let b = first; b < first + run; b++) removeChild(pool, base, nodeAt(pool, base, refAt), refAt, b)
  }

  /** When one way is left through the inner node at stack index `i`, its edges become one edge. */
  collapse(base: number, i: number): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    let refAt = base + this.refs[i]
    const node = nodeAt(pool, base, refAt)
    const terminal = u16[(node + INNER_TERMINAL) >> 1]
    const children = childCount(pool, node)
    if (ways(pool, node) !== 1) return
    if (children === 0) {
      u16[refAt >> 1] = terminal
      pool.space.release(base, node, nodeSize(pool, node))
      return
    }
    const edge = this.edge
    let n = 0
    let dead = nodeSize(pool, node)
    const above = i > 0 ? base + this.nodes[i - 1] : 0
    if (above !== 0 && u8[above] === PREFIX) {
      n = u8[above + PREFIX_LENGTH]
      copyBytes(u8, above + PREFIX_BYTES, edge, 0, n)
      refAt = base + this.refs[i - 1]
      dead += nodeSize(pool, above)
    }
    const byte = nextChild(pool, node, 0)
    const childRefAt = findChild(pool, node, byte)
    const child = nodeAt(pool, base, childRefAt)
    edge[n++] = byte
    const ref = this.lengthen(base, child, u16[childRefAt >> 1], n)
    if (ref === 0) return
    u16[refAt >> 1] = ref
    pool.space.abandon(base, dead)
  }

  /** Puts the first `n` bytes of {@link edge} in front of the node `child`; returns the new reference, 0 when no room. */
  lengthen(base: number, child: number, childRef: number, n: number): number {
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    const edge = this.edge
    const kind = u8[child]
    if (kind === LEAF) {
      const start = u16[(child + LEAF_KEY_START) >> 1]
      if (start - LEAF_HEAD >= n) {
        copyBytes(edge, 0, u8, child + start - n, n)
        u16[(child + LEAF_KEY_START) >> 1] = start - n
        u16[(child + LEAF_SUFFIX) >> 1] += n
        return childRef
      }
    }
    if (kind === PREFIX || kind === BLOB) {
      const more = u8[child + PREFIX_LENGTH]
      const isBlob = kind === BLOB
      if (pool.space.room(base, SPILL_RESERVE) < (isBlob ? crossingSize(n + more) : edgeSize(n + more))) return 0
      copyBytes(u8, child + (isBlob ? BLOB_BYTES : PREFIX_BYTES), edge, n, more)
      pool.space.abandon(base, nodeSize(pool, child))
      return isBlob
        ? makeCrossing(pool, base, edge, 0, n + more, u32[(child + BLOB_CHILD) >> 2])
        : makeEdge(pool, base, edge, 0, n + more, u16[(child + PREFIX_CHILD) >> 1])
    }
    if (pool.space.room(base, SPILL_RESERVE) < edgeSize(n)) return 0
    return makeEdge(pool, base, edge, 0, n, childRef)
  }
}

/** The child byte whose reference is at `refAt`. */
function byteOf(pool: Pool, node: number, refAt: number): number {
  let byte = nextChild(pool, node, 0)
  while (byte < 256 && findChild(pool, node, byte) !== refAt) byte = nextChild(pool, node, byte + 1)
  return byte
}

/** Reference of the child for `byte`, or 0. */
function childRef(pool: Pool, node: number, byte: number): number {
  const at = findChild(pool, node, byte)
  return at === 0 ? 0 : pool.u16[at >> 1]
}

/** How many children of an inner node share the reference at `refAt`. */
function runOf(pool: Pool, node: number, refAt: number): number {
  const ref = pool.u16[refAt >> 1]
  let run = 0
  for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
    if (childRef(pool, node, byte) === ref) run++
  }
  return run
}

/** How many ways lead through an inner node, its terminal included. */
export function ways(pool: Pool, node: number): number {
  return childCount(pool, node) + (pool.u16[(node + INNER_TERMINAL) >> 1] === 0 ? 0 : 1)
}
