/**
 * Forward range scan without locks: keys in byte order below a prefix, rolled up at a delimiter, streaming in constant
 * memory. The cursor keeps its place as a stack of nodes and, for each frame on it, the version it saw. What was read
 * from a frame counts only when that frame is seen unchanged afterwards: before its child is entered, before it is left,
 * before an entry from it is handed out; and the path to a frame only while no subtree was renamed. Else the cursor
 * seeks again from the last key it handed out. So every entry was in the tree at the moment it was read, and none that
 * stays is missed; the scan as a whole is not a snapshot. Only the frame at hand must be resident, so a pool of few
 * frames serves a tree of any depth.
 */
import { HoltError } from '../../errors.ts'
import { FRAME_SHIFT, MAX_KEY, MAX_VALUE } from '../../limits.ts'
import type { Gate } from '../gate.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  BLOB_RUN,
  H_ROOT,
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
import { C_RENAMES, C_TICK } from '../shared.ts'
import { compareBytes, copyBytes } from './bytes.ts'
import { findChild, isRun, leafValueLength, nextChild, runEnd } from './node.ts'
import { LiveResidency, type Residency } from './residency.ts'

/** From where a seek goes on, relative to the key it is given. */
const AT_OR_AFTER = 0
const AFTER = 1
const AFTER_ALL_BELOW = 2

/** Outcomes of a step. */
const ENTRY = 1
const END = 0
const CONFLICT = -1

/** Frames nest at most this deep, and paths are at most this long: beyond, what is read is not a tree. */
const MAX_FRAMES = 1024
const MAX_DEPTH = 1 << 20

export class Cursor {
  /** The entry: its key; whether it stands for all keys below a rolled-up prefix; its value and version if not. */
  key: Uint8Array = new Uint8Array(MAX_KEY)
  keyLength = 0
  isPrefix = false
  readonly value = new Uint8Array(MAX_VALUE)
  valueLength = 0
  version = 0

  readonly #pool: Pool
  readonly #gate: Gate
  readonly #residency: Residency
  #prefix: Uint8Array = new Uint8Array(MAX_KEY)
  #prefixLength = 0
  #delimiter = -1
  #rollup = false
  #keysOnly = false

  /** Where to seek again: the last key handed out. */
  #last: Uint8Array = new Uint8Array(MAX_KEY)
  #lastLength = 0
  #mode = AT_OR_AFTER
  #placed = false
  #done = true

  /** The path being spelled, and the stack over it: inner node (pool index), next byte to visit (-1: terminal), depth. */
  #path: Uint8Array = new Uint8Array(MAX_KEY)
  #nodes = new Int32Array(MAX_KEY)
  #next = new Int32Array(MAX_KEY)
  #depths = new Int32Array(MAX_KEY)
  #top = 0
  /** Frames on the stack: slot, version, the stack height at which each begins. */
  readonly #slots = new Int32Array(MAX_FRAMES)
  readonly #versions = new Int32Array(MAX_FRAMES)
  readonly #floors = new Int32Array(MAX_FRAMES)
  /** Length of the path that leads to each frame. */
  readonly #entries = new Int32Array(MAX_FRAMES)
  /** 1 for a frame that was entered by a run crossing: its tree spells the byte of that run. */
  readonly #runs = new Uint8Array(MAX_FRAMES)
  #frames = 0
  /** Count of subtree renames when the stack was built. */
  #renames = 0
  /** A subtree to visit first: reference position 0 = none. */
  #pending = 0
  #pendingDepth = 0
  #malformed = false

  constructor(pool: Pool, gate: Gate, residency: Residency = new LiveResidency(pool, gate)) {
    this.#pool = pool
    this.#gate = gate
    this.#residency = residency
  }

