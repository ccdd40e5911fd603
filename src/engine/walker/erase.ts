/**
 * Removal of a record, or of the edge by which a subtree hangs (renamePrefix). Nodes that are left with one child
 * collapse into edges, sparse ones shrink; a child blob that is left without keys is cut from its parent and freed, one
 * that is left with few is merged into it.
 * Collapse needs a few bytes of a frame: where there is no room the node stays as it is, which is valid, only larger.
 *
 * A record can be removed on either side of the gate, as in `insert.ts`; a removal that leaves its frame without keys
 * frees a blob and so asks for the exclusive side.
 */
import { HoltError } from '../../errors.ts'
import { DATA_START, FRAME_SHIFT, MAX_BLOBS, MAX_KEY, MAX_PREFIX, SPILL_RESERVE } from '../../limits.ts'
import { EXCLUSIVE, type Latch, RETRY } from '../latch.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  BLOB_RUN,
  H_DEAD,
  H_ROOT,
  H_USED,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  LEAF_VERSION,
  NODE4,
  NODE256,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
} from '../layout.ts'
import { type Pool, ROOT_BLOB } from '../pool.ts'
import { commonLength, copyBytes } from './bytes.ts'
import { cloneSubtree } from './clone.ts'
import { crossingSize, edgeSize, makeCrossing, makeEdge } from './edge.ts'
import { ANY_VERSION, HELD_BACK } from './insert.ts'
import { childCount, findChild, isRun, nextChild, nodeAt, nodeSize, removeChild } from './node.ts'
import { compact } from './spillover.ts'

/** Outcomes of a removal. */
export const NOT_THERE = 0
export const ERASED = 1

/** What {@link Erase.find} looks for. */
const EXACT = 0
const EMPTY_BLOB = 1
const SUBTREE = 2
const SPARSE_BLOB = 3

const MISSING = 0
const FOUND = 1

/** On the shared side: how often a removal starts again before it asks for the gate. */
const MAX_ATTEMPTS = 64

/** A blob with at most this many live bytes is merged into its parent, when that has room for them and as much again. */
const MERGE_BYTES = 48 * 1024

export class Erase {
  /** Where a found subtree hangs: its frame, and the offset of the reference. */
  slot = 0
  refOffset = 0
  /** The bytes of a Prefix between the end of the key and the subtree. */
  readonly edge = new Uint8Array(2 * MAX_PREFIX + 1)
  edgeLength = 0
  /** How many bytes of the subtree's own suffix (leaf) or inline prefix (crossing) belong to the key. */
  matched = 0

  /** Whether the last removal, on the shared side, left a frame that is better merged into its parent. */
  leftSparse = false

  readonly #pool: Pool
  readonly #latch: Latch
  /** Version at which the frame in {@link slot} was entered. */
  #version = 0
  /** Offsets of the nodes on the path within the current frame and of the references by which they hang. */
  readonly #nodes = new Int32Array(2 * MAX_KEY)
  readonly #refs = new Int32Array(2 * MAX_KEY)
  #depth = 0
  /** Whether the last cut left its frame without keys. */
  #emptied = false

  constructor(pool: Pool, latch: Latch) {
    this.#pool = pool
    this.#latch = latch
  }

  /**
   * Removes a key; with a `condition`, only when its record has that version. Returns NOT_THERE, ERASED or HELD_BACK;
   * on the shared side of the gate also EXCLUSIVE, nothing done.
   */
  delete(key: Uint8Array, at: number, length: number, condition: number): number {
    this.leftSparse = false
    for (let attempt = 0; ; attempt++) {
      const outcome = this.#delete(key, at, length, condition)
      if (outcome !== RETRY) return outcome
      if (attempt === MAX_ATTEMPTS) return EXCLUSIVE
    }
  }

