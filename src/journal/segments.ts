/**
 * The segment files of the log: names, header, listing, creation. A segment is named by the seq of its first record
 * and begins with a 32-byte header (docs/format.md) that is durable before a record follows it.
 */
import { constants } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { HoltError } from '../errors.ts'
import type { Storage } from './storage.ts'

export const SEGMENT_HEADER = 32
const FORMAT_VERSION = 1
const MAGIC_LO = 0x544c4f48 // "HOLT"
const MAGIC_HI = 0x004c4157 // "WAL\0"
const AT_VERSION = 8
const AT_SALT = 12
const AT_FIRST = 16
const AT_CRC = 28
const NAME = /^[0-9a-f]{16}\.wal$/
/** The name of a segment until it takes the place of another one. */
const FRESH = 'new.wal'

export interface Segment {
  name: string
  /** Seq of its first record. */
  first: number
}

export function segmentName(first: number): string {
  return `${first.toString(16).padStart(16, '0')}.wal`
}

/** The segments in a directory, in order. Names of another form are left alone. */
export function listSegments(storage: Storage, directory: string): Segment[] {
  return storage
    .list(directory)
    .filter(name => NAME.test(name))
    .map(name => ({ name, first: Number.parseInt(name, 16) }))
    .sort((a, b) => a.first - b.first)
}

/**
 * Creates the segment; header and directory entry are durable on return. With `replaces`, one without records is there by that name,
 * and at every moment either of the two is: a power cut must not leave a log without a segment. Returns the descriptor; throws the
 * host's error.
 */
export function createSegment(
  storage: Storage,
  directory: string,
  first: number,
  salt: number,
  replaces: boolean,
): number {
  const header = new Uint8Array(SEGMENT_HEADER)
  const view = new DataView(header.buffer)
  view.setUint32(0, MAGIC_LO, true)
  view.setUint32(4, MAGIC_HI, true)
  view.setUint32(AT_VERSION, FORMAT_VERSION, true)
  view.setUint32(AT_SALT, salt, true)
  view.setUint32(AT_FIRST, first % 4294967296, true)
  view.setUint32(AT_FIRST + 4, Math.floor(first / 4294967296), true)
  view.setUint32(AT_CRC, crc32(header.subarray(0, AT_CRC)), true)
  const path = join(directory, segmentName(first))
  const madeAt = replaces ? join(directory, FRESH) : path
  const fd = storage.open(madeAt, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC)
  try {
    storage.write(fd, header, 0, SEGMENT_HEADER, 0)
    settled(() => storage.datasync(fd))
    if (replaces) storage.rename(madeAt, path)
    settled(() => storage.syncDirectory(directory))
  } catch (error) {
    storage.close(fd)
    throw error
  }
  return fd
}

/**
 * Runs a sync. Whatever it fails with does not pass by itself, a lack of space neither: what it was to save is lost, and the next
 * one would succeed without it. So the error thrown has no code of the host's.
 */
export function settled(sync: () => void): void {
  try {
    sync()
  } catch (cause) {
    throw new Error(`a sync failed: ${(cause as Error).message}`, { cause })
  }
}

/**
 * Checks a segment's header and returns its salt, or -1 when it is not intact. Throws HOLT_FORMAT for a version that
 * this program does not know.
 */
export function readSegmentHeader(bytes: Uint8Array, segment: Segment): number {
  if (bytes.length < SEGMENT_HEADER) return -1
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER)
  if (view.getUint32(0, true) !== MAGIC_LO || view.getUint32(4, true) !== MAGIC_HI) return -1
  if (view.getUint32(AT_CRC, true) !== crc32(bytes.subarray(0, AT_CRC))) return -1
  const version = view.getUint32(AT_VERSION, true)
  if (version !== FORMAT_VERSION) {
    throw new HoltError('HOLT_FORMAT', `${segment.name}: log format ${version}, this program knows ${FORMAT_VERSION}`)
  }
  const first = view.getUint32(AT_FIRST + 4, true) * 4294967296 + view.getUint32(AT_FIRST, true)
  return first === segment.first ? view.getUint32(AT_SALT, true) : -1
}
