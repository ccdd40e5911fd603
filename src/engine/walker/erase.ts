/**
 * Removal of a record, or of the edge by which a subtree hangs (renamePrefix). A child blob that is left without keys
 * is cut from its parent and freed; one that is left with few is noted for the maintenance to merge (FrameSpace.abandon).
 *
 * A record can be removed on either side of the gate, as in `insert.ts`; a removal that leaves its frame without keys
 * frees a blob and so asks for the exclusive side. It begins at the route to the key's directory where one is known, unless
 * what must change may be above.
 */
import { HoltError } from '../../errors.ts'
import { FRAME_SHIFT, MAX_BLOBS, MAX_KEY, MAX_PREFIX } from '../../limits.ts'
import { EXCLUSIVE, type Latch, RETRY } from '../latch.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_RUN,
  H_ROOT,
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
  ROOT_BLOB,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { C_TICK } from '../shared.ts'
import { commonLength, copyBytes } from './bytes.ts'
import { Cut, ways } from './cut.ts'
import { ANY_VERSION, HELD_BACK } from './insert.ts'
import { findChild, leafValueLength, leafVersion, nodeAt, nodeSize } from './node.ts'
import { MAX_WAY, type RouteCache } from './route-cache.ts'
import { copyOut, sameBytes } from './words.ts'

/** Outcomes of a removal. */
export const NOT_THERE = 0
export const ERASED = 1

/** What {@link Erase.find} looks for. */
const EXACT = 0
const EMPTY_BLOB = 1
const SUBTREE = 2

const MISSING = 0
const FOUND = 1

/** On the shared side: how often a removal starts again before it asks for the gate. */
const MAX_ATTEMPTS = 64

export class Erase {
  /** Where a found subtree hangs: its frame, and the offset of the reference. */
  slot = 0
  refOffset = 0
  /** The bytes of a Prefix between the end of the key and the subtree. */
  readonly edge = new Uint8Array(2 * MAX_PREFIX + 1)
  edgeLength = 0
  /** How many bytes of the subtree's own suffix (leaf) or inline prefix (crossing) belong to the key. */
  matched = 0
  /** Length of the value that {@link delete} has taken. */
  takenLength = 0

  readonly #pool: Pool
  readonly #latch: Latch
  readonly #routes: RouteCache | undefined
  readonly #bytes: DataView
  /** The key, in memory of this object's own: four more bytes can be read behind it. */
  readonly #key = new Uint8Array(MAX_KEY + 4)
  readonly #keyBytes = new DataView(this.#key.buffer)
  #end = 0
  /** Whether the path begins at the node of a route: what is above it is not known. */
  #isRouted = false
  /** Version at which the frame in {@link slot} was entered. */
  #version = 0
  /** The way to what was found within its frame. */
  readonly #path: Cut
  /** Whether the last cut left its frame without keys. */
  #emptied = false

  constructor(pool: Pool, latch: Latch, routes?: RouteCache) {
    this.#pool = pool
    this.#latch = latch
    this.#routes = routes
    this.#bytes = new DataView(pool.u8.buffer)
    this.#path = new Cut(pool)
  }

