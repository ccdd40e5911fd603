/**
 * Builds the subtree of sorted keys bottom-up: each node is written once, in its final kind and size, behind its
 * children. The nodes on the way to the last key stay open, as lists of finished children; when the frame is full, the
 * longest run of finished siblings stays in it as a blob of its own, and the rest goes on in a new frame. So frames are
 * filled to FILL, and what is in a blob is whole subtrees.
 *
 * What is appended behind all keys of a frame is built in a copy of it: the way to its last key is opened again.
 *
 * Nothing refers to the blobs yet while they are built: no reader sees them before the caller hangs the last one, or puts
 * it in the place of the frame it was copied from.
 */
import { DATA_START, FRAME_SHIFT, FRAME_SIZE, MAX_KEY, SPILL_RESERVE } from '../../limits.ts'
import {
  BLOB,
  BLOB_RUN,
  H_BLOB,
  H_DEAD,
  H_LEAVES,
  H_ROOT,
  H_USED,
  INNER_COUNT,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  leafSize,
  NODE4,
  NODE4_CHILDREN,
  NODE4_KEYS,
  NODE4_SIZE,
  NODE16,
  NODE16_CHILDREN,
  NODE16_KEYS,
  NODE16_SIZE,
  NODE48,
  NODE48_CHILDREN,
  NODE48_INDEX,
  NODE48_SIZE,
  NODE256,
  NODE256_CHILDREN,
  NODE256_SIZE,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  prefixSize,
  refOf,
} from '../layout.ts'
import { type ChunkReader, ENTRY_HEAD } from '../load-chunk.ts'
import type { Pool } from '../pool.ts'
import { copyBytes } from './bytes.ts'
import { cloneFrame, cloneSubtree, extent, MAX_NODES, measureSubtree } from './clone.ts'
import { edgeSize, makeCrossing, makeEdge } from './edge.ts'
import { shiftSubtree } from './move.ts'
import { findChild, nextChild, nodeAt, nodeSize, runEnd } from './node.ts'
import { compact } from './spillover.ts'

const CAPACITY = FRAME_SIZE - DATA_START
/** Bytes of a frame that a load fills: what is loaded is seldom changed, but should not split at its first change. */
export const FILL = Math.floor(CAPACITY * 0.95)
/** A run of siblings smaller than this is not worth a blob. */
export const LEAST_RUN = Math.floor(CAPACITY * 0.35)
/** Dead bytes in a finished blob that are worth a copy of it. */
const WORTH_COMPACTING = CAPACITY >> 5

/** Children of open nodes, all of one frame, and once more those of one node. */
const MAX_ENTRIES = MAX_NODES + 256

/** In the place of where a subtree begins: its nodes do not lie side by side. */
const SCATTERED = -1

/** A way deeper than this is not opened again: one spillover could leave too little room to close it. */
const MOST_OPENED = 48

const SLASH = 47

export class Build {
  /** The last frame, whose root is the subtree: its slot, its live bytes. The blob is pinned. */
  slot = 0
  bytes = 0
  /** Length of the key at which the subtree hangs: the bytes that all keys share. */
  rootDepth = 0

  readonly #pool: Pool
  #chunk!: ChunkReader
  #key!: Uint8Array
  #seq = 0

  /** Open nodes, the root first: depth, first entry, reference and bytes of the terminal. */
  readonly #depths = new Int32Array(MAX_KEY + 1)
  readonly #firsts = new Int32Array(MAX_KEY + 2)
  readonly #terminals = new Uint16Array(MAX_KEY + 1)
  readonly #terminalBytes = new Int32Array(MAX_KEY + 1)
  #top = -1
  /** The root keeps its edge, from {@link rootDepth} on: the subtree hangs already. */
  #isAppending = false

