/**
 * Reading the log when a store is opened: every record after a checkpoint, in order, and the judgement about a bad one.
 *
 * A bad record is the torn tail when nothing shows that it was ever durable: it stands in the last segment and no
 * intact record behind it was appended after the bad one was synced. Then the log ends there. Otherwise something
 * durable was damaged, and the store must not open by itself. Nothing but zeros up to the end of the file is no record
 * but room that the log had reserved. Reading changes nothing: the log is cut when it is next appended to (log-writer.ts).
 */
import { constants } from 'node:fs'
import { join } from 'node:path'
import { ADVICE, HoltError } from '../errors.ts'
import { RECORD_HEADER, RecordReader, SEAL } from './record.ts'
import { listSegments, readSegmentHeader, SEGMENT_HEADER, type Segment } from './segments.ts'
import type { Storage } from './storage.ts'

/** `body` holds exactly `length` bytes and is valid only during the call. */
export type RecordVisitor = (type: number, body: Uint8Array, length: number, seq: number) => void

/** Where the log ends within its last segment, in bytes from the start of the file. */
export interface LogEnd {
  segment: string
  /** Seq of the segment's first record, as in its name. */
  first: number
  offset: number
}

export interface Replayed {
  /** Last seq seen, or where the replay began when there was none. */
  lastSeq: number
  /** Last seq that is known to be durable. */
  durableSeq: number
  /** Records visited. */
  records: number
  /** There is something behind the last record: a torn tail. */
  torn?: LogEnd
  /** The end of the log, if it has a segment: not durable as such, and with a torn tail or reserved room behind it perhaps. */
  end?: LogEnd
}

/** Larger than any segment that this program writes (a segment and one buffer): not read into memory. */
const MAX_SEGMENT_FILE = 1024 * 1024 * 1024

/**
 * Visits every record with a seq above `after`, in order. Throws HOLT_MISSING_WAL when the first record needed or a
 * segment in between is missing, unless all are and `mayBeAbsent`, HOLT_CORRUPT_WAL (with file name and byte offset) for a
 * damaged record that is not the torn tail, HOLT_FORMAT for a newer version, HOLT_IO.
 */
export function replay(
  storage: Storage,
  directory: string,
  after: number,
  mayBeAbsent: boolean,
  visit: RecordVisitor,
): Replayed {
  const segments = listSegments(storage, directory)
  const start = segments.findLastIndex(segment => segment.first <= after + 1)
  if (start < 0) {
    if (segments.length === 0 && mayBeAbsent) return { lastSeq: after, durableSeq: after, records: 0 }
    throw new HoltError('HOLT_MISSING_WAL', `${directory}: the log record ${after + 1} is missing: ${ADVICE}`)
  }
  const result: Replayed = { lastSeq: after, durableSeq: after, records: 0 }
  let next = segments[start].first
  for (let i = start; i < segments.length; i++) {
    const segment = segments[i]
    if (segment.first !== next) {
      if (segment.first < next) throw corrupt(segment.name, 0)
      throw new HoltError(
        'HOLT_MISSING_WAL',
        `${directory}: records ${next} to ${segment.first - 1} are missing: ${ADVICE}`,
      )
    }
    const bytes = readSegment(storage, directory, segment.name)
    next = replaySegment(bytes, segment, segments[i + 1], after, visit, result)
  }
  return result
}

/** Returns the seq that the next segment must begin with. */
function replaySegment(
  bytes: Uint8Array,
  segment: Segment,
  following: Segment | undefined,
  after: number,
  visit: RecordVisitor,
  result: Replayed,
): number {
  const isLast = following === undefined
  const salt = readSegmentHeader(bytes, segment)
  if (salt < 0) {
    // A header is durable before a record follows it: a longer file lost a header that was there.
    if (!isLast || bytes.length > SEGMENT_HEADER) throw corrupt(segment.name, 0)
    result.torn = { segment: segment.name, first: segment.first, offset: 0 }
    result.end = result.torn
    return segment.first
  }
  const reader = new RecordReader(bytes, salt)
  let next = segment.first
  let at = SEGMENT_HEADER
  let isSealed = false
  while (at < bytes.length) {
    const size = reader.read(at)
    if (size === 0) {
      if ((isLast || following.first === next) && isZero(bytes, at)) break
      if (!isLast || wasDurable(reader, bytes.length, at, next, after)) throw corrupt(segment.name, at)
      result.torn = { segment: segment.name, first: segment.first, offset: at }
      break
    }
    isSealed = reader.type === SEAL
    if (isSealed) {
      if (reader.seq !== next - 1) throw corrupt(segment.name, at)
    } else {
      if (reader.seq !== next) throw corrupt(segment.name, at)
      if (next > after) {
        const bodyAt = at + RECORD_HEADER
        visit(reader.type, bytes.subarray(bodyAt, bodyAt + reader.length), reader.length, next)
        result.lastSeq = next
        result.records++
      }
      next++
    }
    at += size
  }
  if (isSealed) result.durableSeq = Math.max(after, next - 1)
  result.end = { segment: segment.name, first: segment.first, offset: at }
  return next
}

/**
 * Whether the damaged record `seq` at `at` was durable once: the checkpoint says so (a round syncs the log first), or
 * an intact record behind it that was appended later. Bodies cannot pass for records: the salt is random, and an older
 * record of this very segment has a lower seq.
 */
export function wasDurable(reader: RecordReader, end: number, at: number, seq: number, after: number): boolean {
  for (let next = at + 8; next < end; ) {
    const size = reader.read(next)
    if (size > 0 && reader.seq >= seq && (reader.durable >= seq || seq <= after)) return true
    next += size > 0 ? size : 8
  }
  return false
}

/** Whether there is nothing but zeros from `at`, a multiple of 8, to the end. `bytes` begin at a multiple of 4. */
export function isZero(bytes: Uint8Array, at: number): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
  for (let i = at >>> 2; i < words.length; i++) if (words[i] !== 0) return false
  for (let i = words.length << 2; i < bytes.length; i++) if (bytes[i] !== 0) return false
  return true
}

export function readSegment(storage: Storage, directory: string, name: string): Uint8Array {
  const path = join(directory, name)
  let length = 0
  try {
    const fd = storage.open(path, constants.O_RDONLY)
    try {
      length = storage.size(fd)
      if (length <= MAX_SEGMENT_FILE) {
        const bytes = new Uint8Array(length)
        return bytes.subarray(0, storage.read(fd, bytes, 0, length, 0))
      }
    } finally {
      storage.close(fd)
    }
  } catch (cause) {
    throw cause instanceof HoltError ? cause : new HoltError('HOLT_IO', `${path}: cannot read the log`, { cause })
  }
  throw corrupt(name, MAX_SEGMENT_FILE)
}

function corrupt(segment: string, offset: number): HoltError {
  return new HoltError('HOLT_CORRUPT_WAL', `${segment}: the log is damaged at byte ${offset}: ${ADVICE}`)
}
