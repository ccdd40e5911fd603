/**
 * Entries that a scan has read in one go from one frame, in private memory: they are handed out only after the frame
 * was seen unchanged. Bytes are copied by words: an entry begins where its suffix and value get the alignment that they
 * have in the pool, so key and value may have up to three bytes before and behind them that mean nothing.
 */
import { MAX_VALUE, POOL_PADDING } from '../../limits.ts'
import { LEAF_HEAD, LEAF_KEY_START, LEAF_SUFFIX, LEAF_VALUE, LEAF_VALUE_HIGH } from '../layout.ts'
import type { Pool } from '../pool.ts'
import { leafVersion } from './node.ts'
import { PATH_START } from './walk.ts'

/** Most entries, and bytes up to which entries are added; a larger one is alone. */
export const MAX_ENTRIES = 128
const BYTES = 16 * 1024

/** Bytes that adding an entry may write beside its key and value. */
const SLACK = 32

/** Outcomes of {@link BatchOfEntries.addLeaf}. */
export const ADDED = 1
export const NO_ROOM = 0
export const MALFORMED = -1

export class BatchOfEntries {
  bytes = new Uint8Array(BYTES)
  count = 0
  /** Bytes used, a multiple of 4. */
  used = 0
  readonly keyAt = new Int32Array(MAX_ENTRIES)
  readonly keyLength = new Int32Array(MAX_ENTRIES)
  /** -1 for a rolled-up prefix. */
  readonly valueLength = new Int32Array(MAX_ENTRIES)
  readonly version = new Float64Array(MAX_ENTRIES)

  readonly #u8: Uint8Array
  readonly #u16: Uint16Array
  readonly #u32: Uint32Array
  readonly #poolWords: Int32Array
  #words = new Int32Array(this.bytes.buffer)

  constructor(pool: Pool) {
    this.#u8 = pool.u8
    this.#u16 = pool.u16
    this.#u32 = pool.u32
    this.#poolWords = new Int32Array(pool.u8.buffer)
  }

  clear(): void {
    this.count = 0
    this.used = 0
  }

  /**
   * Adds the record of the leaf at `leaf`. Its key is `depth` bytes of the path, then `byte` unless that is negative,
   * then the leaf's suffix. (The path is read by words, and a byte just stored to it would stall them.)
   */
  addLeaf(path: DataView, depth: number, byte: number, leaf: number, keysOnly: boolean): number {
    const u16 = this.#u16
    const start = u16[(leaf + LEAF_KEY_START) >> 1]
    const suffix = u16[(leaf + LEAF_SUFFIX) >> 1]
    const valueLength = u16[(leaf + LEAF_VALUE) >> 1] | (this.#u8[leaf + LEAF_VALUE_HIGH] << 16)
    const size = keysOnly ? suffix : suffix + valueLength
    if (start < LEAF_HEAD || valueLength > MAX_VALUE || start + size + SLACK > POOL_PADDING) return MALFORMED
    const above = byte < 0 ? depth : depth + 1
    if (this.used + above + size + SLACK > this.bytes.length && !this.#widen(above + size)) return NO_ROOM
    const from = leaf + start
    const shift = (from - above) & 3
    const keyAt = this.used + shift
    this.#copyPath(path, depth, shift)
    if (byte >= 0) this.bytes[keyAt + depth] = byte
    if (size > 0) this.#copyFromPool(from, from + size, keyAt + above)
    const i = this.count++
    this.keyAt[i] = keyAt
    this.keyLength[i] = above + suffix
    this.valueLength[i] = keysOnly ? 0 : valueLength
    this.version[i] = leafVersion(this.#u32, leaf)
    this.used = (keyAt + above + size + 3) & ~3
    return ADDED
  }

  /** Adds the first `length` bytes of the path as a rolled-up prefix; false when there is no room. */
  addPrefix(path: DataView, length: number): boolean {
    if (this.used + length + SLACK > this.bytes.length && !this.#widen(length)) return false
    this.#copyPath(path, length, 0)
    const i = this.count++
    this.keyAt[i] = this.used
    this.keyLength[i] = length
    this.valueLength[i] = -1
    this.version[i] = 0
    this.used = (this.used + length + 3) & ~3
    return true
  }

  /** Makes room for an entry that is alone; one that is not waits for the next batch. */
  #widen(size: number): boolean {
    if (this.count > 0) return false
    this.bytes = new Uint8Array((size + SLACK + BYTES) & ~3)
    this.#words = new Int32Array(this.bytes.buffer)
    return true
  }

  /** Copies the first `length` bytes of the path to `shift` bytes behind `used`, and up to 15 more. */
  #copyPath(path: DataView, length: number, shift: number): void {
    const words = this.#words
    const end = PATH_START + length
    for (let at = PATH_START - shift, to = this.used >> 2; at < end; at += 16, to += 4) {
      words[to] = path.getInt32(at, true)
      words[to + 1] = path.getInt32(at + 4, true)
      words[to + 2] = path.getInt32(at + 8, true)
      words[to + 3] = path.getInt32(at + 12, true)
    }
  }

  /** Copies the pool's bytes up to `end`, and up to 15 more, to a place of the same alignment. */
  #copyFromPool(from: number, end: number, to: number): void {
    while ((from & 3) !== 0) this.bytes[to++] = this.#u8[from++]
    const words = this.#words
    const poolWords = this.#poolWords
    const last = (end + 3) >> 2
    for (let at = from >> 2, i = to >> 2; at < last; at += 4, i += 4) {
      words[i] = poolWords[at]
      words[i + 1] = poolWords[at + 1]
      words[i + 2] = poolWords[at + 2]
      words[i + 3] = poolWords[at + 3]
    }
  }
}
