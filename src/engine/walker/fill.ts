/**
 * The hot loop of a scan: goes on from where a walk stands and puts the entries that it finds into a batch. All of them
 * are from one frame, the one at hand at the end, and mean nothing before the caller has seen it unchanged. Long and
 * flat on purpose: leaf after leaf of one node is read without going back to the stack.
 */
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  BLOB_RUN,
  INNER_TERMINAL,
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
import type { Pool } from '../pool.ts'
import { ADDED, type BatchOfEntries, MALFORMED, NO_ROOM } from './batch-of-entries.ts'
import { byteAt, childFrom, NO_PLACE, refAt, runEndFrom } from './child-order.ts'
import { MAX_NODES } from './clone.ts'
import { EMPTY, MAX_DEPTH, NO_NODE, PATH_START, type Walk } from './walk.ts'

/** What a scan is for. Everything that a walk visits begins with the prefix: place.ts sees to it. */
export interface Query {
  prefixLength: number
  /** Byte at which keys are rolled up, or -1. */
  delimiter: number
  /** Whether rolled-up prefixes are entries. */
  rollup: boolean
  keysOnly: boolean
}

/** Outcomes. */
export const END = 0
export const MORE = 1
export const CONFLICT = -1
/** The walk has left a subtree without having found anything; the path up to {@link Walk.pendingDepth} is done with. */
export const PASSED = 2

/** In the place of a node on the stack: its terminal comes next. */
const AT_TERMINAL = -1

