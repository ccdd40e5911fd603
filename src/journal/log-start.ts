/**
 * The start of the log for one run of the store: makes durable what an earlier run left, begins the first segment, and
 * chooses the memory that records are appended to: the segment itself where storage and filesystem can map it, else the
 * ring. Everything is in shared memory afterwards; each thread makes its own objects over it.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { HoltError } from '../errors.ts'
import { createSegment, listSegments, SEGMENT_HEADER } from './segments.ts'
import {
  ADDRESS,
  APPEND_AT,
  DESCRIPTOR,
  DURABLE_SEQ,
  float64Words,
  int32Words,
  type JournalShared,
  LAST_SEQ,
  POSITION,
  RANGE,
  ROOM,
  RUNNING,
  SALT,
  SEGMENT_FIRST,
  START_SEQ,
  STATE,
  WRITTEN_SEQ,
} from './shared.ts'
import type { FileMapping, Storage } from './storage.ts'

/** A segment that may become longer than this is not mapped. */
const LARGEST_RANGE = 1 << 30

/** Throws HOLT_IO, HOLT_INVALID when the directory holds later records. */
export function startLog(
  storage: Storage,
  directory: string,
  shared: JournalShared,
  lastSeq: number,
  segmentBytes: number,
): void {
  const words = int32Words(shared)
  const numbers = float64Words(shared)
  const salt = randomBytes(4).readInt32LE()
  try {
    storage.mkdir(directory)
    storage.syncDirectory(dirname(directory))
    const segments = listSegments(storage, directory)
    if (segments.some(segment => segment.first > lastSeq + 1)) {
      throw new HoltError('HOLT_INVALID', `${directory} holds records after ${lastSeq}`)
    }
    const previous = segments.findLast(segment => segment.first <= lastSeq)
    if (previous !== undefined) syncFile(storage, join(directory, previous.name))
    words[DESCRIPTOR] = createSegment(storage, directory, lastSeq + 1, salt >>> 0)
  } catch (cause) {
    if (cause instanceof HoltError) throw cause
    throw new HoltError('HOLT_IO', `${directory}: cannot start the log`, { cause })
  }
  words[SALT] = salt
  for (const word of [LAST_SEQ, WRITTEN_SEQ, DURABLE_SEQ, START_SEQ]) numbers[word] = lastSeq
  numbers[SEGMENT_FIRST] = lastSeq + 1
  numbers[POSITION] = SEGMENT_HEADER
  // A last record may begin just below segmentBytes; the end of the range is never reached.
  const range = segmentBytes + shared.buffer.byteLength + 8
  const mapping = range <= LARGEST_RANGE ? storage.mapping : undefined
  numbers[ADDRESS] = mapping === undefined ? 0 : tryToMap(mapping, directory, words[DESCRIPTOR], range)
  numbers[RANGE] = range
  const isMapped = numbers[ADDRESS] !== 0
  words[APPEND_AT] = isMapped ? SEGMENT_HEADER : 0
  words[ROOM] = isMapped ? 0 : shared.buffer.byteLength
  Atomics.store(words, STATE, RUNNING)
}

/** Returns the address, or 0 where the log has to be written instead. */
function tryToMap(mapping: FileMapping, directory: string, fd: number, range: number): number {
  try {
    return mapping.supports(directory) ? mapping.map(fd, range, 0) : 0
  } catch {
    return 0
  }
}

function syncFile(storage: Storage, path: string): void {
  const fd = storage.open(path, constants.O_RDWR)
  try {
    storage.datasync(fd)
  } finally {
    storage.close(fd)
  }
}
