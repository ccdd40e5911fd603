/**
 * Builds the subtree of sorted keys bottom-up: each node is written once, in its final kind and size, behind its
 * children. The nodes on the way to the last key stay open (`open-nodes.ts`); when the frame is full, the longest run of
 * finished siblings stays in it and the rest goes on in a new frame (`overflow.ts`).
 *
 * What is appended behind all keys of a frame is built in a copy of it: the way to its last key is opened again.
 *
 * Nothing refers to the blobs yet while they are built: no reader sees them before the caller hangs the last one, or puts
 * it in the place of the frame it was copied from.
 */
import { DATA_START, FRAME_SHIFT, FRAME_SIZE, SPILL_RESERVE } from '../../limits.ts'
import { copyFrameKey, noteFrameKey } from '../frame-key.ts'
import {
  H_BLOB,
  H_DEAD,
  H_LEAVES,
  H_ROOT,
  H_USED,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  leafSize,
  NODE256_SIZE,
  offsetOf,
  PREFIX,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  prefixSize,
  refOf,
} from '../layout.ts'
import { type ChunkReader, ENTRY_HEAD } from '../load-chunk.ts'
import type { Pool } from '../pool.ts'
import { copyBytes } from './bytes.ts'
import { cloneFrame, extent, measureSubtree } from './clone.ts'
import { edgeSize, makeEdge } from './edge.ts'
import { findChild, nextChild, nodeAt, nodeSize, runEnd } from './node.ts'
import { OpenNodes, SCATTERED } from './open-nodes.ts'
import { Overflow, WORTH_COMPACTING } from './overflow.ts'

/** Bytes of a frame that a load fills: what is loaded is seldom changed, but should not split at its first change. */
export const FILL = Math.floor((FRAME_SIZE - DATA_START) * 0.95)
/** A way deeper than this is not opened again: one spillover could leave too little room to close it. */
const MOST_OPENED = 48

export class Build {
  /** The last frame, whose root is the subtree: its slot, its live bytes. The blob is pinned. */
  slot = 0
  bytes = 0
  /** Length of the key at which the subtree hangs: the bytes that all keys share. */
  rootDepth = 0

  readonly #pool: Pool
  readonly #open: OpenNodes
  readonly #overflow: Overflow
  #chunk!: ChunkReader
  #key!: Uint8Array
  #seq = 0

  /** The root keeps its edge, from {@link rootDepth} on: the subtree hangs already. */
  #isAppending = false

  constructor(pool: Pool) {
    this.#pool = pool
    this.#open = new OpenNodes(pool)
    this.#overflow = new Overflow(pool, this.#open)
  }

  /**
   * Builds the entries `first` to `end - 1` of the chunk, which share `depth` bytes. `key` holds the first one's key and
   * afterwards that of the last one built. Returns the entry behind that: not `end` when the keys are so deep that a
   * frame cannot hold the way to them.
   */
  run(chunk: ChunkReader, key: Uint8Array, first: number, end: number, depth: number, seq: number): number {
    const pool = this.#pool
    this.#begin(chunk, key, depth, seq)
    pool.slots.unpinAll()
    this.slot = pool.createBlob()
    const next = this.#run(first, end)
    const base = this.slot << FRAME_SHIFT
    this.bytes = pool.u32[(base + H_USED) >> 2] - DATA_START - pool.u32[(base + H_DEAD) >> 2]
    return next
  }

