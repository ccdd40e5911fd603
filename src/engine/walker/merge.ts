/**
 * Merging: the tree of a child blob takes the place of the crossing that leads to it. Works on packed copies of the two
 * frames in a pool that nobody else sees, so that nothing here hurries and nothing here is visible; whoever asked puts
 * the result in place of the parent when neither frame has changed meanwhile (upkeep.ts).
 */
import { HoltError } from '../../errors.ts'
import { FRAME_SIZE } from '../../limits.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  H_ROOT,
  INNER_TERMINAL,
  LEAF,
  LEAF_KEY_START,
  NODE4,
  NODE256,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  refOf,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { copyBytes } from './bytes.ts'
import { cloneSubtree } from './clone.ts'
import { Cut } from './cut.ts'
import { makeCrossing, makeEdge } from './edge.ts'
import { advanceLeaf } from './insert.ts'
import { findChild, isRun, nextChild, nodeAt, nodeSize, removeChild, runEnd } from './node.ts'

/** Most nodes of a frame that are no terminals: the smallest is a Prefix of up to four bytes. */
const MAX_LISTED = FRAME_SIZE / 8

export class Merge {
  /** Blobs to which the frame leads that {@link list} has walked, each once. */
  readonly children: number[] = []

  readonly #pool: Pool
  readonly #path: Cut
  readonly #hangAt = new Int32Array(MAX_LISTED)
  readonly #parent = new Int32Array(MAX_LISTED)

  constructor(pool: Pool) {
    this.#pool = pool
    this.#path = new Cut(pool)
  }