/** Adds at most `most` entries. The batch is empty when it begins. */
export function fill(walk: Walk, batch: BatchOfEntries, query: Query, most: number): number {
  const { pool } = walk
  const { u8, u16, u32 } = pool
  const { prefixLength, delimiter, keysOnly } = query
  let node = walk.pending
  let depth = walk.pendingDepth
  let base = walk.base()
  let visited = 0
  walk.pending = 0
  for (;;) {
    if (node === 0) {
      // --- the next child of the node on top of the stack ---
      const top = walk.top - 1
      if (top < 0) return END
      if (walk.isFrameDone()) {
        if (batch.count > 0) return MORE
        walk.pendingDepth = walk.leaveFrames()
        return walk.pendingDepth < 0 ? CONFLICT : PASSED
      }
      const inner = walk.nodes[top]
      depth = walk.depths[top]
      const from = walk.next[top]
      if (from === AT_TERMINAL) {
        walk.next[top] = 0
        const terminal = u16[(inner + INNER_TERMINAL) >> 1]
        if (terminal !== 0) node = base + offsetOf(terminal)
        continue
      }
      let place = childFrom(pool, inner, from)
      let child = 0
      let byte = 0
      for (; place !== NO_PLACE; place = childFrom(pool, inner, place + 1)) {
        child = base + offsetOf(refAt(pool, inner, place))
        if (u8[child] !== LEAF) break
        byte = byteAt(pool, inner, place)
        if (delimiter >= 0 && (byte === delimiter || cutOfLeaf(pool, child, 0, delimiter) >= 0)) break
        const outcome = batch.addLeaf(walk.pathWords, depth, byte, child, keysOnly)
        if (outcome === MALFORMED) return damaged(walk)
        if (outcome === NO_ROOM || batch.count === most) {
          walk.next[top] = outcome === ADDED ? place + 1 : place
          return MORE
        }
      }
      if (place === NO_PLACE) {
        walk.top = top
        continue
      }
      if (u8[child] === BLOB && u8[child + BLOB_RUN] === 1) {
        const last = runEndFrom(pool, inner, place)
        walk.run = byteAt(pool, inner, last)
        walk.next[top] = last + 1
        node = child
        continue
      }
      byte = byteAt(pool, inner, place)
      walk.path[PATH_START + depth++] = byte
      walk.next[top] = place + 1
      if (byte === delimiter) {
        if (!query.rollup) continue
        if (batch.addPrefix(walk.pathWords, depth)) {
          if (batch.count === most) return MORE
          continue
        }
        walk.next[top] = place
        return MORE
      }
      node = child
    }
    // --- down from `node`, to which a path of `depth` bytes leads ---
    if (depth > MAX_DEPTH) return damaged(walk)
    const kind = u8[node]
    if (kind === LEAF) {
      const cut = delimiter < 0 ? -1 : cutOfLeaf(pool, node, prefixLength - depth, delimiter)
      let outcome: number
      if (cut < 0) {
        outcome = batch.addLeaf(walk.pathWords, depth, -1, node, keysOnly)
        if (outcome === MALFORMED) return damaged(walk)
      } else {
        walk.spell(node + u16[(node + LEAF_KEY_START) >> 1], cut + 1, depth)
        outcome = !query.rollup || batch.addPrefix(walk.pathWords, depth + cut + 1) ? ADDED : NO_ROOM
      }
      if (outcome === NO_ROOM) wait(walk, node, depth)
      if (outcome === NO_ROOM || batch.count === most) return MORE
      node = 0
    } else if (kind === PREFIX || kind === BLOB) {
      const isBlob = kind === BLOB
      const from = node + (isBlob ? BLOB_BYTES : PREFIX_BYTES)
      const length = u8[node + (isBlob ? BLOB_LENGTH : PREFIX_LENGTH)]
      if (length === 0 && !isBlob) return damaged(walk)
      const cut = delimiter < 0 ? -1 : indexOf(u8, from, length, prefixLength - depth, delimiter)
      if (cut >= 0) {
        walk.spell(from, cut + 1, depth)
        if (query.rollup && !batch.addPrefix(walk.pathWords, depth + cut + 1)) {
          wait(walk, node, depth)
          return MORE
        }
        if (batch.count === most) return MORE
        node = 0
        continue
      }
      if (!isBlob) {
        depth = walk.spell(from, length, depth)
        const ref = u16[(node + PREFIX_CHILD) >> 1]
        if (ref === 0) return damaged(walk)
        node = base + offsetOf(ref)
        continue
      }
      if (batch.count > 0) {
        wait(walk, node, depth)
        return MORE
      }
      depth = walk.spell(from, length, depth)
      node = walk.enter(u32[(node + BLOB_CHILD) >> 2], depth, u8[node + BLOB_RUN] === 1 ? walk.run : -1)
      if (node === NO_NODE) return CONFLICT
      base = walk.base()
      if (node === EMPTY) node = 0
    } else {
      if (kind < NODE4 || kind > NODE256) return damaged(walk)
      if (!walk.unchanged()) return CONFLICT
      // Who visits more nodes than there is room for before he finds an entry goes round in a circle.
      if (++visited > MAX_NODES) return damaged(walk)
      walk.reserve(depth + 1)
      walk.push(node, AT_TERMINAL, depth)
      node = 0
    }
  }
}

/** The next call begins with `node`. */
function wait(walk: Walk, node: number, depth: number): void {
  walk.pending = node
  walk.pendingDepth = depth
}

function damaged(walk: Walk): number {
  walk.isMalformed = true
  return CONFLICT
}

/** Index of the delimiter in the suffix of a leaf, at or behind index `from`, or -1. */
function cutOfLeaf(pool: Pool, leaf: number, from: number, delimiter: number): number {
  const { u8, u16 } = pool
  return indexOf(u8, leaf + u16[(leaf + LEAF_KEY_START) >> 1], u16[(leaf + LEAF_SUFFIX) >> 1], from, delimiter)
}

/** Index of `byte` in `u8[at .. at + length)` at or behind index `from`, or -1. */
function indexOf(u8: Uint8Array, at: number, length: number, from: number, byte: number): number {
  for (let i = Math.max(0, from); i < length; i++) if (u8[at + i] === byte) return i
  return -1
}
