/**
 * A walk over the nodes of one frame that may hold anything: every record and every crossing that can be reached from its
 * root, with the bytes that lead there. For the check and for salvage; it trusts nothing: a node is visited once, lies in
 * the frame, on pages that the caller calls readable, and no key is longer than keys are.
 */
import { FRAME_SIZE, MAX_KEY } from '../limits.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  H_ROOT,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  NODE4,
  NODE256,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
} from './layout.ts'
import type { Pool } from './pool.ts'
import { copyBytes } from './walker/bytes.ts'
import { findChild, isRun, nextChild, nodeSize, runEnd } from './walker/node.ts'

/** The key, or what all keys behind a crossing begin with, is `path[0..length]`, valid during the call. */
export interface FrameVisitor {
  /** A record; its leaf is at `leaf` of the pool. */
  record(path: Uint8Array, length: number, leaf: number): void
  crossing(path: Uint8Array, length: number, blob: number): void
  /** A node that cannot be: nothing below it is visited. */
  unreadable(path: Uint8Array, length: number): void
}

/** The root, what hangs below a Prefix and a terminal hang by no byte. */
const NO_BYTE = -1
/** Words that the stack takes for each node: its reference, the length of the path to it, the byte by which it hangs. */
const ENTRY = 3

export class FrameWalk {
  readonly #pool: Pool
  readonly #path = new Uint8Array(2 * MAX_KEY)
  readonly #seen = new Uint8Array(FRAME_SIZE >> 3)
  readonly #stack: number[] = []

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /**
   * Walks the frame at `base` of the pool, whose keys begin with `prefix`. `isReadable` says whether `size` bytes from
   * `offset` of the frame on may be used.
   */
  run(
    base: number,
    prefix: Uint8Array,
    visitor: FrameVisitor,
    isReadable: (offset: number, size: number) => boolean,
  ): void {
    const { u8, u16, u32 } = this.#pool
    const path = this.#path
    const stack = this.#stack
    this.#seen.fill(0)
    stack.length = 0
    path.set(prefix)
    const root = u16[(base + H_ROOT) >> 1]
    if (root !== 0) stack.push(root, prefix.length, NO_BYTE)
    while (stack.length > 0) {
      const byte = stack.pop() as number
      const length = stack.pop() as number
      const offset = offsetOf(stack.pop() as number)
      if (byte !== NO_BYTE) path[length - 1] = byte
      const node = base + offset
      if (!this.#isNode(base, offset, isReadable)) {
        visitor.unreadable(path, length)
        continue
      }
      const kind = u8[node]
      if (kind === LEAF) {
        const start = u16[(node + LEAF_KEY_START) >> 1]
        const suffix = u16[(node + LEAF_SUFFIX) >> 1]
        if (start < LEAF_HEAD || length + suffix > MAX_KEY) visitor.unreadable(path, length)
        else {
          copyBytes(u8, node + start, path, length, suffix)
          visitor.record(path, length + suffix, node)
        }
      } else if (kind === PREFIX || kind === BLOB) {
        const isPrefix = kind === PREFIX
        const edge = u8[node + (isPrefix ? PREFIX_LENGTH : BLOB_LENGTH)]
        if (length + edge > MAX_KEY) {
          visitor.unreadable(path, length)
          continue
        }
        copyBytes(u8, node + (isPrefix ? PREFIX_BYTES : BLOB_BYTES), path, length, edge)
        const child = isPrefix ? u16[(node + PREFIX_CHILD) >> 1] : 0
        if (!isPrefix) visitor.crossing(path, length + edge, u32[(node + BLOB_CHILD) >> 2])
        else if (child === 0) visitor.unreadable(path, length + edge)
        else stack.push(child, length + edge, NO_BYTE)
      } else {
        this.#pushChildren(base, node, length)
      }
    }
  }

  #isNode(base: number, offset: number, isReadable: (offset: number, size: number) => boolean): boolean {
    // The head says how long the node is, so it has to be readable first.
    if (offset + 8 > FRAME_SIZE || this.#seen[offset >> 3] !== 0 || !isReadable(offset, 8)) return false
    const kind = this.#pool.u8[base + offset]
    const size = kind >= LEAF && kind <= NODE256 ? nodeSize(this.#pool, base + offset) : 0
    if (size === 0 || offset + size > FRAME_SIZE || !isReadable(offset, size)) return false
    this.#seen[offset >> 3] = 1
    return true
  }

  #pushChildren(base: number, node: number, length: number): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    const stack = this.#stack
    if (length >= MAX_KEY || u8[node] < NODE4) return
    // Last child first, so that records come in the order of their keys.
    const at = stack.length
    if (u16[(node + INNER_TERMINAL) >> 1] !== 0) stack.push(u16[(node + INNER_TERMINAL) >> 1], length, NO_BYTE)
    for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
      const child = findChild(pool, node, byte)
      const ref = child === 0 ? 0 : u16[child >> 1]
      if (ref === 0) continue
      // The tree behind a run crossing spells the byte itself.
      if (isRun(pool, base + offsetOf(ref))) {
        stack.push(ref, length, NO_BYTE)
        byte = runEnd(pool, node, byte)
      } else stack.push(ref, length + 1, byte)
    }
    reverseEntries(stack, at)
  }
}

function reverseEntries(stack: number[], from: number): void {
  for (let a = from, b = stack.length - ENTRY; a < b; a += ENTRY, b -= ENTRY) {
    for (let i = 0; i < ENTRY; i++) {
      const word = stack[a + i]
      stack[a + i] = stack[b + i]
      stack[b + i] = word
    }
  }
}