  /** Walks the frame at `base` for {@link children}; with `blob`, returns the list index of the crossing to it, or -1. */
  list(base: number, blob = 0): number {
    const pool = this.#pool
    this.children.length = 0
    if (pool.u16[(base + H_ROOT) >> 1] === 0) return -1
    const hangAt = this.#hangAt
    let found = -1
    let nodes = 1
    hangAt[0] = base + H_ROOT
    this.#parent[0] = -1
    for (let i = 0; i < nodes; i++) {
      const node = nodeAt(pool, base, hangAt[i])
      const kind = pool.u8[node]
      if (kind === BLOB) {
        const child = pool.u32[(node + BLOB_CHILD) >> 2]
        this.children.push(child)
        if (child === blob) found = i
      } else if (kind === PREFIX) {
        nodes = this.#add(nodes, node + PREFIX_CHILD, i)
      } else if (kind >= NODE4 && kind <= NODE256) {
        for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
          nodes = this.#add(nodes, findChild(pool, node, byte), i)
          byte = runEnd(pool, node, byte)
        }
      } else if (kind !== LEAF) throw malformed()
    }
    return found
  }

  #add(nodes: number, refAt: number, above: number): number {
    if (nodes >= MAX_LISTED) throw malformed()
    this.#hangAt[nodes] = refAt
    this.#parent[nodes] = above
    return nodes + 1
  }

  /**
   * Puts the tree of the frame at `child`, which is that of `blob`, in place of the crossing to it in the frame at
   * `base`, which has the room. False when no crossing there leads to it.
   */
  fold(base: number, child: number, blob: number): boolean {
    const pool = this.#pool
    const found = this.list(base, blob)
    if (found < 0) return false
    this.#stack(base, found)
    const path = this.#path
    const i = path.depth - 1
    const crossing = base + path.nodes[i]
    if (pool.u16[(child + H_ROOT) >> 1] === 0) path.cut(base)
    else if (isRun(pool, crossing)) this.#foldRun(base, child, crossing, i)
    else this.#foldEdge(base, child, crossing, base + path.refs[i])
    return true
  }

  /** Makes the crossing to blob `from` in the frame at `base` lead to blob `to`. */
  rename(base: number, from: number, to: number): void {
    const found = this.list(base, from)
    this.#pool.u32[(nodeAt(this.#pool, base, this.#hangAt[found]) + BLOB_CHILD) >> 2] = to
  }

  /** Puts the way from the root to the listed node `i` on the path's stack. */
  #stack(base: number, i: number): void {
    const path = this.#path
    let depth = 0
    for (let at = i; at >= 0; at = this.#parent[at]) depth++
    path.depth = depth
    for (let at = i; at >= 0; at = this.#parent[at]) {
      depth--
      path.refs[depth] = this.#hangAt[at] - base
      path.nodes[depth] = nodeAt(this.#pool, base, this.#hangAt[at]) - base
    }
  }

  #foldEdge(base: number, child: number, crossing: number, refAt: number): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    let ref = cloneSubtree(pool, child, child + H_ROOT, base)
    const n = u8[crossing + BLOB_LENGTH]
    if (n > 0) {
      copyBytes(u8, crossing + BLOB_BYTES, this.#path.edge, 0, n)
      u16[refAt >> 1] = ref
      ref = this.#path.lengthen(base, nodeAt(pool, base, refAt), ref, n)
      if (ref === 0) throw new Error('a merge overflows: room was not checked')
    }
    u16[refAt >> 1] = ref
    pool.space.abandon(base, nodeSize(pool, crossing))
  }

  /** Hangs what the child's tree branches to at the bytes of the run, and takes away the bytes that lead nowhere. */
  #foldRun(base: number, child: number, crossing: number, i: number): void {
    const pool = this.#pool
    const { u16 } = pool
    const path = this.#path
    const nodeRefAt = base + path.refs[i - 1]
    const run = refOf(crossing - base)
    this.#branch(child, base, (byte, ref) => {
      u16[findChild(pool, nodeAt(pool, base, nodeRefAt), byte) >> 1] = ref
    })
    for (let byte = 0; byte < 256; byte++) {
      const node = nodeAt(pool, base, nodeRefAt)
      const at = findChild(pool, node, byte)
      // Removing may shrink the node, which then hangs elsewhere.
      if (at !== 0 && u16[at >> 1] === run) removeChild(pool, base, node, nodeRefAt, byte)
    }
    pool.space.abandon(base, nodeSize(pool, crossing))
    path.collapse(base, i - 1)
  }

  /** Copies the tree of the frame at `from` into the frame at `to`, without the first byte of its keys, byte by byte. */
  #branch(from: number, to: number, hang: (byte: number, ref: number) => void): void {
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    const root = nodeAt(pool, from, from + H_ROOT)
    const kind = u8[root]
    if (kind >= NODE4 && kind <= NODE256) {
      if (u16[(root + INNER_TERMINAL) >> 1] !== 0) throw malformed()
      for (let byte = nextChild(pool, root, 0); byte < 256; byte = nextChild(pool, root, byte + 1)) {
        const ref = cloneSubtree(pool, from, findChild(pool, root, byte), to)
        const end = runEnd(pool, root, byte)
        for (; byte < end; byte++) hang(byte, ref)
        hang(byte, ref)
      }
    } else if (kind === LEAF) {
      const byte = u8[root + u16[(root + LEAF_KEY_START) >> 1]]
      const ref = cloneSubtree(pool, from, from + H_ROOT, to)
      advanceLeaf(pool, to + offsetOf(ref), 1)
      hang(byte, ref)
    } else if (kind === PREFIX) {
      const n = u8[root + PREFIX_LENGTH]
      const below = cloneSubtree(pool, from, root + PREFIX_CHILD, to)
      hang(u8[root + PREFIX_BYTES], makeEdge(pool, to, u8, root + PREFIX_BYTES + 1, n - 1, below))
    } else if (kind === BLOB && u8[root + BLOB_LENGTH] > 0) {
      const n = u8[root + BLOB_LENGTH]
      const blob = u32[(root + BLOB_CHILD) >> 2]
      hang(u8[root + BLOB_BYTES], makeCrossing(pool, to, u8, root + BLOB_BYTES + 1, n - 1, blob))
    } else throw malformed()
  }
}

function malformed(): HoltError {
  return new HoltError('HOLT_CORRUPT_FRAME', 'a frame holds a malformed node')
}
