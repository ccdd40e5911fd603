/**
 * The nodes on the way to the last key of a subtree that is being built (`build.ts`): each has the children that are
 * finished by now. All are in one frame.
 */
import { DATA_START, FRAME_SIZE, MAX_KEY } from '../../limits.ts'
import {
  BLOB,
  H_USED,
  INNER_COUNT,
  INNER_TERMINAL,
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
  refOf,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { MAX_NODES } from './clone.ts'

/** A run of siblings smaller than this is not worth a blob. */
export const LEAST_RUN = Math.floor((FRAME_SIZE - DATA_START) * 0.35)

/** In the place of where a subtree begins: its nodes do not lie side by side. */
export const SCATTERED = -1

/** Children of open nodes, all of one frame, and once more those of one node. */
const MAX_ENTRIES = MAX_NODES + 256

const SLASH = 47

export class OpenNodes {
  /** Open nodes, the root first: depth, first entry, reference and bytes of the terminal. */
  readonly depths = new Int32Array(MAX_KEY + 1)
  readonly firsts = new Int32Array(MAX_KEY + 2)
  readonly terminals = new Uint16Array(MAX_KEY + 1)
  readonly terminalBytes = new Int32Array(MAX_KEY + 1)
  top = -1
  /**
   * Finished children of the open nodes: the bytes they hang at, their reference and bytes, where in the frame they begin
   * (or SCATTERED), the frame's end behind them.
   */
  readonly from = new Uint8Array(MAX_ENTRIES)
  readonly to = new Uint8Array(MAX_ENTRIES)
  readonly refs = new Uint16Array(MAX_ENTRIES)
  readonly bytes = new Int32Array(MAX_ENTRIES)
  readonly starts = new Int32Array(MAX_ENTRIES)
  readonly ends = new Int32Array(MAX_ENTRIES)
  count = 0

  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  reset(): void {
    this.top = -1
    this.count = 0
  }

  open(depth: number): void {
    const level = ++this.top
    this.depths[level] = depth
    this.firsts[level] = this.count
    this.terminals[level] = 0
    this.terminalBytes[level] = 0
  }

  /** Adds a finished child, at the end of the frame at `base`, to the top node. */
  attach(byte: number, ref: number, bytes: number, start: number, base: number): void {
    this.set(this.count++, byte, byte, ref, bytes, start, base)
  }

  set(i: number, from: number, to: number, ref: number, bytes: number, start: number, base: number): void {
    this.from[i] = from
    this.to[i] = to
    this.refs[i] = ref
    this.bytes[i] = bytes
    this.starts[i] = start
    this.ends[i] = this.#pool.u32[(base + H_USED) >> 2]
  }

  /** The open node with the most bytes in a run, if that is worth a blob; one behind a `/` is preferred. */
  chooseLevel(base: number, key: Uint8Array): number {
    let best = -1
    let bestBytes = LEAST_RUN - 1
    for (let level = 0; level <= this.top; level++) {
      let bytes = 0
      for (let i = this.firstOfRun(base, level); i < this.endOf(level); i++) bytes += this.bytes[i]
      const depth = this.depths[level]
      if (depth > 0 && key[depth - 1] === SLASH && bytes >= LEAST_RUN) bytes *= 1.25
      if (bytes <= bestBytes) continue
      best = level
      bestBytes = bytes
    }
    return best
  }

  /** First of the finished children of an open node that follow its last crossing: only they may share a blob. */
  firstOfRun(base: number, level: number): number {
    const { u8 } = this.#pool
    let i = this.endOf(level)
    while (i > this.firsts[level] && u8[base + offsetOf(this.refs[i - 1])] !== BLOB) i--
    return i
  }

  endOf(level: number): number {
    return level === this.top ? this.count : this.firsts[level + 1]
  }

  /** Writes an inner node over the entries `first` to `end - 1`; returns its reference. */
  makeNode(base: number, first: number, end: number, terminal: number): number {
    const pool = this.#pool
    const { u8, u16 } = pool
    let children = 0
    for (let i = first; i < end; i++) children += this.to[i] - this.from[i] + 1
    const kind = children <= 4 ? NODE4 : children <= 16 ? NODE16 : children <= 48 ? NODE48 : NODE256
    const size =
      kind === NODE4 ? NODE4_SIZE : kind === NODE16 ? NODE16_SIZE : kind === NODE48 ? NODE48_SIZE : NODE256_SIZE
    const node = base + pool.space.allocate(base, size)
    u8.fill(0, node, node + size)
    u8[node] = kind
    u8[node + INNER_COUNT] = children
    u16[(node + INNER_TERMINAL) >> 1] = terminal
    let n = 0
    for (let i = first; i < end; i++) {
      const ref = this.refs[i]
      for (let byte = this.from[i]; byte <= this.to[i]; byte++, n++) {
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
}
