/**
 * The place of a scan in the tree: the path of bytes that is spelled, a stack of inner nodes over it, and the frames on
 * the way with the version that each had when it was entered. A frame is left or another one entered only while the one
 * at hand is unchanged (I3); only that one must be resident. What is read from it counts when {@link Walk.unchanged}
 * says so afterwards.
 */
import { FRAME_SHIFT, MAX_KEY } from '../../limits.ts'
import { H_BLOB, H_ROOT, offsetOf, ROOT_BLOB } from '../layout.ts'
import type { Pool } from '../pool.ts'
import { C_MOVES, C_RENAMES, C_TICK } from '../shared.ts'
import type { Residency } from './residency.ts'

/** Frames nest at most this deep, and paths are at most this long: beyond, what is read is not a tree. */
const MAX_FRAMES = 1024
export const MAX_DEPTH = 1 << 20

/** Bytes before the path in its buffer: it is read by words, which may begin before it. */
export const PATH_START = 4
/** Bytes of the buffer beside the path: it is read by four words at a time. */
const PATH_MARGIN = PATH_START + 16

/** Outcomes of {@link Walk.enter}. */
export const NO_NODE = 0
export const EMPTY = -1

export class Walk {
  readonly pool: Pool
  readonly residency: Residency

  /** The path, from {@link PATH_START} on, and a view that reads words of it at any place. */
  path = new Uint8Array(MAX_KEY + PATH_MARGIN)
  pathWords = new DataView(this.path.buffer)

  /** Inner nodes on the stack: position in the pool, where their iteration stands (see fill.ts), length of the path. */
  nodes = new Int32Array(256)
  next = new Int32Array(256)
  depths = new Int32Array(256)
  top = 0

  /** Frames on the stack: slot, version, the stack height at which each begins, the length of the path to it. */
  readonly #slots = new Int32Array(MAX_FRAMES)
  readonly #versions = new Int32Array(MAX_FRAMES)
  readonly #floors = new Int32Array(MAX_FRAMES)
  readonly #lengths = new Int32Array(MAX_FRAMES)
  /** Last byte of the run for a frame that was entered by a run crossing, whose tree spells that byte; else -1. */
  readonly #runs = new Int16Array(MAX_FRAMES)
  #frames = 0
  /** Counts of moves of subtrees, and of all renames, when the stack was built. */
  #moves = 0
  #renames = 0

  /** A node to visit before the stack goes on, 0: none; the length of the path to it; last byte of its run, if it has one. */
  pending = 0
  pendingDepth = 0
  run = 0
  /** What was read is not a tree: damage, unless the frame has changed meanwhile. */
  isMalformed = false

  constructor(pool: Pool, residency: Residency) {
    this.pool = pool
    this.residency = residency
  }

  /** Begins at the root: its node, EMPTY, or NO_NODE when the tree is being changed. */
  begin(): number {
    this.top = 0
    this.#frames = 0
    this.pending = 0
    this.isMalformed = false
    this.#renames = Atomics.load(this.pool.control, C_RENAMES)
    this.#moves = Atomics.load(this.pool.control, C_MOVES)
    return (this.#moves & 1) !== 0 ? NO_NODE : this.enter(ROOT_BLOB, 0, -1)
  }

  /** Whether the frame at hand is as it was when it was entered, and where it was; with none at hand, nothing was read. */
  unchanged(): boolean {
    const { version, control } = this.pool
    const frame = this.#frames - 1
    if (frame >= 0 && Atomics.load(version, this.#slots[frame]) !== this.#versions[frame]) return false
    return Atomics.load(control, C_MOVES) === this.#moves
  }

  /** Whether since {@link begin} a record may have been under neither of its names: then nothing found means nothing. */
  mayLack(): boolean {
    return (this.#renames & 1) !== 0 || Atomics.load(this.pool.control, C_RENAMES) !== this.#renames
  }

  /** Pool position of the frame at hand. */
  base(): number {
    return this.#slots[this.#frames - 1] << FRAME_SHIFT
  }

  /** The blob in the frame at hand. */
  blob(): number {
    return this.pool.u32[(this.base() + H_BLOB) >> 2]
  }

  /** Enters the frame of a blob; returns its root node, EMPTY, or NO_NODE when it is being changed or is no frame. */
  enter(blob: number, length: number, run: number): number {
    const { pool, residency } = this
    const frame = this.#frames
    if (frame === MAX_FRAMES) {
      this.isMalformed = true
      return NO_NODE
    }
    let slot = residency.slotOf(blob)
    if (slot < 0) {
      slot =
        frame === 0
          ? residency.fetchBelow(-1, 0, blob)
          : residency.fetchBelow(this.#slots[frame - 1], this.#versions[frame - 1], blob)
      if (slot < 0) return NO_NODE
    }
    const version = Atomics.load(pool.version, slot)
    if ((version & 1) !== 0 || !residency.holds(slot, blob) || !this.unchanged()) return NO_NODE
    const tick = pool.control[C_TICK]
    if (pool.touch[slot] !== tick) pool.touch[slot] = tick
    this.#slots[frame] = slot
    this.#versions[frame] = version
    this.#floors[frame] = this.top
    this.#lengths[frame] = length
    this.#runs[frame] = run
    this.#frames = frame + 1
    const base = slot << FRAME_SHIFT
    const ref = pool.u16[(base + H_ROOT) >> 1]
    return ref === 0 ? EMPTY : base + offsetOf(ref)
  }

  /** Whether the node on top of the stack is in a frame above the one at hand. */
  isFrameDone(): boolean {
    return this.#floors[this.#frames - 1] >= this.top
  }

  /**
   * Leaves the frames that have nothing on the stack and returns the length of the path below which all was visited,
   * or -1 when the frame at hand has changed. Where the path is deeper than the pool, seeking again must not need them.
   */
  leaveFrames(): number {
    if (!this.unchanged()) return -1
    while (this.isFrameDone()) this.#frames--
    let length = this.#lengths[this.#frames]
    const run = this.#runs[this.#frames]
    if (run >= 0) {
      this.reserve(length + 1)
      this.path[PATH_START + length++] = run
    }
    return length
  }

  push(node: number, next: number, depth: number): void {
    const { top } = this
    if (top === this.nodes.length) {
      this.nodes = doubled(this.nodes)
      this.next = doubled(this.next)
      this.depths = doubled(this.depths)
    }
    this.nodes[top] = node
    this.next[top] = next
    this.depths[top] = depth
    this.top = top + 1
  }

  /** Makes the path hold `length` bytes. */
  reserve(length: number): void {
    if (length + PATH_MARGIN <= this.path.length) return
    const wider = new Uint8Array(2 * length + PATH_MARGIN)
    wider.set(this.path)
    this.path = wider
    this.pathWords = new DataView(wider.buffer)
  }

  /** Appends edge bytes from the pool to a path of `depth` bytes; returns its new length. */
  spell(at: number, length: number, depth: number): number {
    this.reserve(depth + length)
    const { path, pool } = this
    for (let i = 0, to = PATH_START + depth; i < length; i++) path[to + i] = pool.u8[at + i]
    return depth + length
  }
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(2 * array.length)
  wider.set(array)
  return wider
}
