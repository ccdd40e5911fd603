/**
 * The dirent value: ino u64, cookie u64 (the readdir offset that continues after this entry), type u8 (DT_*);
 * little-endian, 17 bytes.
 */
import { HoltError } from '../errors.ts'

export const DIRENT_SIZE = 17
/** Where the cookie is; the ino stands before it. */
export const DIRENT_COOKIE = 8

const TWO_32 = 4294967296

/** A reusable buffer for one dirent value. */
export class Dirent {
  readonly bytes = new Uint8Array(DIRENT_SIZE)
  ino = 0
  cookie = 0
  type = 0

  set(ino: number, type: number, cookie: number): void {
    this.ino = ino
    this.type = type
    this.cookie = cookie
    putWide(this.bytes, 0, ino)
    putWide(this.bytes, 8, cookie)
    this.bytes[16] = type
  }

  /** Decodes a value of `length` bytes. Throws HOLT_CORRUPT_DATA for no dirent. */
  decode(value: Uint8Array, length: number): void {
    if (length !== DIRENT_SIZE) throw new HoltError('HOLT_CORRUPT_DATA', `a dirent of ${length} bytes`)
    this.ino = wide(value, 0)
    this.cookie = wide(value, 8)
    this.type = value[16]
  }
}

/** The number at `at`: 8 bytes, little-endian. */
export function wide(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
  const high = (bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24)) >>> 0
  return high * TWO_32 + low
}

function putWide(bytes: Uint8Array, at: number, value: number): void {
  const low = value >>> 0
  const high = Math.floor(value / TWO_32)
  bytes[at] = low
  bytes[at + 1] = low >>> 8
  bytes[at + 2] = low >>> 16
  bytes[at + 3] = low >>> 24
  bytes[at + 4] = high
  bytes[at + 5] = high >>> 8
  bytes[at + 6] = high >>> 16
  bytes[at + 7] = high >>> 24
}