  /**
   * Positions before the first key that starts with `prefix` and is greater than `after` (`afterLength` 0: before the
   * first). With a `delimiter` byte (else -1), keys that contain it beyond the prefix are rolled up to one entry that
   * ends with it, or with `rollup` false are skipped; neither walks what lies below. An `after` inside a rolled-up
   * prefix skips the whole of it.
   */
  seek(
    prefix: Uint8Array,
    prefixLength: number,
    after: Uint8Array,
    afterLength: number,
    delimiter = -1,
    rollup = true,
    keysOnly = false,
  ): void {
    this.#prefix = holding(this.#prefix, prefix, prefixLength)
    this.#prefixLength = prefixLength
    this.#delimiter = delimiter
    this.#rollup = rollup
    this.#keysOnly = keysOnly
    this.#placed = false
    this.#done = false
    if (afterLength === 0 || compareBytes(after, 0, afterLength, prefix, 0, prefixLength) < 0) {
      this.#remember(prefix, prefixLength, AT_OR_AFTER)
      return
    }
    // A key behind all that the prefix covers: nothing follows.
    this.#done = afterLength < prefixLength || compareBytes(after, 0, prefixLength, prefix, 0, prefixLength) !== 0
    let mode = AFTER
    if (delimiter >= 0) {
      for (let i = prefixLength; i < afterLength; i++) {
        if (after[i] !== delimiter) continue
        afterLength = i + 1
        mode = AFTER_ALL_BELOW
        break
      }
    }
    this.#remember(after, afterLength, mode)
  }

  /** Goes to the next entry; false at the end. */
  next(): boolean {
    for (let attempt = 0; !this.#done; attempt++) {
      let outcome = this.#placed ? ENTRY : this.#place()
      if (outcome === ENTRY) {
        this.#placed = true
        outcome = this.#step()
      }
      if (outcome !== CONFLICT && this.#unchanged() && this.#renames === this.#pool.control[C_RENAMES]) {
        if (outcome === ENTRY) {
          this.#remember(this.key, this.keyLength, this.isPrefix ? AFTER_ALL_BELOW : AFTER)
          return true
        }
        this.#done = true
        return false
      }
      this.#recover(attempt)
    }
    return false
  }

