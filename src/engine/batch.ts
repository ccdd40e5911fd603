/**
 * The body of a WAL record: a list of changes that belong together. Encoded once, then applied from the same bytes that
 * are logged, so live changes and replay run through one code path.
 *
 * A change is: kind u8, 0, key length u16, second length u32, key, second (the value, or the other name).
 */
import { HoltError } from '../errors.ts'
import { MAX_KEY, MAX_RECORD, MAX_VALUE } from '../limits.ts'
import { copyBytes } from './walker/bytes.ts'

/** WAL record type of a batch. */
export const RECORD_BATCH = 1

export const CHANGE_PUT = 1
export const CHANGE_DELETE = 2
export const CHANGE_RENAME = 3
export const CHANGE_RENAME_PREFIX = 4

/** Bytes before the key of a change. */
export const CHANGE_HEAD = 8

/** Where one change is in the bytes of a record: read one after the other, by one object. */
export class Change {
  kind = 0
  key = 0
  keyLength = 0
  second = 0
  secondLength = 0
  end = 0

  /** Reads the change at `at`; false when none that can be is in the first `length` bytes. */
  read(bytes: Uint8Array, at: number, length: number): boolean {
    this.kind = bytes[at]
    this.keyLength = bytes[at + 2] | (bytes[at + 3] << 8)
    this.secondLength = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16)
    this.key = at + CHANGE_HEAD
    this.second = this.key + this.keyLength
    this.end = this.second + this.secondLength
    return this.end <= length && this.keyLength <= MAX_KEY && this.secondLength <= MAX_VALUE
  }
}

export class Batch {
  bytes = new Uint8Array(64 * 1024)
  length = 0
  count = 0

  reset(): void {
    this.length = 0
    this.count = 0
  }

  /** Appends a change. Throws HOLT_BATCH_TOO_LARGE beyond MAX_RECORD; the batch is as before then. */
  add(
    kind: number,
    key: Uint8Array,
    keyLength: number,
    second: Uint8Array,
    secondAt: number,
    secondLength: number,
  ): void {
    const at = this.length
    const end = at + CHANGE_HEAD + keyLength + secondLength
    if (end > this.bytes.length) this.#grow(end)
    const bytes = this.bytes
    bytes[at] = kind
    bytes[at + 1] = 0
    bytes[at + 2] = keyLength
    bytes[at + 3] = keyLength >>> 8
    bytes[at + 4] = secondLength
    bytes[at + 5] = secondLength >>> 8
    bytes[at + 6] = secondLength >>> 16
    bytes[at + 7] = 0
    copyBytes(key, 0, bytes, at + CHANGE_HEAD, keyLength)
    copyBytes(second, secondAt, bytes, at + CHANGE_HEAD + keyLength, secondLength)
    this.length = end
    this.count++
  }

  #grow(needed: number): void {
    if (needed > MAX_RECORD) {
      throw new HoltError('HOLT_BATCH_TOO_LARGE', `a batch holds at most ${MAX_RECORD} bytes: split it`)
    }
    const wider = new Uint8Array(Math.min(MAX_RECORD, Math.max(needed, 2 * this.bytes.length)))
    wider.set(this.bytes.subarray(0, this.length))
    this.bytes = wider
  }
}
