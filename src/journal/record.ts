/**
 * The record codec of the write-ahead log: the byte layout (docs/format.md), a builder, and the test whether the bytes
 * at an offset are an intact record. It knows neither files nor order: whether a record may stand where it stands is
 * decided by replay.ts.
 *
 * What only the thread that holds the append lock knows stands at the end of a record: all before it is put together,
 * and its checksum computed, outside the lock.
 */
import { crc32 } from 'node:zlib'
import { MAX_RECORD } from '../limits.ts'
import { crc32Words, WORTH_ZLIB } from './crc.ts'
import { PrefixViews } from './prefix-views.ts'

/** "HWAL", little-endian. */
export const RECORD_MAGIC = 0x4c415748
/** Bytes before the body. */
export const RECORD_HEADER = 8
/** Record type of the journal itself: closes a log whose every record is durable; has the seq of the record before. */
export const SEAL = 0

/** Bytes behind the padded body: seq, count of records not durable, CRC. */
const TRAILER = 16
const AT_LENGTH = 4
const CRC_BYTES = 4
const MAX_U32 = 0xffffffff
/** A batch below this size costs the thread no new memory. */
const FIRST_BYTES = 16 * 1024

/** Bytes that a record with a body of `length` bytes takes in a segment: a multiple of 8. */
export function recordBytes(length: number): number {
  return (RECORD_HEADER + TRAILER + length + 7) & ~7
}

/** Builds one record after the other in memory of its thread. */
export class RecordBuilder {
  /** Bytes of the record at hand. */
  size = 0
  readonly #bodies = new PrefixViews()
  readonly #prefixes = new PrefixViews()
  #bytes = new Uint8Array(FIRST_BYTES)
  #words = new Int32Array(this.#bytes.buffer)
  #crc = 0

  /** Takes type and the first `length` bytes of `body`; `salt` is the segment's, it starts the CRC. */
  begin(type: number, body: Uint8Array, length: number, salt: number): void {
    const size = recordBytes(length)
    this.size = size
    if (size > this.#bytes.length) this.#grow(size)
    const words = this.#words
    const trailer = (size - TRAILER) >>> 2
    words[trailer - 2] = 0
    words[trailer - 1] = 0
    words[0] = RECORD_MAGIC
    words[1] = length | (type << 24)
    this.#bytes.set(this.#bodies.of(body, length), RECORD_HEADER)
    this.#crc =
      size < WORTH_ZLIB
        ? crc32Words(words, 0, trailer, salt)
        : crc32(this.#prefixes.of(this.#bytes, size - TRAILER), salt >>> 0)
  }

  /**
   * Completes the record; its bytes are valid until the next begin. `durable` is the last seq known to be durable at
   * this moment: replay tells by it a bad record that once was durable from one that a power cut never let reach the disk.
   */
  finish(seq: number, durable: number): Uint8Array {
    const words = this.#words
    const trailer = (this.size - TRAILER) >>> 2
    words[trailer] = seq
    words[trailer + 1] = seq / 4294967296
    words[trailer + 2] = Math.min(seq - durable, MAX_U32)
    words[trailer + 3] = crc32Words(words, trailer, trailer + 3, this.#crc)
    return this.#prefixes.of(this.#bytes, this.size)
  }

  #grow(size: number): void {
    this.#bytes = new Uint8Array(Math.max(size, 2 * this.#bytes.length))
    this.#words = new Int32Array(this.#bytes.buffer)
  }
}

/** Reads records out of the bytes of one segment. `salt` is the segment's: it starts every CRC. */
export class RecordReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #salt: number
  type = 0
  /** Bytes of the body. */
  length = 0
  seq = 0
  /** Last seq that was known to be durable when the record was appended. */
  durable = 0

  constructor(bytes: Uint8Array, salt: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#salt = salt
  }

  /** Decodes the record at `at` and returns its size in bytes, or 0 when no intact record stands there. */
  read(at: number): number {
    const view = this.#view
    const end = this.#bytes.length
    if (at + recordBytes(0) > end || view.getUint32(at, true) !== RECORD_MAGIC) return 0
    const word = view.getUint32(at + AT_LENGTH, true)
    const length = word & 0xffffff
    if (length > MAX_RECORD) return 0
    const size = recordBytes(length)
    if (at + size > end) return 0
    const crcAt = at + size - CRC_BYTES
    if (crc32(this.#bytes.subarray(at, crcAt), this.#salt) !== view.getUint32(crcAt, true)) return 0
    const trailer = at + size - TRAILER
    const undurable = view.getUint32(trailer + 8, true)
    this.type = word >>> 24
    this.length = length
    this.seq = view.getUint32(trailer + 4, true) * 4294967296 + view.getUint32(trailer, true)
    this.durable = undurable === MAX_U32 ? 0 : this.seq - undurable
    return size
  }
}
