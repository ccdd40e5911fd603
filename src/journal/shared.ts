/**
 * The shared memory of one journal: a control block of named words and the ring of bytes not yet written. Every thread
 * makes its own views over them.
 *
 * Lock order: SYNC_LOCK, FLUSH_LOCK, APPEND_LOCK. Each word below names the lock that guards it. The Float64 words are
 * plain memory, written only under their lock; read without it (an aligned 64-bit word is read whole), a word may be old
 * by the time it is used.
 */
import { HoltError } from '../errors.ts'
import { WAL_BUFFER } from '../limits.ts'

/** Structured-cloneable: hand it to another thread and attach there. */
export interface JournalShared {
  control: SharedArrayBuffer
  buffer: SharedArrayBuffer
}

/** Int32 words. */
export const APPEND_LOCK = 0
export const FLUSH_LOCK = 1
export const SYNC_LOCK = 2
/** Not 0 after a failed write or fsync. Atomic. */
export const FAILED = 3
/** 1 while the journal is open. Atomic. */
export const OPEN = 4
/** Descriptor of the current segment. Changes under SYNC_LOCK and FLUSH_LOCK, so either is enough to use it. */
export const DESCRIPTOR = 5
/** Start value of the CRCs of this run. Constant after the start. */
export const SALT = 6
/** Ring index where the next record goes. APPEND_LOCK. */
export const APPEND_AT = 7
/** Ring index of the first byte not yet written. FLUSH_LOCK. */
export const WRITE_AT = 8
/** Bytes in the ring. Changes under APPEND_LOCK; read atomically as a hint. */
export const PENDING = 9
const INT32_WORDS = 16

/** Float64 words, behind the Int32 words. */
export const LAST_SEQ = 0
/** Bytes appended since the start. APPEND_LOCK, as LAST_SEQ. */
export const APPENDED = 1
/** Last seq handed to the kernel. Changes under FLUSH_LOCK and APPEND_LOCK, so either is enough to read it. */
export const WRITTEN_SEQ = 2
/** Last seq known to be durable. Changes under SYNC_LOCK and APPEND_LOCK. */
export const DURABLE_SEQ = 3
/** Where the next byte goes in the current segment. FLUSH_LOCK, as SEGMENT_FIRST and WRITES. */
export const POSITION = 4
/** First seq of the current segment, as in its name. */
export const SEGMENT_FIRST = 5
/** Count of write(2) calls for records. */
export const WRITES = 6
/** Count of fdatasync calls on segments. SYNC_LOCK. */
export const SYNCS = 7
/** The last seq when the journal was started. Constant. */
export const START_SEQ = 8
const FLOAT64_WORDS = 16

/** `bufferBytes` bounds the bytes that wait for a write(2), and so the largest record: a multiple of 8. */
export function createJournalShared(bufferBytes: number = WAL_BUFFER): JournalShared {
  if (bufferBytes < 64 || bufferBytes % 8 !== 0)
    throw new HoltError('HOLT_INVALID', `WAL buffer of ${bufferBytes} bytes`)
  return {
    control: new SharedArrayBuffer(INT32_WORDS * 4 + FLOAT64_WORDS * 8),
    buffer: new SharedArrayBuffer(bufferBytes),
  }
}

export function int32Words(shared: JournalShared): Int32Array {
  return new Int32Array(shared.control, 0, INT32_WORDS)
}

export function float64Words(shared: JournalShared): Float64Array {
  return new Float64Array(shared.control, INT32_WORDS * 4, FLOAT64_WORDS)
}
