/** Keys and values as callers of the library pass them: bytes or strings, checked against their limits. */
import { HoltError } from '../errors.ts'
import { MAX_USER_KEY, MAX_VALUE } from '../limits.ts'

/** A key or value: bytes, or a string that stands for its UTF-8. */
export type Bytes = Uint8Array | string

export function asKey(key: Bytes): Uint8Array {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key
  assertKey(bytes)
  return bytes
}

const encoder = new TextEncoder()

/** A key at a time, without a new object for each: a string in memory of this object, bytes where they are. */
export class KeyBytes {
  /** Length of the key that was taken last. */
  length = 0
  readonly #own = new Uint8Array(MAX_USER_KEY)

  of(key: Bytes): Uint8Array {
    if (typeof key === 'string') {
      const { read, written } = encoder.encodeInto(key, this.#own)
      if (read < key.length) throw keyTooLong(Buffer.byteLength(key))
      this.length = written
      return this.#own
    }
    assertKey(key)
    this.length = key.length
    return key
  }
}

/** The delimiter's byte, or -1. */
export function asDelimiter(delimiter: string | undefined): number {
  if (delimiter === undefined) return -1
  const bytes = Buffer.from(String(delimiter))
  if (typeof delimiter !== 'string' || bytes.length !== 1)
    throw new HoltError('HOLT_INVALID', 'the delimiter of a range is one byte')
  return bytes[0]
}

/** Most entries of a range. */
export function asLimit(limit: number | undefined): number {
  if (limit === undefined || limit === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
  if (Number.isInteger(limit) && limit >= 0) return limit
  throw new HoltError('HOLT_INVALID', `the limit of a range is a whole number from 0 on, not ${limit}`)
}

export function asValue(value: Bytes): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  if (!(bytes instanceof Uint8Array)) throw new HoltError('HOLT_INVALID', 'a value is a Uint8Array or a string')
  if (bytes.length > MAX_VALUE) throw valueTooLong(bytes.length)
  return bytes
}

/** A record's version, as a caller passes it; 0 stands for an absent record. */
export function asVersion(version: number): number {
  if (!Number.isSafeInteger(version) || version < 0) {
    throw new HoltError('HOLT_INVALID', `a version is a whole number from 0 on, not ${version}`)
  }
  return version
}

export function assertKey(key: Uint8Array): void {
  if (!(key instanceof Uint8Array)) throw new HoltError('HOLT_INVALID', 'a key is a Uint8Array or a string')
  if (key.length > MAX_USER_KEY) throw keyTooLong(key.length)
}

export function keyTooLong(length: number): HoltError {
  return new HoltError('HOLT_KEY_TOO_LONG', `a key of ${length} bytes: at most ${MAX_USER_KEY}`)
}

export function valueTooLong(length: number): HoltError {
  return new HoltError('HOLT_VALUE_TOO_LONG', `a value of ${length} bytes: at most ${MAX_VALUE}`)
}
