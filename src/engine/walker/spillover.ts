/**
 * Room in a full frame: compaction drops the dead bytes; spillover moves a subtree out to a blob of its own and leaves
 * a BlobNode. Spillover aims at a child that is 70 % full (at least 35 %), cut right behind a `/` when it can: keys are
 * paths, and a blob that holds whole directories is crossed once.
 */
import { DATA_START, FRAME_SHIFT, FRAME_SIZE, SPILL_RESERVE } from '../../limits.ts'
import {
  BLOB,
  H_COMPACTIONS,
  H_DEAD,
  H_ROOT,
  INNER_TERMINAL,
  NODE4,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { cloneFrame, cloneSubtree, MAX_NODES, measureSubtree } from './clone.ts'
import { makeCrossing } from './edge.ts'
import { findChild, nextChild, nodeAt, nodeSize } from './node.ts'

const CAPACITY = FRAME_SIZE - DATA_START
const TARGET = Math.floor(CAPACITY * 0.7)
const LEAST = Math.floor(CAPACITY * 0.35)
/** A subtree larger than this is no victim: moving it would only move the problem. */
const MOST = Math.floor(CAPACITY * 0.85)
/** Dead bytes that make a compaction worth it. */
const WORTH_COMPACTING = CAPACITY >> 4

const SLASH = 47

/** The subtrees of one frame in pre-order: where each hangs, its parent's index, its bytes, whether a `/` leads to it. */
const hangAt = new Int32Array(MAX_NODES)
const parent = new Int32Array(MAX_NODES)
const bytes = new Int32Array(MAX_NODES)
const behindSlash = new Uint8Array(MAX_NODES)

/** Makes at least `need` bytes available in the frame in `slot`, which may move; the caller descends again. */
export function makeRoom(pool: Pool, slot: number, need: number): void {
  pool.pin(slot)
  const base = slot << FRAME_SHIFT
  if (pool.u32[(base + H_DEAD) >> 2] >= WORTH_COMPACTING) {
    const packed = compact(pool, slot)
    if (pool.room(packed << FRAME_SHIFT, SPILL_RESERVE) >= need + WORTH_COMPACTING) return
    slot = packed
  }
  compact(pool, spill(pool, slot))
}

/** Rebuilds the frame packed, in another slot, which becomes its home and is returned. */
export function compact(pool: Pool, slot: number): number {
  pool.pin(slot)
  const to = pool.takeSlot(true)
  const source = slot << FRAME_SHIFT
  const base = to << FRAME_SHIFT
  pool.formatFrame(to, pool.blobOf[slot])
  cloneFrame(pool, source, base)
  pool.u32[(base + H_COMPACTIONS) >> 2] = pool.u32[(source + H_COMPACTIONS) >> 2] + 1
  pool.relocate(slot, to)
  pool.pin(to)
  pool.beginWrite(to)
  pool.endWrite(to)
  pool.count('compactions')
  return to
}

/** Moves the best subtree to a new blob; returns the slot where the frame now is. */
function spill(pool: Pool, slot: number): number {
  const childSlot = pool.createBlob()
  const child = childSlot << FRAME_SHIFT
  const blob = pool.blobOf[childSlot]
  const source = slot << FRAME_SHIFT
  const refAt = chooseVictim(pool, source)
  const victim = nodeAt(pool, source, refAt)
  const size = measureSubtree(pool, source, refAt)
  // The edge of a Prefix moves into the BlobNode, so that a key that does not match never loads the child.
  const isPrefix = pool.u8[victim] === PREFIX
  const edgeLength = isPrefix ? pool.u8[victim + PREFIX_LENGTH] : 0
  pool.u16[(child + H_ROOT) >> 1] = cloneSubtree(pool, source, isPrefix ? victim + PREFIX_CHILD : refAt, child)
  pool.beginWrite(childSlot)
  pool.endWrite(childSlot)

  slot = pool.beginWrite(slot)
  const base = slot << FRAME_SHIFT
  const edge = base + (victim - source) + PREFIX_BYTES
  pool.u16[(base + (refAt - source)) >> 1] = makeCrossing(pool, base, pool.u8, edge, edgeLength, blob)
  pool.abandon(base, size)
  pool.endWrite(slot)
  pool.count('spillovers')
  return slot
}

/** Where the subtree hangs that is best moved out of the frame at `base`. */
function chooseVictim(pool: Pool, base: number): number {
  const nodes = listSubtrees(pool, base)
  for (let i = nodes - 1; i > 0; i--) bytes[parent[i]] += bytes[i]
  let best = 0
  for (let i = 1; i < nodes; i++) {
    if (bytes[i] > MOST || pool.u8[nodeAt(pool, base, hangAt[i])] === BLOB) continue
    if (best === 0 || isBetter(i, best)) best = i
  }
  if (best === 0) throw new Error('a full frame has no subtree to move out')
  return hangAt[best]
}

function isBetter(a: number, b: number): boolean {
  const aFits = bytes[a] >= LEAST && bytes[a] <= TARGET
  const bFits = bytes[b] >= LEAST && bytes[b] <= TARGET
  if (aFits !== bFits) return aFits
  if (aFits && behindSlash[a] !== behindSlash[b]) return behindSlash[a] === 1
  return Math.abs(bytes[a] - TARGET) < Math.abs(bytes[b] - TARGET)
}

/** Fills the pre-order tables; index 0 is the root. A node's children come somewhere after it. */
function listSubtrees(pool: Pool, base: number): number {
  let nodes = 0
  hangAt[nodes] = base + H_ROOT
  parent[nodes] = 0
  behindSlash[nodes++] = 0
  for (let i = 0; i < nodes; i++) {
    const node = nodeAt(pool, base, hangAt[i])
    bytes[i] = nodeSize(pool, node)
    const kind = pool.u8[node]
    if (kind === PREFIX) {
      const last = pool.u8[node + PREFIX_BYTES + pool.u8[node + PREFIX_LENGTH] - 1]
      nodes = list(nodes, node + PREFIX_CHILD, i, last === SLASH)
    } else if (kind >= NODE4) {
      // A terminal stays with its node: readers expect a leaf there, never a crossing.
      if (pool.u16[(node + INNER_TERMINAL) >> 1] !== 0) {
        bytes[i] += nodeSize(pool, nodeAt(pool, base, node + INNER_TERMINAL))
      }
      for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
        nodes = list(nodes, findChild(pool, node, byte), i, byte === SLASH)
      }
    }
  }
  return nodes
}

function list(nodes: number, refAt: number, above: number, slash: boolean): number {
  hangAt[nodes] = refAt
  parent[nodes] = above
  behindSlash[nodes] = slash ? 1 : 0
  return nodes + 1
}