  #delete(key: Uint8Array, at: number, length: number, condition: number): number {
    const pool = this.#pool
    const found = this.#find(key, at, length, EXACT)
    if (found < 0) return found
    if (found === MISSING) return this.#unchanged() ? NOT_THERE : RETRY
    if (condition !== ANY_VERSION && this.#recordVersion() !== condition) return this.#unchanged() ? HELD_BACK : RETRY
    if (!this.#latch.isExclusive && this.#wouldEmpty()) return this.#unchanged() ? EXCLUSIVE : RETRY
    const slot = this.#latch.begin(this.slot, this.#version)
    if (slot < 0) return slot
    this.#cut(slot)
    if (this.#emptied) this.#prune(key, at, length)
    else if (isSparse(pool, slot)) {
      if (this.#latch.isExclusive) this.merge(key, at, length)
      else this.leftSparse = true
    }
    return ERASED
  }

  #unchanged(): boolean {
    return Atomics.load(this.#pool.version, this.slot) === this.#version
  }

  /** Version of the record that was found. */
  #recordVersion(): number {
    const leaf = (this.slot << FRAME_SHIFT) + this.#nodes[this.#depth - 1]
    const stamp = (leaf + LEAF_VERSION) >> 2
    return this.#pool.u32[stamp] + this.#pool.u32[stamp + 1] * 4294967296
  }

  /** Whether cutting the last node of the stack leaves its frame without keys. */
  #wouldEmpty(): boolean {
    const pool = this.#pool
    const base = this.slot << FRAME_SHIFT
    for (let i = this.#depth - 2; i >= 0; i--) {
      const above = base + this.#nodes[i]
      if (pool.u8[above] !== PREFIX && ways(pool, above) !== 1) return false
    }
    return true
  }

  /**
   * Finds what hangs below all keys that start with the given bytes: a leaf, a node or a crossing, at {@link slot} and
   * {@link refOffset}. False when there are none.
   */
  findSubtree(key: Uint8Array, at: number, length: number): boolean {
    return this.#find(key, at, length, SUBTREE) === FOUND
  }

  /** Cuts off what {@link findSubtree} found, whose nodes take `bytes`; nothing else may have changed since. */
  cutSubtree(key: Uint8Array, at: number, length: number, bytes: number): void {
    const base = this.slot << FRAME_SHIFT
    const hangs = nodeAt(this.#pool, base, base + this.refOffset)
    const last = base + this.#nodes[this.#depth - 1]
    const others = hangs === last ? bytes - nodeSize(this.#pool, last) : bytes
    this.#cut(this.#pool.beginWrite(this.slot))
    this.#pool.abandon(this.slot << FRAME_SHIFT, others)
    this.#prune(key, at, length)
  }

  /** Removes the blobs on the path of the key that hold nothing any more. */
  #prune(key: Uint8Array, at: number, length: number): void {
    const pool = this.#pool
    while (this.#emptied && this.#find(key, at, length, EMPTY_BLOB) === FOUND) {
      const node = (this.slot << FRAME_SHIFT) + this.#nodes[this.#depth - 1]
      const blob = pool.u32[(node + BLOB_CHILD) >> 2]
      this.#cut(pool.beginWrite(this.slot))
      pool.freeBlob(blob)
    }
  }

  /** Copies the topmost sparse blob on the path of the key into its parent and frees it. Exclusive. */
  merge(key: Uint8Array, at: number, length: number): void {
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    if (this.#find(key, at, length, SPARSE_BLOB) !== FOUND) return
    const room = pool.room(this.slot << FRAME_SHIFT, SPILL_RESERVE)
    if (room < 2 * MERGE_BYTES) {
      if (room + u32[((this.slot << FRAME_SHIFT) + H_DEAD) >> 2] < 2 * MERGE_BYTES) return
      compact(pool, this.slot)
      this.#find(key, at, length, SPARSE_BLOB)
    }
    const nodeOffset = this.#nodes[this.#depth - 1]
    const refOffset = this.#refs[this.#depth - 1]
    const blob = u32[((this.slot << FRAME_SHIFT) + nodeOffset + BLOB_CHILD) >> 2]
    const slot = pool.beginWrite(this.slot)
    const base = slot << FRAME_SHIFT
    const crossing = base + nodeOffset
    const child = pool.fetch(blob) << FRAME_SHIFT
    const ref = cloneSubtree(pool, child, child + H_ROOT, base)
    const edge = makeEdge(pool, base, u8, crossing + BLOB_BYTES, u8[crossing + BLOB_LENGTH], ref)
    u16[(base + refOffset) >> 1] = edge
    pool.abandon(base, nodeSize(pool, crossing))
    pool.endWrite(slot)
    pool.freeBlob(blob)
    pool.count('merges')
  }

  /** Descends with a stack of the current frame's nodes; the last one on it is what was looked for. FOUND, MISSING, RETRY or EXCLUSIVE. */
  #find(key: Uint8Array, at: number, length: number, what: number): number {
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    const end = at + length
    if (this.#latch.isExclusive) pool.unpinAll()
    let slot = this.#fetch(ROOT_BLOB)
    this.slot = slot
    this.#version = Atomics.load(pool.version, slot)
    if ((this.#version & 1) !== 0) return RETRY
    let base = slot << FRAME_SHIFT
    let refAt = base + H_ROOT
    this.#depth = 0
    this.edgeLength = 0
    this.matched = 0
    for (;;) {
      const ref = u16[refAt >> 1]
      if (ref === 0) return MISSING
      const node = base + offsetOf(ref)
      this.refOffset = refAt - base
      this.#nodes[this.#depth] = node - base
      this.#refs[this.#depth++] = refAt - base
      const kind = u8[node]
      const run = kind === BLOB ? u8[node + BLOB_RUN] : 0
      if (what === SUBTREE && at === end && run === 0) return FOUND
      if (kind === LEAF) {
        if (what === EMPTY_BLOB || what === SPARSE_BLOB) return MISSING
        const suffix = u16[(node + LEAF_SUFFIX) >> 1]
        const rest = end - at
        if (suffix < rest || (what === EXACT && suffix !== rest)) return MISSING
        this.matched = rest
        const start = node + u16[(node + LEAF_KEY_START) >> 1]
        return commonLength(u8, start, key, at, rest) === rest ? FOUND : MISSING
      }
      if (kind === PREFIX || kind === BLOB) {
        const n = u8[node + PREFIX_LENGTH]
        if (n === 0 && kind === PREFIX) return this.#malformed()
        const bytes = node + (kind === BLOB ? BLOB_BYTES : PREFIX_BYTES)
        const shared = commonLength(u8, bytes, key, at, Math.min(n, end - at))
        if (shared < n) {
          if (what !== SUBTREE || shared !== end - at) return MISSING
          this.#endInsideEdge(node, bytes, shared, n)
          return FOUND
        }
        at += n - run
        if (kind === PREFIX) {
          refAt = node + PREFIX_CHILD
          continue
        }
        if (what === SUBTREE && at === end) {
          this.matched = n
          return FOUND
        }
        const blob = u32[(node + BLOB_CHILD) >> 2]
        if (!this.#unchanged()) return RETRY
        const child = this.#fetch(blob)
        if (child < 0) return child
        if (what === EMPTY_BLOB && u16[((child << FRAME_SHIFT) + H_ROOT) >> 1] === 0) return FOUND
        if (what === SPARSE_BLOB && run === 0 && isSparse(pool, child)) return FOUND
        if (this.#latch.isExclusive) {
          pool.unpinAll()
          pool.pin(child)
        }
        slot = child
        this.slot = slot
        this.#version = Atomics.load(pool.version, slot)
        if ((this.#version & 1) !== 0) return RETRY
        base = slot << FRAME_SHIFT
        refAt = base + H_ROOT
        this.#depth = 0
        continue
      }
      if (kind < NODE4 || kind > NODE256) return this.#malformed()
      if (at === end) refAt = node + INNER_TERMINAL
      else {
        refAt = findChild(pool, node, key[at++])
        if (refAt === 0) return MISSING
      }
    }
  }

  /** The slot of a blob; on the shared side EXCLUSIVE when it must be loaded. */
  #fetch(blob: number): number {
    const pool = this.#pool
    if (this.#latch.isExclusive) return pool.fetch(blob)
    const slot = blob < MAX_BLOBS ? Atomics.load(pool.slotOf, blob) - 1 : -1
    return slot < 0 ? EXCLUSIVE : slot
  }

  /** A node that no tree has: read from a frame that was being changed, else damage. */
  #malformed(): number {
    if (!this.#unchanged()) return RETRY
    throw new HoltError('HOLT_CORRUPT_FRAME', `blob ${this.#pool.blobOf[this.slot]} holds a malformed node`)
  }

  /** The key ends inside the edge of a Prefix or BlobNode: the subtree is what that edge leads to. */
  #endInsideEdge(node: number, bytes: number, shared: number, n: number): void {
    if (this.#pool.u8[node] === BLOB) {
      this.matched = shared
      return
    }
    this.edgeLength = n - shared
    copyBytes(this.#pool.u8, bytes + shared, this.edge, 0, n - shared)
    this.refOffset = node - (this.slot << FRAME_SHIFT) + PREFIX_CHILD
  }

  /** Cuts the last node of the stack from its frame, which is held for writing and let go of. */
  #cut(slot: number): void {
    const pool = this.#pool
    this.slot = slot
    const base = slot << FRAME_SHIFT
    const { u8, u16 } = pool
    let i = this.#depth - 1
    this.#emptied = false
    for (;;) {
      const node = base + this.#nodes[i]
      const refAt = base + this.#refs[i]
      if (i === 0) {
        u16[refAt >> 1] = 0
        pool.abandon(base, nodeSize(pool, node))
        this.#emptied = true
        break
      }
      const above = base + this.#nodes[i - 1]
      pool.abandon(base, nodeSize(pool, node))
      const run = isRun(pool, node) ? runOf(pool, above, refAt) : 1
      if (u8[above] === PREFIX || ways(pool, above) === run) {
        i--
        continue
      }
      if (refAt === above + INNER_TERMINAL) u16[refAt >> 1] = 0
      else this.#removeRun(base, base + this.#refs[i - 1], byteOf(pool, above, refAt), run)
      this.#collapse(base, i - 1)
      break
    }
    pool.endWrite(slot)
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
  #collapse(base: number, i: number): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    let refAt = base + this.#refs[i]
    const node = nodeAt(pool, base, refAt)
    const terminal = u16[(node + INNER_TERMINAL) >> 1]
    const children = childCount(pool, node)
    if (ways(pool, node) !== 1) return
    if (children === 0) {
      u16[refAt >> 1] = terminal
      pool.abandon(base, nodeSize(pool, node))
      return
    }
    const edge = this.edge
    let n = 0
    let dead = nodeSize(pool, node)
    const above = i > 0 ? base + this.#nodes[i - 1] : 0
    if (above !== 0 && u8[above] === PREFIX) {
      n = u8[above + PREFIX_LENGTH]
      copyBytes(u8, above + PREFIX_BYTES, edge, 0, n)
      refAt = base + this.#refs[i - 1]
      dead += nodeSize(pool, above)
    }
    const byte = nextChild(pool, node, 0)
    const childRefAt = findChild(pool, node, byte)
    const child = nodeAt(pool, base, childRefAt)
    edge[n++] = byte
    const ref = this.#lengthen(base, child, u16[childRefAt >> 1], n)
    if (ref === 0) return
    u16[refAt >> 1] = ref
    pool.abandon(base, dead)
  }

  /** Puts the first `n` bytes of `edge` in front of the node `child`; returns the new reference, 0 when no room. */
  #lengthen(base: number, child: number, childRef: number, n: number): number {
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
      if (pool.room(base, SPILL_RESERVE) < (isBlob ? crossingSize(n + more) : edgeSize(n + more))) return 0
      copyBytes(u8, child + (isBlob ? BLOB_BYTES : PREFIX_BYTES), edge, n, more)
      pool.abandon(base, nodeSize(pool, child))
      return isBlob
        ? makeCrossing(pool, base, edge, 0, n + more, u32[(child + BLOB_CHILD) >> 2])
        : makeEdge(pool, base, edge, 0, n + more, u16[(child + PREFIX_CHILD) >> 1])
    }
    if (pool.room(base, SPILL_RESERVE) < edgeSize(n)) return 0
    return makeEdge(pool, base, edge, 0, n, childRef)
  }
}

/** Whether the frame in `slot`, not the root's, holds so little that it is better merged into its parent. */
function isSparse(pool: Pool, slot: number): boolean {
  const base = slot << FRAME_SHIFT
  const live = pool.u32[(base + H_USED) >> 2] - DATA_START - pool.u32[(base + H_DEAD) >> 2]
  return live <= MERGE_BYTES && pool.blobOf[slot] !== ROOT_BLOB
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
function ways(pool: Pool, node: number): number {
  return childCount(pool, node) + (pool.u16[(node + INNER_TERMINAL) >> 1] === 0 ? 0 : 1)
}
