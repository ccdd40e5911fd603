/**
 * Puts a walk at the place from which a scan goes on: the stack is what lies behind the goal, within the prefix. Nodes
 * above the end of the prefix are not stacked, since nothing else below them is wanted. Long and flat on purpose: every
 * listing begins here.
 */
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  BLOB_RUN,
  LEAF,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  NODE4,
  NODE256,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
} from '../layout.ts'
import { commonLength, copyBytes } from './bytes.ts'
import { byteAt, childAtOrAfter, NO_PLACE, refAt, runEndFrom } from './child-order.ts'
import { EMPTY, MAX_DEPTH, NO_NODE, PATH_START, type Walk } from './walk.ts'

/** From where to go on, relative to the goal. */
export const AT_OR_AFTER = 0
export const AFTER = 1
export const AFTER_ALL_BELOW = 2

export interface Goal {
  /** Begins with the prefix of the scan, which is `prefixLength` bytes long. */
  key: Uint8Array
  length: number
  mode: number
}

/** Returns false when the tree changed meanwhile, or is malformed. */
export function place(walk: Walk, goal: Goal, prefixLength: number): boolean {
  const { key, length: goalLength, mode } = goal
  const { pool } = walk
  const { u8, u16, u32 } = pool
  walk.reserve(goalLength)
  copyBytes(key, 0, walk.path, PATH_START, goalLength)
  let node = walk.begin()
  let depth = 0
  let run = -1
  for (;;) {
    if (node === NO_NODE) return false
    if (node === EMPTY) return true
    if (depth > MAX_DEPTH) return damaged(walk)
    const kind = u8[node]
    const rest = goalLength - depth
    if (rest === 0 && mode === AFTER_ALL_BELOW) return true
    if (rest === 0 && mode === AT_OR_AFTER) return visitLater(walk, node, depth, run)
    if (kind === LEAF) {
      const start = node + u16[(node + LEAF_KEY_START) >> 1]
      const suffix = u16[(node + LEAF_SUFFIX) >> 1]
      const same = commonLength(u8, start, key, depth, Math.min(suffix, rest))
      if (same === rest) {
        if (mode === AT_OR_AFTER || (mode === AFTER && suffix > rest)) visitLater(walk, node, depth, run)
      } else if (same < suffix && depth + same >= prefixLength && u8[start + same] > key[depth + same]) {
        visitLater(walk, node, depth, run)
      }
      return true
    }
    if (kind === PREFIX || kind === BLOB) {
      const isBlob = kind === BLOB
      const length = u8[node + (isBlob ? BLOB_LENGTH : PREFIX_LENGTH)]
      if (length === 0 && !isBlob) return damaged(walk)
      const bytes = node + (isBlob ? BLOB_BYTES : PREFIX_BYTES)
      const same = commonLength(u8, bytes, key, depth, Math.min(length, rest))
      if (same < length) {
        const isBehind =
          same === rest
            ? mode !== AFTER_ALL_BELOW
            : depth + same >= prefixLength && u8[bytes + same] > key[depth + same]
        if (isBehind) visitLater(walk, node, depth, run)
        return true
      }
      depth += length
      if (isBlob) {
        node = walk.enter(u32[(node + BLOB_CHILD) >> 2], depth, u8[node + BLOB_RUN] === 1 ? run : -1)
        continue
      }
      const ref = u16[(node + PREFIX_CHILD) >> 1]
      if (ref === 0) return damaged(walk)
      node = walk.base() + offsetOf(ref)
      continue
    }
    if (kind < NODE4 || kind > NODE256) return damaged(walk)
    if (rest === 0) {
      // AFTER a key that ends here: its children follow.
      walk.reserve(depth + 1)
      walk.push(node, 0, depth)
      return true
    }
    const byte = key[depth]
    const found = childAtOrAfter(pool, node, byte)
    if (found === NO_PLACE) return true
    const isThere = byteAt(pool, node, found) === byte
    const child = isThere ? walk.base() + offsetOf(refAt(pool, node, found)) : 0
    const isRun = isThere && u8[child] === BLOB && u8[child + BLOB_RUN] === 1
    const last = isRun ? runEndFrom(pool, node, found) : found
    if (depth >= prefixLength) {
      walk.reserve(depth + 1)
      walk.push(node, isThere ? last + 1 : found, depth)
    }
    if (!isThere) return true
    run = isRun ? byteAt(pool, node, last) : -1
    // The child of a run spells the byte; when all up to the end of the run is done with, it is not needed.
    if (isRun && byte === run && rest === 1 && mode === AFTER_ALL_BELOW) return true
    node = child
    if (!isRun) depth++
  }
}

function visitLater(walk: Walk, node: number, depth: number, run: number): true {
  walk.pending = node
  walk.pendingDepth = depth
  walk.run = run
  return true
}

function damaged(walk: Walk): false {
  walk.isMalformed = true
  return false
}