  /**
   * As {@link run}, behind the keys of blob `blob`: its root is at `depth` bytes of the key, and the first key leaves the
   * way to its last one at an inner node. The blob gets the frame that was built last. Returns `first`, nothing done,
   * when the frame is better filled otherwise.
   */
  append(
    chunk: ChunkReader,
    key: Uint8Array,
    first: number,
    end: number,
    depth: number,
    blob: number,
    seq: number,
  ): number {
    const pool = this.#pool
    const open = this.#open
    this.#begin(chunk, key, depth, seq)
    this.#isAppending = true
    pool.slots.unpinAll()
    const source = pool.fetch(blob) << FRAME_SHIFT
    this.slot = pool.createBlob()
    this.#copyFrame(source, this.slot << FRAME_SHIFT)
    this.#openWay(this.slot << FRAME_SHIFT, depth)
    if (open.top > MOST_OPENED || !(this.#hasRoom(first) || open.chooseLevel(this.slot << FRAME_SHIFT, key) >= 0)) {
      pool.freeBlob(pool.blobOf[this.slot])
      return first
    }
    const next = this.#run(first, end)
    pool.slots.unpinAll()
    pool.slots.pin(this.slot)
    const old = pool.fetch(blob)
    // Freed, the slot keeps its bytes: they become the blob's.
    pool.freeBlob(pool.blobOf[this.slot])
    pool.u32[((this.slot << FRAME_SHIFT) + H_BLOB) >> 2] = blob
    pool.relocate(old, this.slot)
    pool.slots.pin(this.slot)
    pool.beginWrite(this.slot)
    pool.endWrite(this.slot)
    return next
  }

  #begin(chunk: ChunkReader, key: Uint8Array, depth: number, seq: number): void {
    this.#chunk = chunk
    this.#key = key
    this.#seq = seq
    this.#open.reset()
    this.#isAppending = false
    this.rootDepth = depth
  }

  /** Copies the tree of a frame; a plain one without many dead bytes as it is. */
  #copyFrame(from: number, to: number): void {
    const { u8, u16, u32 } = this.#pool
    const dead = u32[(from + H_DEAD) >> 2]
    if (dead > WORTH_COMPACTING || u32[(from + H_LEAVES) >> 2] !== 0) {
      cloneFrame(this.#pool, from, to)
      return
    }
    const used = u32[(from + H_USED) >> 2]
    copyFrameKey(this.#pool, from, to)
    u8.copyWithin(to + DATA_START, from + DATA_START, from + used)
    u32[(to + H_USED) >> 2] = used
    u32[(to + H_DEAD) >> 2] = dead
    u16[(to + H_ROOT) >> 1] = u16[(from + H_ROOT) >> 1]
  }

  /** Opens the nodes of the frame at `base` on the way of the key, down to the one where it leaves. */
  #openWay(base: number, at: number): void {
    const open = this.#open
    const pool = this.#pool
    const { u8, u16 } = pool
    for (let refAt = base + H_ROOT; refAt !== 0; ) {
      const node = nodeAt(pool, base, refAt)
      pool.space.abandon(base, nodeSize(pool, node))
      if (u8[node] === PREFIX) {
        at += u8[node + PREFIX_LENGTH]
        refAt = node + PREFIX_CHILD
        continue
      }
      open.open(at)
      if (u16[(node + INNER_TERMINAL) >> 1] !== 0) {
        open.terminals[open.top] = u16[(node + INNER_TERMINAL) >> 1]
        open.terminalBytes[open.top] = nodeSize(pool, nodeAt(pool, base, node + INNER_TERMINAL))
      }
      const way = this.#key[at++]
      for (let byte = nextChild(pool, node, 0); byte < way; byte = nextChild(pool, node, byte + 1)) {
        const child = findChild(pool, node, byte)
        const end = runEnd(pool, node, byte)
        const bytes = measureSubtree(pool, base, child)
        const start = extent.end - extent.start === bytes ? extent.start : SCATTERED
        open.set(open.count++, byte, end, u16[child >> 1], bytes, start, base)
        byte = end
      }
      refAt = findChild(pool, node, way)
    }
  }

