/**
 * The record codec of the write-ahead log: the byte layout (docs/format.md) and the test whether the bytes at an
 * offset are an intact record. It knows neither files nor order: whether a record may stand where it stands is
 * decided by replay.ts.
 */
import { crc32 } from 'node:zlib'
import { MAX_RECORD } from '../limits.ts'

/** "HWAL", little-endian. */
export const RECORD_MAGIC = 0x4c415748
/** Bytes before the body. */
export const RECORD_HEADER = 24
/** Record type of the journal itself: closes a log whose every record is durable; has the seq of the record before. */
export const SEAL = 0

const AT_LENGTH = 4
const AT_SEQ = 8
const AT_TYPE = 16
const AT_UNDURABLE = 20
const CRC_BYTES = 4
const MAX_U32 = 0xffffffff

/** Bytes that a record with a body of `length` bytes takes in a segment: a multiple of 8. */
export function recordBytes(length: number): number {
  return (RECORD_HEADER + length + CRC_BYTES + 7) & ~7
}

/**
 * Writes the 24 header bytes at offset 0 of `out`. `durable` is the last seq known to be durable at this moment: replay
 * tells by it a bad record that once was durable from one that a power cut never let reach the disk.
 */
export function writeHeader(out: DataView, type: number, length: number, seq: number, durable: number): void {
  const hi = Math.floor(seq / 4294967296)
  const undurable = seq - durable
  out.setUint32(0, RECORD_MAGIC, true)
  out.setUint32(AT_LENGTH, length, true)
  out.setUint32(AT_SEQ, seq - hi * 4294967296, true)
  out.setUint32(AT_SEQ + 4, hi, true)
  out.setUint32(AT_TYPE, type, true)
  out.setUint32(AT_UNDURABLE, Math.min(undurable, MAX_U32), true)
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
    const length = view.getUint32(at + AT_LENGTH, true)
    if (length > MAX_RECORD) return 0
    const total = recordBytes(length)
    if (at + total > end) return 0
    const crcAt = at + total - CRC_BYTES
    if (crc32(this.#bytes.subarray(at, crcAt), this.#salt) !== view.getUint32(crcAt, true)) return 0
    this.type = view.getUint8(at + AT_TYPE)
    this.length = length
    this.seq = view.getUint32(at + AT_SEQ + 4, true) * 4294967296 + view.getUint32(at + AT_SEQ, true)
    const undurable = view.getUint32(at + AT_UNDURABLE, true)
    this.durable = undurable === MAX_U32 ? 0 : this.seq - undurable
    return total
  }
}
