/**
 * Insertion of an item (item.ts): a record, or a whole subtree that renamePrefix hangs under a new name. On either side of the gate: the
 * descent is optimistic, and the latch of the frame that changes proves that what was read of it still holds. On the
 * shared side the way to that frame cannot change; it was read from frames that were seen unchanged (I3).
 *
 * Like a lookup, a put begins at the route to its key's directory where one is known, and compares by words.
 *
 * Nothing is changed before the frame is known to have room for the worst case; when it has not, room is made and the
 * descent starts again, which takes the exclusive side.
 */
import { HoltError } from '../../errors.ts'
import { FRAME_SHIFT, MAX_BLOBS, MAX_PREFIX, SPILL_RESERVE } from '../../limits.ts'
import { EXCLUSIVE, type Latch, RETRY } from '../latch.ts'
import {
  align8,
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  BLOB_RUN,
  blobSize,
  H_ROOT,
  INNER_TERMINAL,
  LEAF,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  NODE4,
  NODE4_SIZE,
  NODE256,
  NODE256_SIZE,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  prefixSize,
  ROOT_BLOB,
  refOf,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { C_TICK } from '../shared.ts'
import { commonLength } from './bytes.ts'
import { edgeSize, makeCrossing, makeEdge } from './edge.ts'
import { COPY, CROSSING, Item, RECORD } from './item.ts'
import { addChild, findChild, isFull, leafVersion, newNode4, nodeSize } from './node.ts'
import { MAX_WAY, type RouteCache } from './route-cache.ts'
import { makeRoom } from './spillover.ts'
import { sameBytes } from './words.ts'

/** Outcomes of an insertion. */
export const REPLACED = 0
export const INSERTED = 1
/** The record does not have the version that the caller made a condition. */
export const HELD_BACK = 2

/** For {@link Insert.put}: no condition. */
export const ANY_VERSION = -1

/** In the place of a reference's position: the node is that of a route, and it is not known by which one it hangs. */
const UNKNOWN = 0

/** On the shared side: how often a change starts again before it asks for the gate. */
const MAX_ATTEMPTS = 64

export class Insert {
  readonly #pool: Pool
  readonly #latch: Latch
  readonly #routes: RouteCache | undefined
  readonly #i32: Int32Array
  readonly #bytes: DataView
  readonly #item: Item
  #condition = ANY_VERSION

  constructor(pool: Pool, latch: Latch, routes?: RouteCache) {
    this.#pool = pool
    this.#latch = latch
    this.#routes = routes
    this.#i32 = new Int32Array(pool.u8.buffer)
    this.#bytes = new DataView(pool.u8.buffer)
    this.#item = new Item(pool)
  }

  /**
   * Inserts or replaces a record. With a `condition`, only when the record has that version now; 0: when it is absent.
   * Returns REPLACED, INSERTED or HELD_BACK; on the shared side of the gate also EXCLUSIVE, nothing done.
   */
  put(
    key: Uint8Array,
    at: number,
    length: number,
    value: Uint8Array,
    valueAt: number,
    valueLength: number,
    version: number,
    condition: number,
  ): number {
    this.#condition = condition
    this.#item.setKey(key, at, length)
    this.#item.setRecord(value, valueAt, valueLength, version)
    return this.#run()
  }

  /** Hangs blob `blob` at a key below which nothing exists. */
  hangBlob(key: Uint8Array, at: number, length: number, blob: number): void {
    this.#condition = ANY_VERSION
    this.#item.setKey(key, at, length)
    this.#item.setGraft(CROSSING, blob, 0)
    this.#run()
  }

  /** Hangs a copy of the tree in the frame at `base`, `size` bytes packed, at a key below which nothing exists. */
  hangCopy(key: Uint8Array, at: number, length: number, base: number, size: number): void {
    this.#condition = ANY_VERSION
    this.#item.setKey(key, at, length)
    this.#item.setGraft(COPY, base, size)
    this.#run()
  }

  #run(): number {
    let routes = this.#item.kind === RECORD ? this.#routes : undefined
    for (let attempt = 0; ; attempt++) {
      const outcome = this.#descend(routes)
      if (outcome >= 0) {
        if (routes !== undefined && routes.wanted >= 0) routes.keep(this.#item.keyBytes)
        return outcome
      }
      if (outcome !== RETRY) return outcome
      // Room was made or the frame moved; on the shared side, somebody else changed it. Or the route was too short.
      routes = undefined
      if (!this.#latch.isExclusive && attempt === MAX_ATTEMPTS) return EXCLUSIVE
    }
  }

  /** The slot of a blob; on the shared side EXCLUSIVE when it must be loaded. */
  #fetch(blob: number): number {
    const pool = this.#pool
    if (!this.#latch.isExclusive) {
      const slot = blob < MAX_BLOBS ? Atomics.load(pool.slotOf, blob) - 1 : -1
      return slot < 0 ? EXCLUSIVE : slot
    }
    // Only the frame at hand must stay resident, and the one that a subtree is copied from.
    pool.slots.unpinAll()
    if (this.#item.kind === COPY) pool.slots.pin(this.#item.graft >> FRAME_SHIFT)
    return pool.fetch(blob)
  }

  #unchanged(slot: number, version: number): boolean {
    return Atomics.load(this.#pool.version, slot) === version
  }

  /** A node that no tree has: read from a frame that was being changed, else damage. */
  #malformed(slot: number, version: number): number {
    if (!this.#unchanged(slot, version)) return RETRY
    throw new HoltError('HOLT_CORRUPT_FRAME', `blob ${this.#pool.blobOf[slot]} holds a malformed node`)
  }

  /** The slot of the route that was found. */
  #fetchRouted(slot: number): number {
    const pool = this.#pool
    if (this.#latch.isExclusive) {
      pool.slots.unpinAll()
      pool.slots.pin(slot)
    }
    const tick = pool.control[C_TICK]
    if (pool.touch[slot] !== tick) pool.touch[slot] = tick
    return slot
  }

  /** One descent, long and flat on purpose. */
  #descend(routes: RouteCache | undefined): number {
    const pool = this.#pool
    const { u8, u16 } = pool
    const i32 = this.#i32
    const bytes = this.#bytes
    const { key, keyBytes, end } = this.#item
    let at = 0
    let slot = 0
    let version = 0
    let base = 0
    let refAt = UNKNOWN
    let ref = 0
    /** The way to note: nodes with no more bytes above them. */
    let way = -1
    let isRun = false
    if (routes?.find(keyBytes, end)) {
      slot = this.#fetchRouted(routes.slot)
      version = routes.version
      base = slot << FRAME_SHIFT
      ref = routes.ref
      at = routes.depth
    } else {
      slot = this.#fetch(ROOT_BLOB)
      version = Atomics.load(pool.version, slot)
      if ((version & 1) !== 0) return RETRY
      base = slot << FRAME_SHIFT
      refAt = base + H_ROOT
      ref = u16[refAt >> 1]
      if (routes !== undefined) way = routes.wanted
    }
    for (;;) {
      if (ref === 0) return this.#fillEmpty(slot, version, refAt - base, at)
      const node = base + offsetOf(ref)
      const head = i32[node >> 2]
      const kind = head & 255
      if (kind === LEAF) {
        const suffix = u16[(node + LEAF_SUFFIX) >> 1]
        const start = node + (head >>> 16)
        if (suffix === end - at && sameBytes(bytes, start, keyBytes, at, suffix)) {
          return this.#replace(slot, version, refAt - base, node - base)
        }
        if (refAt === UNKNOWN) return RETRY
        const shared = commonLength(u8, start, key, at, Math.min(suffix, end - at))
        // Torn, it may be the same by now.
        if (shared === suffix && shared === end - at) return RETRY
        return this.#splitLeaf(slot, version, refAt - base, node - base, at, shared)
      }
      if (at <= way) {
        // Behind a run crossing the byte that led there counts once more (see `lookup.ts`).
        if (isRun) isRun = false
        else routes!.note(slot, ref, at)
      }
      if (kind === PREFIX || kind === BLOB) {
        const n = (head >>> 8) & 255
        if (kind === PREFIX && n === 0) return this.#malformed(slot, version)
        const from = node + (kind === BLOB ? BLOB_BYTES : PREFIX_BYTES)
        if (n > end - at || !sameBytes(bytes, from, keyBytes, at, n)) {
          if (refAt === UNKNOWN) return RETRY
          const shared = commonLength(u8, from, key, at, Math.min(n, end - at))
          if (shared === n) return RETRY
          return this.#splitEdge(slot, version, refAt - base, node - base, at, shared)
        }
        // The edge of a directory leads all its keys to the same node.
        if (at <= way && at + n <= MAX_WAY) way = Math.max(way, at + n)
        at += n
        if (kind === PREFIX) {
          refAt = node + PREFIX_CHILD
          ref = head >>> 16
          continue
        }
        isRun = u8[node + BLOB_RUN] !== 0
        if (isRun) at--
        const blob = i32[(node + BLOB_CHILD) >> 2] >>> 0
        if (!this.#unchanged(slot, version)) return RETRY
        slot = this.#fetch(blob)
        if (slot < 0) return slot
        version = Atomics.load(pool.version, slot)
        if ((version & 1) !== 0) return RETRY
        base = slot << FRAME_SHIFT
        refAt = base + H_ROOT
      } else {
        if (kind < NODE4 || kind > NODE256) return this.#malformed(slot, version)
        if (at === end) {
          refAt = node + INNER_TERMINAL
          if (head >>> 16 === 0) return this.#fillEmpty(slot, version, refAt - base, at)
        } else {
          const child = findChild(pool, node, key[at])
          if (child === 0) {
            if (refAt === UNKNOWN && isFull(pool, node)) return RETRY
            return this.#addBranch(slot, version, refAt - base, node - base, at)
          }
          at++
          refAt = child
        }
      }
      ref = u16[refAt >> 1]
    }
  }

  /**
   * Latches the frame when the item, hung below `at`, and `more` bytes of nodes fit; returns the slot where it is now.
   * Else makes room: RETRY; on the shared side EXCLUSIVE.
   */
  #latchFor(slot: number, version: number, at: number, more: number): number {
    const need = more + this.#item.size(at)
    if (this.#pool.space.room(slot << FRAME_SHIFT, SPILL_RESERVE) >= need) return this.#latch.begin(slot, version)
    if (!this.#latch.isExclusive) return this.#unchanged(slot, version) ? EXCLUSIVE : RETRY
    makeRoom(this.#pool, slot, need)
    return RETRY
  }

  /** What to answer where the key is new, unless it is to be inserted. */
  #absent(slot: number, version: number): number {
    return this.#unchanged(slot, version) ? HELD_BACK : RETRY
  }

  #fillEmpty(slot: number, version: number, refOffset: number, at: number): number {
    if (this.#condition > 0) return this.#absent(slot, version)
    const pool = this.#pool
    slot = this.#latchFor(slot, version, at, 0)
    if (slot < 0) return slot
    const base = slot << FRAME_SHIFT
    pool.u16[(base + refOffset) >> 1] = this.#item.place(base, at)
    this.#latch.end(slot, true)
    return INSERTED
  }

  #replace(slot: number, version: number, refOffset: number, leafOffset: number): number {
    const pool = this.#pool
    const { u16, u32 } = pool
    if (this.#item.kind !== RECORD) throw new Error('a subtree is hung where a key is')
    const leaf = (slot << FRAME_SHIFT) + leafOffset
    if (this.#condition !== ANY_VERSION && leafVersion(u32, leaf) !== this.#condition) {
      return this.#unchanged(slot, version) ? HELD_BACK : RETRY
    }
    const start = u16[(leaf + LEAF_KEY_START) >> 1]
    const suffix = u16[(leaf + LEAF_SUFFIX) >> 1]
    const old = nodeSize(pool, leaf)
    const size = align8(start + suffix + this.#item.valueLength)
    const inPlace = size <= old
    slot = inPlace ? this.#latch.begin(slot, version) : this.#latchFor(slot, version, this.#item.end - suffix, 0)
    if (slot < 0) return slot
    const base = slot << FRAME_SHIFT
    if (inPlace) {
      this.#item.writeValue(base + leafOffset, base + leafOffset + start + suffix)
      if (size < old) pool.space.abandon(base, old - size)
    } else {
      u16[(base + refOffset) >> 1] = this.#item.place(base, this.#item.end - suffix)
      pool.space.abandon(base, old)
    }
    this.#latch.end(slot, true)
    return REPLACED
  }

  /** The key leaves the leaf's suffix after `shared` bytes: a Node4 there holds both. */
  #splitLeaf(slot: number, version: number, refOffset: number, leafOffset: number, at: number, shared: number): number {
    if (this.#condition > 0) return this.#absent(slot, version)
    const pool = this.#pool
    const { u8, u16 } = pool
    slot = this.#latchFor(slot, version, at + shared, edgeSize(shared) + NODE4_SIZE)
    if (slot < 0) return slot
    const base = slot << FRAME_SHIFT
    const leaf = base + leafOffset
    const leafRef = u16[(base + refOffset) >> 1]
    const node = newNode4(pool, base)
    const suffix = u16[(leaf + LEAF_SUFFIX) >> 1]
    const start = u16[(leaf + LEAF_KEY_START) >> 1]
    if (suffix === shared) {
      u16[(node + INNER_TERMINAL) >> 1] = leafRef
      advanceLeaf(pool, leaf, shared)
    } else {
      const byte = u8[leaf + start + shared]
      advanceLeaf(pool, leaf, shared + 1)
      addChild(pool, base, node, 0, byte, leafRef)
    }
    this.#branch(base, node, at + shared)
    u16[(base + refOffset) >> 1] = makeEdge(pool, base, this.#item.key, at, shared, refOf(node - base))
    this.#latch.end(slot, true)
    return INSERTED
  }

  /** The key leaves the edge of a Prefix or BlobNode after `shared` bytes: a Node4 there holds the rest of it and the item. */
  #splitEdge(slot: number, version: number, refOffset: number, edgeOffset: number, at: number, shared: number): number {
    if (this.#condition > 0) return this.#absent(slot, version)
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    slot = this.#latchFor(slot, version, at + shared, edgeSize(shared) + NODE4_SIZE + blobSize(MAX_PREFIX))
    if (slot < 0) return slot
    const base = slot << FRAME_SHIFT
    const edge = base + edgeOffset
    const isBlob = u8[edge] === BLOB
    const bytes = edge + (isBlob ? BLOB_BYTES : PREFIX_BYTES)
    const rest = u8[edge + (isBlob ? BLOB_LENGTH : PREFIX_LENGTH)] - shared - 1
    const below = isBlob
      ? makeCrossing(pool, base, u8, bytes + shared + 1, rest, u32[(edge + BLOB_CHILD) >> 2])
      : makeEdge(pool, base, u8, bytes + shared + 1, rest, u16[(edge + PREFIX_CHILD) >> 1])
    const node = newNode4(pool, base)
    addChild(pool, base, node, 0, u8[bytes + shared], below)
    this.#branch(base, node, at + shared)
    u16[(base + refOffset) >> 1] = makeEdge(pool, base, this.#item.key, at, shared, refOf(node - base))
    pool.space.abandon(base, isBlob ? blobSize(rest + shared + 1) : prefixSize(rest + shared + 1))
    this.#latch.end(slot)
    return INSERTED
  }

  /** Puts the item into a fresh Node4: as its terminal when the key ends there, else as a child. */
  #branch(base: number, node: number, at: number): void {
    const { u16 } = this.#pool
    if (at === this.#item.end) {
      if (this.#item.kind !== RECORD) throw new Error('a subtree is hung where keys are')
      u16[(node + INNER_TERMINAL) >> 1] = this.#item.place(base, at)
    } else {
      addChild(this.#pool, base, node, 0, this.#item.key[at], this.#item.place(base, at + 1))
    }
  }

  #addBranch(slot: number, version: number, refOffset: number, nodeOffset: number, at: number): number {
    if (this.#condition > 0) return this.#absent(slot, version)
    const pool = this.#pool
    slot = this.#latchFor(slot, version, at + 1, NODE256_SIZE)
    if (slot < 0) return slot
    const base = slot << FRAME_SHIFT
    const ref = this.#item.place(base, at + 1)
    const keepsShape = !isFull(pool, base + nodeOffset)
    addChild(pool, base, base + nodeOffset, base + refOffset, this.#item.key[at], ref)
    this.#latch.end(slot, keepsShape)
    return INSERTED
  }
}

/** Takes `n` bytes off the front of a leaf's suffix: they are spelled by the nodes above it from now on. */
export function advanceLeaf(pool: Pool, leaf: number, n: number): void {
  pool.u16[(leaf + LEAF_KEY_START) >> 1] += n
  pool.u16[(leaf + LEAF_SUFFIX) >> 1] -= n
}
