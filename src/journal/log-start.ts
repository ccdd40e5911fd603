/**
 * The start of the log for one run of the store: says in shared memory where the log ends, and chooses the memory that
 * records are appended to: the segment itself where storage and filesystem can map it, else the ring. It touches no file.
 * The first segment is begun by whoever appends first (log-writer.ts), so a store that is only read has none.
 */
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import type { Replayed } from './replay.ts'
import {
  APPEND_AT,
  DESCRIPTOR,
  DURABLE_SEQ,
  EARLIER,
  EARLIER_END,
  float64Words,
  IS_MAPPED,
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

/** What a replay found: up to where records go, up to where they are durable, and which segment may have to be settled. */
export type LogFound = Pick<Replayed, 'lastSeq' | 'durableSeq' | 'end'>

/** A segment that may become longer than this is not mapped. */
const LARGEST_RANGE = 1 << 30

export function startLog(
  storage: Storage,
  directory: string,
  shared: JournalShared,
  found: LogFound,
  segmentBytes: number,
): void {
  const words = int32Words(shared)
  const numbers = float64Words(shared)
  words[DESCRIPTOR] = -1
  words[SALT] = randomBytes(4).readInt32LE()
  for (const word of [LAST_SEQ, WRITTEN_SEQ, START_SEQ]) numbers[word] = found.lastSeq
  numbers[DURABLE_SEQ] = found.durableSeq
  numbers[SEGMENT_FIRST] = found.lastSeq + 1
  numbers[EARLIER] = found.end?.first ?? 0
  numbers[EARLIER_END] = found.end?.offset ?? 0
  // A last record may begin just below segmentBytes; the end of the range is never reached.
  numbers[RANGE] = segmentBytes + shared.bufferBytes + 8
  const mapping = numbers[RANGE] <= LARGEST_RANGE ? storage.mapping : undefined
  const isMapped = mapping !== undefined && canMap(mapping, directory)
  words[IS_MAPPED] = isMapped ? 1 : 0
  numbers[POSITION] = segmentBytes
  words[APPEND_AT] = isMapped ? segmentBytes : 0
  words[ROOM] = isMapped ? 0 : shared.bufferBytes
  Atomics.store(words, STATE, RUNNING)
}

/** The directory of the log may not be there yet. */
function canMap(mapping: FileMapping, directory: string): boolean {
  try {
    return mapping.supports(dirname(directory))
  } catch {
    return false
  }
}