  /**
   * Finished children of the open nodes: the bytes they hang at, their reference and bytes, where in the frame they begin
   * (or SCATTERED), the frame's end behind them.
   */
  readonly #from = new Uint8Array(MAX_ENTRIES)
  readonly #to = new Uint8Array(MAX_ENTRIES)
  readonly #refs = new Uint16Array(MAX_ENTRIES)
  readonly #bytes = new Int32Array(MAX_ENTRIES)
  readonly #starts = new Int32Array(MAX_ENTRIES)
  readonly #ends = new Int32Array(MAX_ENTRIES)
  #entries = 0

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /**
   * Builds the entries `first` to `end - 1` of the chunk, which share `depth` bytes. `key` holds the first one's key and
   * afterwards that of the last one built. Returns the entry behind that: not `end` when the keys are so deep that a
   * frame cannot hold the way to them.
   */
  run(chunk: ChunkReader, key: Uint8Array, first: number, end: number, depth: number, seq: number): number {
    const pool = this.#pool
    this.#begin(chunk, key, depth, seq)
    pool.unpinAll()
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
    this.#begin(chunk, key, depth, seq)
    this.#isAppending = true
    pool.unpinAll()
    const source = pool.fetch(blob) << FRAME_SHIFT
    this.slot = pool.createBlob()
    this.#copyFrame(source, this.slot << FRAME_SHIFT)
    this.#openWay(this.slot << FRAME_SHIFT, depth)
    if (this.#top > MOST_OPENED || !(this.#hasRoom(first) || this.#chooseLevel() >= 0)) {
      pool.freeBlob(pool.blobOf[this.slot])
      return first
    }
    const next = this.#run(first, end)
    pool.unpinAll()
    pool.pin(this.slot)
    const old = pool.fetch(blob)
    // Freed, the slot keeps its bytes: they become the blob's.
    pool.freeBlob(pool.blobOf[this.slot])
    pool.u32[((this.slot << FRAME_SHIFT) + H_BLOB) >> 2] = blob
    pool.relocate(old, this.slot)
    pool.pin(this.slot)
    pool.beginWrite(this.slot)
    pool.endWrite(this.slot)
    return next
  }