  #remember(key: Uint8Array, length: number, mode: number): void {
    this.#last = holding(this.#last, key, length)
    this.#lastLength = length
    this.#mode = mode
  }

  /** After a conflict the cursor seeks again; one that writers overtake again and again waits for them at the gate. */
  #recover(attempt: number): void {
    this.#placed = false
    if (this.#malformed && this.#unchanged()) {
      const blob = this.#pool.blobOf[this.#slots[this.#frames - 1]]
      throw new HoltError('HOLT_CORRUPT_FRAME', `blob ${blob} holds a malformed node`)
    }
    this.#malformed = false
    this.#pool.count('readRestarts')
    if (attempt > 64) this.#gate.leave(this.#gate.enter())
  }

  /** Whether the frame at hand is as it was when it was entered; with none at hand, nothing was read. */
  #unchanged(): boolean {
    const top = this.#frames - 1
    return top < 0 || Atomics.load(this.#pool.version, this.#slots[top]) === this.#versions[top]
  }

  #damaged(): number {
    this.#malformed = true
    return CONFLICT
  }

  // --- descending ---

  /** Enters the frame of a blob; returns the position of its root reference, or 0 when it is being changed. */
  #enter(blob: number, depth: number, run: number): number {
    const pool = this.#pool
    const residency = this.#residency
    let slot = residency.slotOf(blob)
    if (slot < 0) {
      const parent = this.#frames - 1
      slot =
        parent < 0
          ? residency.fetchBelow(-1, 0, blob)
          : residency.fetchBelow(this.#slots[parent], this.#versions[parent], blob)
      if (slot < 0) return 0
    }
    const version = Atomics.load(pool.version, slot)
    if ((version & 1) !== 0 || !residency.holds(slot, blob) || !this.#unchanged()) return 0
    if (this.#frames === MAX_FRAMES) {
      this.#malformed = true
      return 0
    }
    const tick = pool.control[C_TICK]
    if (pool.touch[slot] !== tick) pool.touch[slot] = tick
    this.#slots[this.#frames] = slot
    this.#versions[this.#frames] = version
    this.#entries[this.#frames] = depth
    this.#runs[this.#frames] = run
    this.#floors[this.#frames++] = this.#top
    return (slot << FRAME_SHIFT) + H_ROOT
  }

  #push(node: number, next: number, depth: number): void {
    const top = this.#top
    if (top === this.#nodes.length) {
      this.#nodes = doubled(this.#nodes)
      this.#next = doubled(this.#next)
      this.#depths = doubled(this.#depths)
    }
    this.#nodes[top] = node
    this.#next[top] = next
    this.#depths[top] = depth
    this.#top = top + 1
  }

  /** Position of the node that the reference at `refAt` of the frame at hand names. */
  #nodeOf(refAt: number): number {
    return this.#base() + offsetOf(this.#pool.u16[refAt >> 1])
  }

  #base(): number {
    return this.#slots[this.#frames - 1] << FRAME_SHIFT
  }

  /** Makes the path hold `length` bytes. */
  #reserve(length: number): void {
    if (length <= this.#path.length) return
    const wider = new Uint8Array(2 * length)
    wider.set(this.#path)
    this.#path = wider
  }

  /** Appends edge bytes from the pool to the path; returns the new depth. */
  #spell(at: number, length: number, depth: number): number {
    this.#reserve(depth + length)
    copyBytes(this.#pool.u8, at, this.#path, depth, length)
    return depth + length
  }

  /** Stacks up the way to the last key; what comes after it is what {@link #step} finds. */
  #place(): number {
    const { u8, u16, u32 } = this.#pool
    const goal = this.#last
    const goalLength = this.#lastLength
    this.#top = 0
    this.#frames = 0
    this.#pending = 0
    this.#renames = Atomics.load(this.#pool.control, C_RENAMES)
    if ((this.#renames & 1) !== 0) return CONFLICT
    let refAt = this.#enter(ROOT_BLOB, 0, 0)
    let depth = 0
    for (;;) {
      if (depth > MAX_DEPTH || this.#top > MAX_DEPTH) return this.#damaged()
      if (refAt === 0) return CONFLICT
      const ref = u16[refAt >> 1]
      if (ref === 0) return ENTRY
      const node = this.#base() + offsetOf(ref)
      const kind = u8[node]
      if (depth === goalLength && this.#mode === AT_OR_AFTER) return this.#visitLater(refAt, depth)
      if (depth === goalLength && this.#mode === AFTER_ALL_BELOW) return ENTRY
      if (kind === LEAF) {
        const start = node + u16[(node + LEAF_KEY_START) >> 1]
        const suffix = u16[(node + LEAF_SUFFIX) >> 1]
        const order = compareBytes(u8, start, suffix, goal, depth, goalLength - depth)
        const below = this.#isBelowGoal(start, suffix, depth)
        const wanted =
          this.#mode === AFTER_ALL_BELOW ? order > 0 && !below : this.#mode === AFTER ? order > 0 : order >= 0
        return wanted ? this.#visitLater(refAt, depth) : ENTRY
      }
      if (kind === PREFIX || kind === BLOB) {
        const n = u8[node + (kind === BLOB ? BLOB_LENGTH : PREFIX_LENGTH)]
        const bytes = node + (kind === BLOB ? BLOB_BYTES : PREFIX_BYTES)
        if (n === 0 && kind === PREFIX) return this.#damaged()
        const rest = goalLength - depth
        const order = compareBytes(u8, bytes, Math.min(n, rest), goal, depth, Math.min(n, rest))
        if (order < 0) return ENTRY
        if (order > 0) return this.#visitLater(refAt, depth)
        if (n > rest) return this.#mode === AFTER_ALL_BELOW ? ENTRY : this.#visitLater(refAt, depth)
        depth = this.#spell(bytes, n, depth)
        if (depth === goalLength && this.#mode === AFTER_ALL_BELOW) return ENTRY
        refAt =
          kind === BLOB ? this.#enter(u32[(node + BLOB_CHILD) >> 2], depth, u8[node + BLOB_RUN]) : node + PREFIX_CHILD
        continue
      }
      if (kind < NODE4 || kind > NODE256) return this.#damaged()
      if (depth === goalLength) {
        // AFTER a key that ends here: its children follow.
        this.#push(node, 0, depth)
        return ENTRY
      }
      const byte = goal[depth]
      refAt = findChild(this.#pool, node, byte)
      const end = refAt === 0 ? byte : runEnd(this.#pool, node, byte)
      this.#push(node, end + 1, depth)
      if (refAt === 0) return ENTRY
      if (isRun(this.#pool, this.#nodeOf(refAt))) {
        // The child spells the byte; when all up to the end of the run is done with, it is not needed.
        if (byte === end && depth + 1 === goalLength && this.#mode === AFTER_ALL_BELOW) return ENTRY
        continue
      }
      this.#reserve(depth + 1)
      this.#path[depth++] = byte
    }
  }

  #isBelowGoal(at: number, length: number, depth: number): boolean {
    const rest = this.#lastLength - depth
    return length >= rest && compareBytes(this.#pool.u8, at, rest, this.#last, depth, rest) === 0
  }

  #visitLater(refAt: number, depth: number): number {
    this.#pending = refAt
    this.#pendingDepth = depth
    return ENTRY
  }

  /** Finds the next entry from where the stack stands. */
  #step(): number {
    if (this.#pending !== 0) {
      const refAt = this.#pending
      this.#pending = 0
      const outcome = this.#visit(refAt, this.#pendingDepth)
      if (outcome !== SKIPPED) return outcome
    }
    const { u16 } = this.#pool
    while (this.#top > 0) {
      const top = this.#top - 1
      if (!this.#leaveFrames(top)) return CONFLICT
      const node = this.#nodes[top]
      const depth = this.#depths[top]
      let outcome = SKIPPED
      if (this.#next[top] < 0) {
        this.#next[top] = 0
        if (u16[(node + INNER_TERMINAL) >> 1] !== 0) outcome = this.#visit(node + INNER_TERMINAL, depth)
      } else {
        const byte = nextChild(this.#pool, node, this.#next[top])
        if (byte > 255) {
          if (!this.#unchanged()) return CONFLICT
          this.#top = top
          continue
        }
        const child = findChild(this.#pool, node, byte)
        if (child !== 0 && isRun(this.#pool, this.#nodeOf(child))) {
          this.#next[top] = runEnd(this.#pool, node, byte) + 1
          outcome = this.#visit(child, depth)
        } else {
          this.#next[top] = byte + 1
          this.#path[depth] = byte
          outcome = this.#bound(depth, depth + 1)
          if (outcome === INSIDE) outcome = this.#visit(child, depth + 1)
        }
      }
      if (outcome !== SKIPPED) return outcome
    }
    return END
  }

  /**
   * Leaves the frames that have nothing on the stack at or below index `top`; false when the last of them changed. They
   * are done with, which is worth remembering: where the path is deeper than the pool, seeking again must not need them.
   */
  #leaveFrames(top: number): boolean {
    let frames = this.#frames
    while (this.#floors[frames - 1] > top) frames--
    if (frames === this.#frames) return true
    if (!this.#unchanged()) return false
    let length = this.#entries[frames]
    if (this.#runs[frames] === 1) {
      this.#reserve(length + 1)
      this.#path[length++] = this.#next[this.#floors[frames] - 1] - 1
    }
    this.#remember(this.#path, length, AFTER_ALL_BELOW)
    this.#frames = frames
    return true
  }

  /** Walks down to the first leaf below `refAt`, or to where a delimiter rolls it up. */
  #visit(refAt: number, depth: number): number {
    const { u8, u16, u32 } = this.#pool
    for (;;) {
      if (depth > MAX_DEPTH || this.#top > MAX_DEPTH) return this.#damaged()
      if (refAt === 0) return CONFLICT
      const ref = u16[refAt >> 1]
      if (ref === 0) return this.#unchanged() ? SKIPPED : CONFLICT
      const node = this.#base() + offsetOf(ref)
      const kind = u8[node]
      if (kind === LEAF) {
        const start = u16[(node + LEAF_KEY_START) >> 1]
        if (start < LEAF_HEAD) return this.#damaged()
        const suffix = u16[(node + LEAF_SUFFIX) >> 1]
        const end = this.#spell(node + start, suffix, depth)
        const outcome = this.#bound(depth, end)
        return outcome === INSIDE ? this.#emitLeaf(node, start + suffix, end) : outcome
      }
      if (kind === PREFIX || kind === BLOB) {
        const isBlob = kind === BLOB
        const n = u8[node + (isBlob ? BLOB_LENGTH : PREFIX_LENGTH)]
        if (n === 0 && !isBlob) return this.#damaged()
        const end = this.#spell(node + (isBlob ? BLOB_BYTES : PREFIX_BYTES), n, depth)
        const outcome = this.#bound(depth, end)
        if (outcome !== INSIDE) return outcome
        depth = end
        refAt = isBlob ? this.#enter(u32[(node + BLOB_CHILD) >> 2], depth, u8[node + BLOB_RUN]) : node + PREFIX_CHILD
        continue
      }
      if (kind < NODE4 || kind > NODE256) return this.#damaged()
      this.#reserve(depth + 1)
      if (u16[(node + INNER_TERMINAL) >> 1] !== 0) {
        this.#push(node, 0, depth)
        refAt = node + INNER_TERMINAL
        continue
      }
      const byte = nextChild(this.#pool, node, 0)
      if (byte > 255) return this.#damaged()
      refAt = findChild(this.#pool, node, byte)
      if (refAt !== 0 && isRun(this.#pool, this.#nodeOf(refAt))) {
        this.#push(node, runEnd(this.#pool, node, byte) + 1, depth)
        continue
      }
      this.#push(node, byte + 1, depth)
      this.#path[depth] = byte
      const outcome = this.#bound(depth, depth + 1)
      if (outcome !== INSIDE) return outcome
      depth++
    }
  }

  /** Judges the path bytes from `from` to `to`: outside the prefix, rolled up by the delimiter, or to be walked. */
  #bound(from: number, to: number): number {
    const path = this.#path
    const prefix = this.#prefix
    const n = Math.min(to, this.#prefixLength)
    for (let i = from; i < n; i++) {
      if (path[i] !== prefix[i]) return path[i] < prefix[i] ? SKIPPED : END
    }
    if (this.#delimiter < 0) return INSIDE
    for (let i = Math.max(from, this.#prefixLength); i < to; i++) {
      if (path[i] !== this.#delimiter) continue
      if (!this.#rollup) return SKIPPED
      this.#emitKey(i + 1)
      this.isPrefix = true
      this.valueLength = 0
      return ENTRY
    }
    return INSIDE
  }

  #emitKey(length: number): void {
    this.key = holding(this.key, this.#path, length)
    this.keyLength = length
  }

  #emitLeaf(node: number, valueOffset: number, keyLength: number): number {
    if (keyLength < this.#prefixLength) return SKIPPED
    const { u32 } = this.#pool
    this.#emitKey(keyLength)
    this.isPrefix = false
    this.valueLength = leafValueLength(this.#pool, node)
    if (this.valueLength > MAX_VALUE) return this.#damaged()
    if (!this.#keysOnly) copyBytes(this.#pool.u8, node + valueOffset, this.value, 0, this.valueLength)
    const stamp = (node + LEAF_VERSION) >> 2
    this.version = u32[stamp] + u32[stamp + 1] * 4294967296
    return ENTRY
  }
}

/** Outcomes of a part of a step, beside ENTRY, END and CONFLICT: nothing here, go on; in range, walk it. */
const SKIPPED = 2
const INSIDE = 3

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(2 * array.length)
  wider.set(array)
  return wider
}

/** Copies `bytes` into `buffer`, or into a wider one when it does not fit; returns the one used. */
function holding(buffer: Uint8Array, bytes: Uint8Array, length: number): Uint8Array {
  const target = length > buffer.length ? new Uint8Array(2 * length) : buffer
  copyBytes(bytes, 0, target, 0, length)
  return target
}
