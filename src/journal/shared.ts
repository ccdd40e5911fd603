/**
 * The shared memory of one journal: a control block of named words and the ring of bytes not yet written, which a
 * mapped log leaves untouched. Every thread makes its own views over them.
 *
 * Lock order: SYNC_LOCK, FLUSH_LOCK, APPEND_LOCK. Each word below names the lock that guards it. The Float64 words are
 * plain memory, written only under their lock; read without it (an aligned 64-bit word is read whole), a word may be old
 * by the time it is used.
 */
import { HoltError } from '../errors.ts'
import { FRESH_MEMORY, WAL_BUFFER } from '../limits.ts'

/** Structured-cloneable: hand it to another thread and attach there. */
export interface JournalShared {
  control: SharedArrayBuffer
  /** The ring takes `bufferBytes` of it. */
  buffer: SharedArrayBuffer
  bufferBytes: number
}

/** Values of STATE. */
export const CLOSED = 0
export const RUNNING = 1
export const FAILED = 2

/** Int32 words. */
export const APPEND_LOCK = 0
export const FLUSH_LOCK = 1
export const SYNC_LOCK = 2
/** CLOSED (also before the start), RUNNING, or FAILED: after a failed write or fsync, for good. Atomic. */
export const STATE = 3
/**
 * Descriptor of the current segment, −1 before this run has begun one, and after the end. Changes under SYNC_LOCK and
 * FLUSH_LOCK: either is enough to use it.
 */
export const DESCRIPTOR = 4
/** Start value of the CRCs of this run. Constant after the start. */
export const SALT = 5
/**
 * Where the next record goes: an index of the ring, or of the mapped segment. APPEND_LOCK; read without as a hint. As
 * long as there is no segment, this word of a mapped log, or POSITION of a written one, says that it is full.
 */
export const APPEND_AT = 6
/** Bytes that may be appended now: what is free in the ring, or has zeros in the segment. As APPEND_AT. */
export const ROOM = 7
/** Ring index of the first byte not yet written. FLUSH_LOCK. */
export const WRITE_AT = 8
/** 1: the log is mapped, 0: it goes through the ring. Constant after the start. */
export const IS_MAPPED = 9
const INT32_WORDS = 16

/** Float64 words, behind the Int32 words. */
export const LAST_SEQ = 0
/** Bytes appended since the start. APPEND_LOCK, as LAST_SEQ. */
export const APPENDED = 1
/** Last seq of the ring handed to the kernel. Changes under FLUSH_LOCK and APPEND_LOCK, so either is enough to read it. */
export const WRITTEN_SEQ = 2
/** Last seq known to be durable. Changes under SYNC_LOCK and APPEND_LOCK. */
export const DURABLE_SEQ = 3
/** Bytes written of the current segment; of a mapped one, with the zeros. FLUSH_LOCK, as SEGMENT_FIRST and WRITES. */
export const POSITION = 4
/** First seq of the current segment, as in its name; before there is one, that of the first to come. */
export const SEGMENT_FIRST = 5
/** Count of write(2) calls for records, or to lengthen a mapped segment. */
export const WRITES = 6
/** Count of fdatasync calls on segments. SYNC_LOCK. */
export const SYNCS = 7
/** The last seq when the journal was started. Constant. */
export const START_SEQ = 8
/** Address of the mapped segment, 0: there is none yet. Set once, under APPEND_LOCK. */
export const ADDRESS = 9
/** Bytes mapped there: more than a segment ever has. Constant after the start. */
export const RANGE = 10
/**
 * First seq of the last segment of earlier runs and where its records end, in bytes, as long as it is not known to be
 * durable and cut there; 0: it is. SYNC_LOCK.
 */
export const EARLIER = 11
export const EARLIER_END = 12
/** Bytes of the bodies of the records appended since the start. APPEND_LOCK. */
export const BODIES = 13
const FLOAT64_WORDS = 16

/** `bufferBytes` bounds the bytes that wait for a write(2), and so the largest record: a multiple of 8. */
export function createJournalShared(bufferBytes: number = WAL_BUFFER): JournalShared {
  if (bufferBytes < 64 || bufferBytes % 8 !== 0)
    throw new HoltError('HOLT_INVALID', `WAL buffer of ${bufferBytes} bytes`)
  return {
    control: new SharedArrayBuffer(INT32_WORDS * 4 + FLOAT64_WORDS * 8),
    buffer: new SharedArrayBuffer(bufferBytes < WAL_BUFFER ? bufferBytes : Math.max(FRESH_MEMORY, bufferBytes)),
    bufferBytes,
  }
}

export function int32Words(shared: JournalShared): Int32Array {
  return new Int32Array(shared.control, 0, INT32_WORDS)
}

export function float64Words(shared: JournalShared): Float64Array {
  return new Float64Array(shared.control, INT32_WORDS * 4, FLOAT64_WORDS)
}
