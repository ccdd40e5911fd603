/**
 * The body of a load record: records in ascending key order, each key without what it shares with the one before. Like
 * a batch it is encoded once and applied from the bytes that are logged.
 *
 * An entry is: shared length u16, rest length u16, value length u32, rest of the key, value. The first shares nothing.
 */
import { HoltError } from '../errors.ts'
import { MAX_KEY, MAX_RECORD, MAX_VALUE } from '../limits.ts'
import { copyBytes } from './walker/bytes.ts'

/** WAL record type of a load chunk. */
export const RECORD_LOAD = 2

/** Bytes before the rest of the key of an entry. */
export const ENTRY_HEAD = 8

export class LoadChunk {
  bytes = new Uint8Array(64 * 1024)
  length = 0
  count = 0
  /** The last key added. */
  readonly #last = new Uint8Array(MAX_KEY)
  #lastLength = 0

  reset(): void {
    this.length = 0
    this.count = 0
  }

  /** Appends a record; false, and nothing is appended, when its key is not greater than the last key, also of an earlier chunk. */
  add(key: Uint8Array, value: Uint8Array, isFirst: boolean): boolean {
    const last = this.#last
    const keyLength = key.length
    const most = Math.min(keyLength, this.#lastLength)
    let shared = 0
    while (shared < most && key[shared] === last[shared]) shared++
    if (!isFirst && (shared === keyLength || (shared < most && key[shared] < last[shared]))) return false
    for (let i = shared; i < keyLength; i++) last[i] = key[i]
    this.#lastLength = keyLength
    if (this.count === 0) shared = 0

    const at = this.length
    const rest = keyLength - shared
    const valueLength = value.length
    const end = at + ENTRY_HEAD + rest + valueLength
    if (end > this.bytes.length) this.#grow(end)
    const { bytes } = this
    bytes[at] = shared
    bytes[at + 1] = shared >>> 8
    bytes[at + 2] = rest
    bytes[at + 3] = rest >>> 8
    bytes[at + 4] = valueLength
    bytes[at + 5] = valueLength >>> 8
    bytes[at + 6] = valueLength >>> 16
    bytes[at + 7] = 0
    copyBytes(key, shared, bytes, at + ENTRY_HEAD, rest)
    copyBytes(value, 0, bytes, at + ENTRY_HEAD + rest, valueLength)
    this.length = end
    this.count++
    return true
  }

  #grow(needed: number): void {
    const wider = new Uint8Array(Math.min(MAX_RECORD, Math.max(needed, 2 * this.bytes.length)))
    wider.set(this.bytes.subarray(0, this.length))
    this.bytes = wider
  }
}

/** The entries of a chunk by number. Reused from chunk to chunk. */
export class ChunkReader {
  body: Uint8Array = new Uint8Array(0)
  count = 0
  /** Bytes of the longest key. */
  longest = 0
  /** Of each entry: offset in the body, bytes of the key shared with the entry before. */
  at = new Int32Array(1024)
  shared = new Int32Array(1024)

  /** Reads where the entries begin. Throws HOLT_CORRUPT_WAL when the first `length` bytes are not entries. */
  read(body: Uint8Array, length: number, seq: number): void {
    this.body = body
    let count = 0
    let keyLength = 0
    let longest = 0
    for (let at = 0; at < length; count++) {
      const shared = body[at] | (body[at + 1] << 8)
      const rest = body[at + 2] | (body[at + 3] << 8)
      const valueLength = body[at + 4] | (body[at + 5] << 8) | (body[at + 6] << 16)
      const next = at + ENTRY_HEAD + rest + valueLength
      if (next > length || shared > keyLength || shared + rest > MAX_KEY || valueLength > MAX_VALUE) {
        throw new HoltError('HOLT_CORRUPT_WAL', `record ${seq} of the write-ahead log does not hold a load`)
      }
      if (count === this.at.length) this.#grow()
      this.at[count] = at
      this.shared[count] = shared
      keyLength = shared + rest
      if (keyLength > longest) longest = keyLength
      at = next
    }
    this.count = count
    this.longest = longest
  }

  /** Bytes of entry `i`'s key that are its own. */
  rest(i: number): number {
    const at = this.at[i] + 2
    return this.body[at] | (this.body[at + 1] << 8)
  }

  valueLength(i: number): number {
    const at = this.at[i] + 4
    return this.body[at] | (this.body[at + 1] << 8) | (this.body[at + 2] << 16)
  }

  keyLength(i: number): number {
    return this.shared[i] + this.rest(i)
  }

  /** Turns the key of the entry before `i` into that of `i`. */
  advance(i: number, key: Uint8Array): void {
    copyBytes(this.body, this.at[i] + ENTRY_HEAD, key, this.shared[i], this.rest(i))
  }

  #grow(): void {
    const at = new Int32Array(2 * this.at.length)
    const shared = new Int32Array(at.length)
    at.set(this.at)
    shared.set(this.shared)
    this.at = at
    this.shared = shared
  }
}