  /** Builds the entries `first` to `end - 1` below the open nodes and closes them; returns the entry behind the last built. */
  #run(first: number, end: number): number {
    const open = this.#open
    const pool = this.#pool
    const chunk = this.#chunk
    const key = this.#key
    const depths = open.depths
    for (let i = first; ; i++) {
      if (i > first) chunk.advance(i, key)
      // The depth at which the next key leaves this one; -1: this is the last.
      let next = i + 1 < end ? chunk.shared[i + 1] : -1
      if (next >= 0 && !this.#fits(i)) {
        next = -1
        end = i + 1
      }
      if (open.top < 0 ? next >= 0 : next > depths[open.top]) open.open(next)
      this.#addLeaf(i)
      while (open.top >= 0 && next < depths[open.top]) this.#close(next)
      if (next < 0) break
    }
    noteFrameKey(pool, this.slot << FRAME_SHIFT, key, this.rootDepth)
    pool.beginWrite(this.slot)
    pool.endWrite(this.slot)
    return end
  }

  /** Writes the record of entry `i` below the top node, or as the root when there is none. */
  #addLeaf(i: number): void {
    const open = this.#open
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    const chunk = this.#chunk
    const { body } = chunk
    const rest = chunk.rest(i)
    const n = chunk.valueLength(i)
    const length = chunk.shared[i] + rest
    const depth = open.top < 0 ? this.rootDepth : open.depths[open.top]
    const isTerminal = open.top < 0 || depth === length
    const suffix = length - depth - (isTerminal ? 0 : 1)
    const size = leafSize(open.top < 0 ? length - depth : suffix, n)
    const base = this.slot << FRAME_SHIFT
    const offset = pool.space.allocate(base, size)
    const leaf = base + offset
    const words = leaf >> 2
    const suffixLength = open.top < 0 ? length - depth : suffix
    u32[words] = LEAF | ((n >>> 16) << 8) | (LEAF_HEAD << 16)
    u32[words + 1] = suffixLength | ((n & 0xffff) << 16)
    u32[words + 2] = this.#seq >>> 0
    u32[words + 3] = Math.floor(this.#seq / 4294967296)
    // The suffix begins behind what the key shares with the one before, so it is in the body, and the value follows it.
    copyBytes(body, chunk.at[i] + ENTRY_HEAD + rest - suffixLength, u8, leaf + LEAF_HEAD, suffixLength + n)
    const ref = refOf(offset)
    if (open.top < 0) u16[(base + H_ROOT) >> 1] = ref
    else if (isTerminal) {
      open.terminals[open.top] = ref
      open.terminalBytes[open.top] = size
    } else open.attach(this.#key[depth], ref, size, offset, base)
  }

  /** Writes the top node and hangs it below the one above, which it opens when the next key leaves between the two. */
  #close(next: number): void {
    const open = this.#open
    const pool = this.#pool
    const level = open.top
    const depth = open.depths[level]
    const first = open.firsts[level]
    const base = this.slot << FRAME_SHIFT
    const before = pool.u32[(base + H_USED) >> 2]
    let bytes = open.terminalBytes[level]
    let start = open.terminals[level] === 0 ? before : offsetOf(open.terminals[level])
    for (let i = first; i < open.count; i++) {
      bytes += open.bytes[i]
      if (open.starts[i] < start) start = open.starts[i]
    }
    let ref = open.makeNode(base, first, open.count, open.terminals[level])
    open.count = first
    open.top--
    const above = level > 0 ? open.depths[level - 1] : -1
    if (next < 0 && above < 0) {
      if (this.#isAppending) ref = makeEdge(pool, base, this.#key, this.rootDepth, depth - this.rootDepth, ref)
      else this.rootDepth = depth
      pool.u16[(base + H_ROOT) >> 1] = ref
      return
    }
    if (next > above) open.open(next)
    const hangs = open.depths[open.top]
    ref = makeEdge(pool, base, this.#key, hangs + 1, depth - hangs - 1, ref)
    const used = pool.u32[(base + H_USED) >> 2]
    bytes += used - before
    open.attach(this.#key[hangs], ref, bytes, start >= 0 && used - start === bytes ? start : SCATTERED, base)
  }

  /** Makes sure that entry `i`, the one behind it and then all open nodes can be written; false: they cannot. */
  #fits(i: number): boolean {
    while (!this.#hasRoom(i)) {
      const slot = this.#overflow.leaveRun(this.slot, this.#key)
      if (slot < 0) return false
      this.slot = slot
    }
    return true
  }

  #hasRoom(i: number): boolean {
    const chunk = this.#chunk
    const longer = Math.max(chunk.keyLength(i), chunk.keyLength(i + 1))
    const leaves = leafSize(chunk.rest(i), chunk.valueLength(i)) + leafSize(chunk.rest(i + 1), chunk.valueLength(i + 1))
    const used = this.#pool.u32[((this.slot << FRAME_SHIFT) + H_USED) >> 2] + leaves
    // Each open node, two that the next keys may open, and the edges between them: all bytes of the longer key at most.
    const toClose = (this.#open.top + 3) * (NODE256_SIZE + prefixSize(1)) + edgeSize(longer)
    return used <= DATA_START + FILL && used + toClose <= FRAME_SIZE - SPILL_RESERVE
  }
}