  #begin(chunk: ChunkReader, key: Uint8Array, depth: number, seq: number): void {
    this.#chunk = chunk
    this.#key = key
    this.#seq = seq
    this.#top = -1
    this.#entries = 0
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
    u8.copyWithin(to + DATA_START, from + DATA_START, from + used)
    u32[(to + H_USED) >> 2] = used
    u32[(to + H_DEAD) >> 2] = dead
    u16[(to + H_ROOT) >> 1] = u16[(from + H_ROOT) >> 1]
  }

  /** Opens the nodes of the frame at `base` on the way of the key, down to the one where it leaves. */
  #openWay(base: number, at: number): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    for (let refAt = base + H_ROOT; refAt !== 0; ) {
      const node = nodeAt(pool, base, refAt)
      pool.abandon(base, nodeSize(pool, node))
      if (u8[node] === PREFIX) {
        at += u8[node + PREFIX_LENGTH]
        refAt = node + PREFIX_CHILD
        continue
      }
      this.#open(at)
      if (u16[(node + INNER_TERMINAL) >> 1] !== 0) {
        this.#terminals[this.#top] = u16[(node + INNER_TERMINAL) >> 1]
        this.#terminalBytes[this.#top] = nodeSize(pool, nodeAt(pool, base, node + INNER_TERMINAL))
      }
      const way = this.#key[at++]
      for (let byte = nextChild(pool, node, 0); byte < way; byte = nextChild(pool, node, byte + 1)) {
        const child = findChild(pool, node, byte)
        const end = runEnd(pool, node, byte)
        const bytes = measureSubtree(pool, base, child)
        const start = extent.end - extent.start === bytes ? extent.start : SCATTERED
        this.#set(this.#entries++, byte, end, u16[child >> 1], bytes, start, base)
        byte = end
      }
      refAt = findChild(pool, node, way)
    }
  }

  /** Builds the entries `first` to `end - 1` below the open nodes and closes them; returns the entry behind the last built. */
  #run(first: number, end: number): number {
    const pool = this.#pool
    const chunk = this.#chunk
    const key = this.#key
    const depths = this.#depths
    for (let i = first; ; i++) {
      if (i > first) chunk.advance(i, key)
      // The depth at which the next key leaves this one; -1: this is the last.
      let next = i + 1 < end ? chunk.shared[i + 1] : -1
      if (next >= 0 && !this.#fits(i)) {
        next = -1
        end = i + 1
      }
      if (this.#top < 0 ? next >= 0 : next > depths[this.#top]) this.#open(next)
      this.#addLeaf(i)
      while (this.#top >= 0 && next < depths[this.#top]) this.#close(next)
      if (next < 0) break
    }
    pool.beginWrite(this.slot)
    pool.endWrite(this.slot)
    return end
  }

  #open(depth: number): void {
    const level = ++this.#top
    this.#depths[level] = depth
    this.#firsts[level] = this.#entries
    this.#terminals[level] = 0
    this.#terminalBytes[level] = 0
  }

  /** Writes the record of entry `i` below the top node, or as the root when there is none. */
  #addLeaf(i: number): void {
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    const chunk = this.#chunk
    const { body } = chunk
    const rest = chunk.rest(i)
    const n = chunk.valueLength(i)
    const length = chunk.shared[i] + rest
    const depth = this.#top < 0 ? this.rootDepth : this.#depths[this.#top]
    const isTerminal = this.#top < 0 || depth === length
    const suffix = length - depth - (isTerminal ? 0 : 1)
    const size = leafSize(this.#top < 0 ? length - depth : suffix, n)
    const base = this.slot << FRAME_SHIFT
    const offset = pool.allocate(base, size)
    const leaf = base + offset
    const words = leaf >> 2
    const suffixLength = this.#top < 0 ? length - depth : suffix
    u32[words] = LEAF | ((n >>> 16) << 8) | (LEAF_HEAD << 16)
    u32[words + 1] = suffixLength | ((n & 0xffff) << 16)
    u32[words + 2] = this.#seq >>> 0
    u32[words + 3] = Math.floor(this.#seq / 4294967296)
    // The suffix begins behind what the key shares with the one before, so it is in the body, and the value follows it.
    copyBytes(body, chunk.at[i] + ENTRY_HEAD + rest - suffixLength, u8, leaf + LEAF_HEAD, suffixLength + n)
    const ref = refOf(offset)
    if (this.#top < 0) u16[(base + H_ROOT) >> 1] = ref
    else if (isTerminal) {
      this.#terminals[this.#top] = ref
      this.#terminalBytes[this.#top] = size
    } else this.#attach(this.#key[depth], ref, size, offset)
  }

  /** Adds a finished child to the top node. */
  #attach(byte: number, ref: number, bytes: number, start: number): void {
    this.#set(this.#entries++, byte, byte, ref, bytes, start, this.slot << FRAME_SHIFT)
  }

  /** Writes the top node and hangs it below the one above, which it opens when the next key leaves between the two. */
  #close(next: number): void {
    const pool = this.#pool
    const level = this.#top
    const depth = this.#depths[level]
    const first = this.#firsts[level]
    const base = this.slot << FRAME_SHIFT
    const before = pool.u32[(base + H_USED) >> 2]
    let bytes = this.#terminalBytes[level]
    let start = this.#terminals[level] === 0 ? before : offsetOf(this.#terminals[level])
    for (let i = first; i < this.#entries; i++) {
      bytes += this.#bytes[i]
      if (this.#starts[i] < start) start = this.#starts[i]
    }
    let ref = this.#makeNode(base, first, this.#entries, this.#terminals[level])
    this.#entries = first
    this.#top--
    const above = level > 0 ? this.#depths[level - 1] : -1
    if (next < 0 && above < 0) {
      if (this.#isAppending) ref = makeEdge(pool, base, this.#key, this.rootDepth, depth - this.rootDepth, ref)
      else this.rootDepth = depth
      pool.u16[(base + H_ROOT) >> 1] = ref
      return
    }
    if (next > above) this.#open(next)
    const hangs = this.#depths[this.#top]
    ref = makeEdge(pool, base, this.#key, hangs + 1, depth - hangs - 1, ref)
    const used = pool.u32[(base + H_USED) >> 2]
    bytes += used - before
    this.#attach(this.#key[hangs], ref, bytes, used - start === bytes ? start : SCATTERED)
  }

  /** Writes an inner node over the entries `first` to `end - 1`; returns its reference. */
  #makeNode(base: number, first: number, end: number, terminal: number): number {
    const pool = this.#pool
    const { u8, u16 } = pool
    let children = 0
    for (let i = first; i < end; i++) children += this.#to[i] - this.#from[i] + 1
    const kind = children <= 4 ? NODE4 : children <= 16 ? NODE16 : children <= 48 ? NODE48 : NODE256
    const size =
      kind === NODE4 ? NODE4_SIZE : kind === NODE16 ? NODE16_SIZE : kind === NODE48 ? NODE48_SIZE : NODE256_SIZE
    const node = base + pool.allocate(base, size)
    u8.fill(0, node, node + size)
    u8[node] = kind
    u8[node + INNER_COUNT] = children
    u16[(node + INNER_TERMINAL) >> 1] = terminal
    let n = 0
    for (let i = first; i < end; i++) {
      const ref = this.#refs[i]
      for (let byte = this.#from[i]; byte <= this.#to[i]; byte++, n++) {
        if (kind === NODE4) {
          u8[node + NODE4_KEYS + n] = byte
          u16[(node + NODE4_CHILDREN + n * 2) >> 1] = ref
        } else if (kind === NODE16) {
          u8[node + NODE16_KEYS + n] = byte
          u16[(node + NODE16_CHILDREN + n * 2) >> 1] = ref
        } else if (kind === NODE48) {
          u8[node + NODE48_INDEX + byte] = n + 1
          u16[(node + NODE48_CHILDREN + n * 2) >> 1] = ref
        } else u16[(node + NODE256_CHILDREN + byte * 2) >> 1] = ref
      }
    }
    return refOf(node - base)
  }

  /** Makes sure that entry `i`, the one behind it and then all open nodes can be written; false: they cannot. */
  #fits(i: number): boolean {
    while (!this.#hasRoom(i)) if (!this.#spill()) return false
    return true
  }

  #hasRoom(i: number): boolean {
    const chunk = this.#chunk
    const longer = Math.max(chunk.keyLength(i), chunk.keyLength(i + 1))
    const leaves = leafSize(chunk.rest(i), chunk.valueLength(i)) + leafSize(chunk.rest(i + 1), chunk.valueLength(i + 1))
    const used = this.#pool.u32[((this.slot << FRAME_SHIFT) + H_USED) >> 2] + leaves
    // Each open node, two that the next keys may open, and the edges between them: all bytes of the longer key at most.
    const open = (this.#top + 3) * (NODE256_SIZE + prefixSize(1)) + edgeSize(longer)
    return used <= DATA_START + FILL && used + open <= FRAME_SIZE - SPILL_RESERVE
  }

  /**
   * Leaves the best run of finished siblings in this frame, as a blob of their own, and takes the rest to a new frame,
   * where a crossing stands for them. False when no run is worth it.
   */
  #spill(): boolean {
    const level = this.#chooseLevel()
    if (level < 0) return false
    const pool = this.#pool
    const oldSlot = this.slot
    const old = oldSlot << FRAME_SHIFT
    const last = this.#endOf(level) - 1
    const first = this.#firstOfRun(level)
    const from = this.#from[first]
    const to = this.#to[last]
    const oldEnd = this.#ends[last]
    const newSlot = pool.createBlob()
    const base = newSlot << FRAME_SHIFT
    // The run's entries move behind all others: their places are taken while the rest moves up.
    const run = this.#entries
    const runEnd = run + last - first + 1
    let kept = 0
    for (let i = first; i <= last; i++) {
      this.#set(run + i - first, this.#from[i], this.#to[i], this.#refs[i], this.#bytes[i], this.#starts[i], old)
      kept += this.#bytes[i]
    }
    let moved = 0
    for (let l = 0; l <= this.#top; l++) {
      if (this.#terminals[l] !== 0) this.#terminals[l] = this.#copy(old, this.#terminals[l], base)
      const start = this.#firsts[l]
      const end = l === level ? first : l === this.#top ? run : this.#firsts[l + 1]
      this.#firsts[l] = moved
      for (let i = start; i < end; i++) {
        const at = pool.u32[(base + H_USED) >> 2]
        const ref = this.#moveEntry(i, old, base)
        this.#set(moved++, this.#from[i], this.#to[i], ref, pool.u32[(base + H_USED) >> 2] - at, at, base)
      }
      if (l !== level) continue
      const at = pool.u32[(base + H_USED) >> 2]
      const ref = this.#cross(oldSlot, run, runEnd, base)
      this.#set(moved++, from, to, ref, pool.u32[(base + H_USED) >> 2] - at, at, base)
    }
    this.#entries = moved
    this.slot = newSlot
    // What is behind the run in the old frame has been moved.
    if (this.#packRun(old, run, runEnd, kept)) pool.u32[(old + H_USED) >> 2] = DATA_START + kept
    else pool.u32[(old + H_USED) >> 2] = oldEnd
    pool.u32[(old + H_DEAD) >> 2] = pool.u32[(old + H_USED) >> 2] - DATA_START - kept
    this.#makeRoot(old, run, runEnd)
    pool.beginWrite(oldSlot)
    pool.endWrite(oldSlot)
    if (pool.u32[(old + H_DEAD) >> 2] > WORTH_COMPACTING) compact(pool, oldSlot)
    pool.unpinAll()
    pool.pin(newSlot)
    return true
  }

  /** Takes entry `i` from the frame at `from` to the end of that at `to`; returns its reference there. */
  #moveEntry(i: number, from: number, to: number): number {
    const start = this.#starts[i]
    if (start === SCATTERED) return this.#copy(from, this.#refs[i], to)
    const bytes = this.#bytes[i]
    const at = this.#pool.allocate(to, bytes)
    this.#pool.u8.copyWithin(to + at, from + start, from + start + bytes)
    return shiftSubtree(this.#pool, to, this.#refs[i], (at - start) >> 3)
  }

  /** Brings the run in `first` to `end - 1`, `bytes` in all, to the beginning of its frame; false: it does not lie side by side. */
  #packRun(base: number, first: number, end: number, bytes: number): boolean {
    const start = this.#starts[first]
    if (start === SCATTERED || this.#starts[end - 1] + this.#bytes[end - 1] - start !== bytes) return false
    for (let i = first, at = start; i < end; at += this.#bytes[i++]) if (this.#starts[i] !== at) return false
    this.#pool.u8.copyWithin(base + DATA_START, base + start, base + start + bytes)
    for (let i = first; i < end; i++) {
      this.#refs[i] = shiftSubtree(this.#pool, base, this.#refs[i], (DATA_START - start) >> 3)
    }
    return true
  }

  /** The open node with the most bytes in a run, if that is worth a blob; one behind a `/` is preferred. */
  #chooseLevel(): number {
    let best = -1
    let bestBytes = LEAST_RUN - 1
    for (let level = 0; level <= this.#top; level++) {
      let bytes = 0
      for (let i = this.#firstOfRun(level); i < this.#endOf(level); i++) bytes += this.#bytes[i]
      const depth = this.#depths[level]
      if (depth > 0 && this.#key[depth - 1] === SLASH && bytes >= LEAST_RUN) bytes *= 1.25
      if (bytes <= bestBytes) continue
      best = level
      bestBytes = bytes
    }
    return best
  }

  /** First of the finished children of an open node that follow its last crossing: only they may share a blob. */
  #firstOfRun(level: number): number {
    const { u8 } = this.#pool
    const base = this.slot << FRAME_SHIFT
    let i = this.#endOf(level)
    while (i > this.#firsts[level] && u8[base + offsetOf(this.#refs[i - 1])] !== BLOB) i--
    return i
  }

  #endOf(level: number): number {
    return level === this.#top ? this.#entries : this.#firsts[level + 1]
  }

  #copy(from: number, ref: number, to: number): number {
    const pool = this.#pool
    pool.u16[(from + H_ROOT) >> 1] = ref
    return cloneSubtree(pool, from, from + H_ROOT, to)
  }

  #set(i: number, from: number, to: number, ref: number, bytes: number, start: number, base: number): void {
    this.#from[i] = from
    this.#to[i] = to
    this.#refs[i] = ref
    this.#bytes[i] = bytes
    this.#starts[i] = start
    this.#ends[i] = this.#pool.u32[(base + H_USED) >> 2]
  }

  /** A crossing, in the frame at `base`, to the blob in `slot`, which is to hold the entries `first` to `end - 1`. */
  #cross(slot: number, first: number, end: number, base: number): number {
    const pool = this.#pool
    const { u8 } = pool
    const blob = pool.blobOf[slot]
    if (end - first === 1) {
      const child = (slot << FRAME_SHIFT) + offsetOf(this.#refs[first])
      return makeCrossing(pool, base, u8, child + PREFIX_BYTES, edgeOf(pool, child), blob)
    }
    const ref = makeCrossing(pool, base, u8, 0, 0, blob)
    u8[base + offsetOf(ref) + BLOB_RUN] = 1
    return ref
  }

  /** Makes the entries `first` to `end - 1` the tree of the frame at `base`. */
  #makeRoot(base: number, first: number, end: number): void {
    const pool = this.#pool
    const { u16 } = pool
    const child = base + offsetOf(this.#refs[first])
    const length = edgeOf(pool, child)
    if (end - first > 1) u16[(base + H_ROOT) >> 1] = this.#makeNode(base, first, end, 0)
    else if (length === 0) u16[(base + H_ROOT) >> 1] = this.#refs[first]
    else {
      u16[(base + H_ROOT) >> 1] = u16[(child + PREFIX_CHILD) >> 1]
      pool.abandon(base, prefixSize(length))
    }
  }
}

/** Bytes of a Prefix: they move into the crossing, so that a key that does not match never loads the blob. */
function edgeOf(pool: Pool, node: number): number {
  return pool.u8[node] === PREFIX ? pool.u8[node + PREFIX_LENGTH] : 0
}
