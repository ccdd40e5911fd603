/**
 * Room in a full frame: compaction drops the dead bytes; spillover moves a subtree out to a blob of its own and leaves
 * a BlobNode. Spillover aims at a child that is 70 % full (at least 35 %), cut right behind a `/` when it can: keys are
 * paths, and a blob that holds whole directories is crossed once. Where all subtrees are small, as below a node that
 * branches on hashes or numbers, a run of neighbouring ones moves out together and shares the child (a run crossing).
 */
import { HoltError } from '../../errors.ts'
import { DATA_START, FRAME_SHIFT, FRAME_SIZE, SPILL_RESERVE } from '../../limits.ts'
import { type ListedNodes, noteKeyBelow } from '../frame-key.ts'
import {
  BLOB,
  BLOB_RUN,
  H_COMPACTIONS,
  H_DEAD,
  H_ROOT,
  H_SLACK,
  INNER_TERMINAL,
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
import { cloneFrame, cloneSubtree, MAX_NODES, measureSubtree } from './clone.ts'
import { makeCrossing } from './edge.ts'
import { addChild, findChild, newNode4, nextChild, nodeAt, nodeSize, rebuild, removeChild, runEnd } from './node.ts'

const CAPACITY = FRAME_SIZE - DATA_START
const TARGET = Math.floor(CAPACITY * 0.7)
const LEAST = Math.floor(CAPACITY * 0.35)
/** A subtree larger than this is no victim: moving it would only move the problem. */
const MOST = Math.floor(CAPACITY * 0.85)
/** Dead bytes that make a compaction worth it. */
const WORTH_COMPACTING = CAPACITY >> 4

const SLASH = 47

/** The root hangs by no byte, the child of a Prefix by an edge of its own. */
const NO_BYTE = -1

/**
 * The subtrees of one frame, parents before children and siblings side by side: where each hangs, its parent's index,
 * the byte that leads to it, whether that ends a path component, its bytes.
 */
const hangAt = new Int32Array(MAX_NODES)
const parent = new Int32Array(MAX_NODES)
const edgeByte = new Int16Array(MAX_NODES)
const listed: ListedNodes = { hangAt, parent, edgeByte }
const behindSlash = new Uint8Array(MAX_NODES)
const bytes = new Int32Array(MAX_NODES)

/** Makes at least `need` bytes available in the frame in `slot`, which may move; the caller descends again. */
export function makeRoom(pool: Pool, slot: number, need: number): void {
  pool.slots.pin(slot)
  const base = slot << FRAME_SHIFT
  if (pool.u32[(base + H_DEAD) >> 2] + pool.u32[(base + H_SLACK) >> 2] >= WORTH_COMPACTING) {
    const packed = compact(pool, slot)
    if (pool.space.room(packed << FRAME_SHIFT, SPILL_RESERVE) >= need + WORTH_COMPACTING) return
    slot = packed
  }
  const victim = chooseVictim(pool, slot << FRAME_SHIFT)
  if (victim !== 0) compact(pool, spill(pool, slot, victim))
  else spillRun(pool, slot)
}

/** Rebuilds the frame packed in another slot, which becomes its home and is returned. */
export function compact(pool: Pool, slot: number): number {
  pool.slots.pin(slot)
  const to = pool.slots.take(true)
  const source = slot << FRAME_SHIFT
  const base = to << FRAME_SHIFT
  pool.formatFrame(to, pool.blobOf[slot])
  cloneFrame(pool, source, base)
  pool.u32[(base + H_COMPACTIONS) >> 2] = pool.u32[(source + H_COMPACTIONS) >> 2] + 1
  pool.relocate(slot, to)
  pool.slots.pin(to)
  pool.beginWrite(to)
  pool.endWrite(to)
  pool.count('compactions')
  return to
}

/** Moves the subtree with list index `i` to a new blob; returns the slot where the frame now is. */
function spill(pool: Pool, slot: number, i: number): number {
  const refAt = hangAt[i]
  const childSlot = pool.createBlob()
  const child = childSlot << FRAME_SHIFT
  const blob = pool.blobOf[childSlot]
  const source = slot << FRAME_SHIFT
  const victim = nodeAt(pool, source, refAt)
  const size = measureSubtree(pool, source, refAt)
  // The edge of a Prefix moves into the BlobNode, so that a key that does not match never loads the child.
  const isPrefix = pool.u8[victim] === PREFIX
  const edgeLength = isPrefix ? pool.u8[victim + PREFIX_LENGTH] : 0
  pool.u16[(child + H_ROOT) >> 1] = cloneSubtree(pool, source, isPrefix ? victim + PREFIX_CHILD : refAt, child)
  noteKeyBelow(pool, source, listed, i, child, isPrefix)
  pool.beginWrite(childSlot)
  pool.endWrite(childSlot)

  slot = pool.beginWrite(slot)
  const base = slot << FRAME_SHIFT
  const edge = base + (victim - source) + PREFIX_BYTES
  pool.u16[(base + (refAt - source)) >> 1] = makeCrossing(pool, base, pool.u8, edge, edgeLength, blob)
  pool.space.abandon(base, size)
  pool.endWrite(slot)
  pool.count('spillovers')
  return slot
}

/** The run that {@link chooseVictim} prefers: the list index of the node whose children they are, first and last byte. */
const run = { node: 0, first: 0, last: 0 }

/**
 * Moves {@link run} to a new blob of its own and leaves a run crossing. The frame is rebuilt without it in another
 * slot, because a full frame has no room for the Node256 that a run crossing may need.
 */
function spillRun(pool: Pool, slot: number): void {
  const { first, last } = run
  const way = wayTo(run.node)
  const childSlot = pool.createBlob()
  const child = childSlot << FRAME_SHIFT
  const blob = pool.blobOf[childSlot]
  const source = slot << FRAME_SHIFT
  copyChildren(pool, source, follow(pool, source, way), child)
  noteKeyBelow(pool, source, listed, run.node, child, false)
  pool.beginWrite(childSlot)
  pool.endWrite(childSlot)

  slot = pool.beginWrite(slot)
  const base = slot << FRAME_SHIFT
  let to: number
  try {
    to = pool.slots.take(true)
  } catch (error) {
    pool.endWrite(slot)
    throw error
  }
  const fresh = to << FRAME_SHIFT
  const oldAt = follow(pool, base, way)
  for (let byte = first; byte <= last; byte++) {
    const node = nodeAt(pool, base, oldAt)
    if (findChild(pool, node, byte) !== 0) removeChild(pool, base, node, oldAt, byte)
  }
  pool.formatFrame(to, pool.blobOf[slot])
  cloneFrame(pool, base, fresh)
  hangRun(pool, fresh, follow(pool, fresh, way), blob)
  pool.u32[(fresh + H_COMPACTIONS) >> 2] = pool.u32[(base + H_COMPACTIONS) >> 2] + 1
  pool.relocate(slot, to, true)
  pool.slots.pin(to)
  pool.beginWrite(to)
  pool.endWrite(to)
  pool.count('spillovers')
}

/** Copies the children of the run into the empty frame at `child`, below a node that branches on the same byte. */
function copyChildren(pool: Pool, base: number, refAt: number, child: number): void {
  const node = nodeAt(pool, base, refAt)
  const root = child + H_ROOT
  pool.u16[root >> 1] = refOf(newNode4(pool, child) - child)
  for (let byte = nextChild(pool, node, run.first); byte <= run.last; byte = nextChild(pool, node, byte + 1)) {
    const ref = cloneSubtree(pool, base, findChild(pool, node, byte), child)
    addChild(pool, child, nodeAt(pool, child, root), root, byte, ref)
  }
}

/** Hangs the blob at every byte of the run, below the node at `refAt`, which becomes a Node256. */
function hangRun(pool: Pool, base: number, refAt: number, blob: number): void {
  let node = nodeAt(pool, base, refAt)
  if (pool.u8[node] !== NODE256) node = rebuild(pool, base, node, refAt, NODE256)
  const ref = makeCrossing(pool, base, pool.u8, 0, 0, blob)
  pool.u8[base + offsetOf(ref) + BLOB_RUN] = 1
  for (let byte = run.first; byte <= run.last; byte++) addChild(pool, base, node, refAt, byte, ref)
}

/** The bytes that lead from the root of the listed frame to the node with list index `i`; NO_BYTE: through a Prefix. */
function wayTo(i: number): number[] {
  const way: number[] = []
  for (; i > 0; i = parent[i]) way.push(edgeByte[i])
  return way.reverse()
}

/** Where the node hangs to which `way` leads in the frame at `base`. */
function follow(pool: Pool, base: number, way: readonly number[]): number {
  let refAt = base + H_ROOT
  for (const byte of way) {
    const node = nodeAt(pool, base, refAt)
    refAt = byte === NO_BYTE ? node + PREFIX_CHILD : findChild(pool, node, byte)
  }
  return refAt
}

/** List index of the subtree that is best moved out of the frame at `base`; 0 when {@link run} is better. */
function chooseVictim(pool: Pool, base: number): number {
  const nodes = listSubtrees(pool, base)
  for (let i = nodes - 1; i > 0; i--) bytes[parent[i]] += bytes[i]
  let best = 0
  for (let i = 1; i < nodes; i++) {
    if (bytes[i] > MOST || pool.u8[nodeAt(pool, base, hangAt[i])] === BLOB) continue
    if (best === 0 || isBetter(i, best)) best = i
  }
  if (best !== 0 && bytes[best] >= LEAST) return best
  if (chooseRun(pool, base, nodes) > (best === 0 ? 0 : bytes[best])) return 0
  if (best === 0) throw new Error('a full frame has no subtree to move out')
  return best
}

/**
 * Sets {@link run} to the neighbouring subtrees whose bytes together come nearest the target; returns those bytes. In a
 * frame that is not full, where something large is to be inserted, less is moved: whoever moves everything gains nothing.
 */
function chooseRun(pool: Pool, base: number, nodes: number): number {
  const target = Math.min(TARGET, Math.floor(bytes[0] * 0.6))
  const most = Math.min(MOST, Math.floor(bytes[0] * 0.85))
  let best = 0
  let start = 0
  let sum = 0
  for (let i = 1; i <= nodes; i++) {
    const mayMove =
      i < nodes && edgeByte[i] !== NO_BYTE && bytes[i] <= most && pool.u8[nodeAt(pool, base, hangAt[i])] !== BLOB
    if (mayMove && start > 0 && parent[i] === parent[start] && sum < target && sum + bytes[i] <= most) {
      sum += bytes[i]
      continue
    }
    if (start > 0 && i - start > 1 && Math.abs(sum - target) < Math.abs(best - target)) {
      best = sum
      run.node = parent[start]
      run.first = edgeByte[start]
      run.last = edgeByte[i - 1]
    }
    start = mayMove ? i : 0
    sum = mayMove ? bytes[i] : 0
  }
  return best
}

function isBetter(a: number, b: number): boolean {
  const aFits = bytes[a] >= LEAST && bytes[a] <= TARGET
  const bFits = bytes[b] >= LEAST && bytes[b] <= TARGET
  if (aFits !== bFits) return aFits
  if (aFits && behindSlash[a] !== behindSlash[b]) return behindSlash[a] === 1
  return Math.abs(bytes[a] - TARGET) < Math.abs(bytes[b] - TARGET)
}

/** Fills the tables; index 0 is the root. */
function listSubtrees(pool: Pool, base: number): number {
  let nodes = 0
  hangAt[nodes] = base + H_ROOT
  parent[nodes] = NO_BYTE
  edgeByte[nodes] = NO_BYTE
  behindSlash[nodes++] = 0
  for (let i = 0; i < nodes; i++) {
    if (nodes > MAX_NODES) throw new HoltError('HOLT_CORRUPT_FRAME', 'a frame holds more nodes than fit in it')
    const node = nodeAt(pool, base, hangAt[i])
    bytes[i] = nodeSize(pool, node)
    const kind = pool.u8[node]
    if (kind === PREFIX) {
      const last = pool.u8[node + PREFIX_BYTES + pool.u8[node + PREFIX_LENGTH] - 1]
      nodes = list(nodes, node + PREFIX_CHILD, i, NO_BYTE, last === SLASH)
    } else if (kind >= NODE4) {
      // A terminal stays with its node: readers expect a leaf there, never a crossing.
      if (pool.u16[(node + INNER_TERMINAL) >> 1] !== 0) {
        bytes[i] += nodeSize(pool, nodeAt(pool, base, node + INNER_TERMINAL))
      }
      for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
        nodes = list(nodes, findChild(pool, node, byte), i, byte, byte === SLASH)
        byte = runEnd(pool, node, byte)
      }
    }
  }
  return nodes
}

function list(nodes: number, refAt: number, above: number, byte: number, slash: boolean): number {
  hangAt[nodes] = refAt
  parent[nodes] = above
  edgeByte[nodes] = byte
  behindSlash[nodes] = slash ? 1 : 0
  return nodes + 1
}