  /**
   * Removes a key; with a `condition`, only when its record has that version. Returns NOT_THERE, ERASED or HELD_BACK;
   * on the shared side of the gate also EXCLUSIVE, nothing done. Copies the value to `taken`, which has room for any.
   */
  delete(key: Uint8Array, at: number, length: number, condition: number, taken?: Uint8Array): number {
    if (length > MAX_KEY) return NOT_THERE
    this.#take(key, at, length)
    let routes = this.#routes
    for (let attempt = 0; ; attempt++) {
      const outcome = this.#delete(condition, taken, routes)
      if (outcome >= 0) {
        if (routes !== undefined && routes.wanted >= 0 && outcome === ERASED) routes.keep(this.#keyBytes)
        return outcome
      }
      if (outcome !== RETRY || attempt === MAX_ATTEMPTS) return EXCLUSIVE
      routes = undefined
    }
  }

  #take(key: Uint8Array, at: number, length: number): void {
    copyBytes(key, at, this.#key, 0, length)
    this.#end = length
  }

  #delete(condition: number, taken: Uint8Array | undefined, routes: RouteCache | undefined): number {
    const found = this.#find(EXACT, routes)
    if (found < 0) return found
    if (found === MISSING) return this.#unchanged() ? NOT_THERE : RETRY
    if (condition !== ANY_VERSION && this.#recordVersion() !== condition) return this.#unchanged() ? HELD_BACK : RETRY
    if (this.#isRouted && !this.#endsBelowRoute()) return RETRY
    if (!this.#latch.isExclusive && this.#wouldEmpty()) return this.#unchanged() ? EXCLUSIVE : RETRY
    if (taken !== undefined) this.#copyValue(taken)
    const slot = this.#latch.begin(this.slot, this.#version)
    if (slot < 0) return slot
    this.#cut(slot)
    if (this.#emptied) this.#prune()
    return ERASED
  }

  /** Whether cutting the last node of the stack changes nothing at or above its first one. */
  #endsBelowRoute(): boolean {
    const pool = this.#pool
    const parent = this.#path.depth - 2
    if (parent < 1 || pool.parentOf[pool.blobOf[this.slot]] === 0) return false
    const above = (this.slot << FRAME_SHIFT) + this.#path.nodes[parent]
    if (pool.u8[above] < NODE4) return false
    const n = ways(pool, above)
    return n > 2 || (n === 2 && parent > 1)
  }

  #copyValue(target: Uint8Array): void {
    const pool = this.#pool
    const leaf = (this.slot << FRAME_SHIFT) + this.#path.nodes[this.#path.depth - 1]
    const value = leaf + pool.u16[(leaf + LEAF_KEY_START) >> 1] + pool.u16[(leaf + LEAF_SUFFIX) >> 1]
    this.takenLength = leafValueLength(pool, leaf)
    copyOut(pool.u8, this.#bytes, value, target, 0, this.takenLength)
  }

  #unchanged(): boolean {
    return Atomics.load(this.#pool.version, this.slot) === this.#version
  }

  /** Version of the record that was found. */
  #recordVersion(): number {
    const leaf = (this.slot << FRAME_SHIFT) + this.#path.nodes[this.#path.depth - 1]
    return leafVersion(this.#pool.u32, leaf)
  }

  /** Whether cutting the last node of the stack leaves its frame without keys. */
  #wouldEmpty(): boolean {
    const pool = this.#pool
    const base = this.slot << FRAME_SHIFT
    for (let i = this.#path.depth - 2; i >= 0; i--) {
      const above = base + this.#path.nodes[i]
      if (pool.u8[above] !== PREFIX && ways(pool, above) !== 1) return false
    }
    return true
  }

  /**
   * Finds what hangs below all keys that start with the given bytes: a leaf, a node or a crossing, at {@link slot} and
   * {@link refOffset}. False when there are none.
   */
  findSubtree(key: Uint8Array, at: number, length: number): boolean {
    if (length > MAX_KEY) return false
    this.#take(key, at, length)
    return this.#find(SUBTREE, undefined) === FOUND
  }

  /** Cuts off what {@link findSubtree} found last, whose nodes take `bytes`; nothing else may have changed since. */
  cutSubtree(bytes: number): void {
    const base = this.slot << FRAME_SHIFT
    const hangs = nodeAt(this.#pool, base, base + this.refOffset)
    const last = base + this.#path.nodes[this.#path.depth - 1]
    const others = hangs === last ? bytes - nodeSize(this.#pool, last) : bytes
    this.#cut(this.#pool.beginWrite(this.slot))
    this.#pool.space.abandon(this.slot << FRAME_SHIFT, others)
    this.#prune()
  }

  /** Removes the blobs on the path of the key that hold nothing any more. */
  #prune(): void {
    const pool = this.#pool
    while (this.#emptied && this.#find(EMPTY_BLOB, undefined) === FOUND) {
      const node = (this.slot << FRAME_SHIFT) + this.#path.nodes[this.#path.depth - 1]
      const blob = pool.u32[(node + BLOB_CHILD) >> 2]
      this.#cut(pool.beginWrite(this.slot))
      pool.freeBlob(blob)
    }
  }

  /**
   * Descends with a stack of the current frame's nodes; the last one on it is what was looked for. FOUND, MISSING, RETRY or
   * EXCLUSIVE. Long and flat on purpose, as `Insert`.
   */
  #find(what: number, routes: RouteCache | undefined): number {
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    const bytes = this.#bytes
    const key = this.#key
    const keyBytes = this.#keyBytes
    const path = this.#path
    const end = this.#end
    const isRouted = routes?.find(keyBytes, end) === true
    this.#isRouted = isRouted
    if (this.#latch.isExclusive) pool.slots.unpinAll()
    let slot = isRouted ? this.#fetchRouted(routes!.slot) : this.#fetch(ROOT_BLOB)
    this.slot = slot
    this.#version = isRouted ? routes!.version : Atomics.load(pool.version, slot)
    if ((this.#version & 1) !== 0) return RETRY
    let base = slot << FRAME_SHIFT
    let at = isRouted ? routes!.depth : 0
    let refAt = base + H_ROOT
    let ref = isRouted ? routes!.ref : u16[refAt >> 1]
    /** The way to note: nodes with no more bytes above them. */
    let way = isRouted || routes === undefined ? -1 : routes.wanted
    let isRun = false
    path.depth = 0
    this.edgeLength = 0
    this.matched = 0
    for (;;) {
      if (ref === 0) return MISSING
      const node = base + offsetOf(ref)
      this.refOffset = refAt - base
      path.nodes[path.depth] = node - base
      path.refs[path.depth++] = refAt - base
      const kind = u8[node]
      const run = kind === BLOB ? u8[node + BLOB_RUN] : 0
      if (what === SUBTREE && at === end && run === 0) return FOUND
      if (kind === LEAF) {
        if (what === EMPTY_BLOB) return MISSING
        const suffix = u16[(node + LEAF_SUFFIX) >> 1]
        const rest = end - at
        if (suffix < rest || (what === EXACT && suffix !== rest)) return MISSING
        this.matched = rest
        const start = node + u16[(node + LEAF_KEY_START) >> 1]
        return sameBytes(bytes, start, keyBytes, at, rest) ? FOUND : MISSING
      }
      if (at <= way) {
        // Behind a run crossing the byte that led there counts once more (see `lookup.ts`).
        if (isRun) isRun = false
        else routes!.note(slot, ref, at)
      }
      if (kind === PREFIX || kind === BLOB) {
        const n = u8[node + PREFIX_LENGTH]
        if (n === 0 && kind === PREFIX) return this.#malformed()
        const from = node + (kind === BLOB ? BLOB_BYTES : PREFIX_BYTES)
        if (n > end - at || !sameBytes(bytes, from, keyBytes, at, n)) {
          const shared = commonLength(u8, from, key, at, Math.min(n, end - at))
          if (what !== SUBTREE || shared !== end - at) return MISSING
          this.#endInsideEdge(node, from, shared, n)
          return FOUND
        }
        // The edge of a directory leads all its keys to the same node.
        if (at <= way && at + n <= MAX_WAY) way = Math.max(way, at + n)
        at += n - run
        isRun = run !== 0
        if (kind === PREFIX) {
          refAt = node + PREFIX_CHILD
          ref = u16[refAt >> 1]
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
        pool.parentOf[blob] = pool.blobOf[slot]
        if (what === EMPTY_BLOB && u16[((child << FRAME_SHIFT) + H_ROOT) >> 1] === 0) return FOUND
        if (this.#latch.isExclusive) {
          pool.slots.unpinAll()
          pool.slots.pin(child)
        }
        slot = child
        this.slot = slot
        this.#isRouted = false
        this.#version = Atomics.load(pool.version, slot)
        if ((this.#version & 1) !== 0) return RETRY
        base = slot << FRAME_SHIFT
        refAt = base + H_ROOT
        ref = u16[refAt >> 1]
        path.depth = 0
        continue
      }
      if (kind < NODE4 || kind > NODE256) return this.#malformed()
      if (at === end) refAt = node + INNER_TERMINAL
      else {
        refAt = findChild(pool, node, key[at++])
        if (refAt === 0) return MISSING
      }
      ref = u16[refAt >> 1]
    }
  }

  /** The slot of a route that was found, kept resident while it is at hand. */
  #fetchRouted(slot: number): number {
    const pool = this.#pool
    if (this.#latch.isExclusive) pool.slots.pin(slot)
    const tick = pool.control[C_TICK]
    if (pool.touch[slot] !== tick) pool.touch[slot] = tick
    return slot
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
    this.slot = slot
    this.#emptied = this.#path.cut(slot << FRAME_SHIFT)
    this.#pool.endWrite(slot, this.#path.keptShape)
  }
}
