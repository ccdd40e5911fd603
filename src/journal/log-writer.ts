/**
 * The file side of the journal: brings what was appended into the current segment, makes it durable, rotates segments.
 * How bytes get into the file is left to the two writers, for the ring and for the mapped segment; what is here holds
 * for both. One thread syncs at a time (SYNC_LOCK) while others append, and its fdatasync serves all who wait. Every
 * failure passes through here and decides whether the log may still be believed (I23).
 */
import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { HoltError } from '../errors.ts'
import type { AppendMemory } from './append-memory.ts'
import { Mutex } from './mutex.ts'
import { createSegment, listSegments, segmentName, settled } from './segments.ts'
import {
  DESCRIPTOR,
  DURABLE_SEQ,
  EARLIER,
  EARLIER_END,
  FAILED,
  FLUSH_LOCK,
  float64Words,
  int32Words,
  type JournalShared,
  RUNNING,
  SALT,
  SEGMENT_FIRST,
  STATE,
  SYNC_LOCK,
  SYNCS,
} from './shared.ts'
import type { Storage } from './storage.ts'

const PASSING = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'])

/**
 * Whether a host call has failed for what passes by itself: a later try may succeed, and nothing is lost until then. Never to be
 * asked of a sync (see `settled`).
 */
export function passesByItself(error: unknown): boolean {
  return PASSING.has((error as NodeJS.ErrnoException).code ?? '')
}

/** Bytes of an earlier run's segment that are read and written at a time. */
const REWRITE_PIECE = 1 << 20

export interface LogPlace {
  storage: Storage
  directory: string
  shared: JournalShared
  memory: AppendMemory
  /** Bytes after which a segment is closed. */
  segmentBytes: number
}

export abstract class LogWriter {
  protected readonly storage: Storage
  protected readonly memory: AppendMemory
  protected readonly segmentBytes: number
  protected readonly words: Int32Array
  protected readonly numbers: Float64Array
  protected readonly syncLock: Mutex
  protected readonly flushLock: Mutex
  readonly #directory: string

  constructor(place: LogPlace) {
    this.storage = place.storage
    this.#directory = place.directory
    this.memory = place.memory
    this.segmentBytes = place.segmentBytes
    this.words = int32Words(place.shared)
    this.numbers = float64Words(place.shared)
    this.syncLock = new Mutex(this.words, SYNC_LOCK)
    this.flushLock = new Mutex(this.words, FLUSH_LOCK)
  }

  /** Makes room for a record of `size` bytes, or for a part of it. Throws HOLT_FULL when only the disk has none. */
  abstract makeRoom(size: number): void

  /** Returns when the kernel has record `seq`, which the caller has appended. */
  abstract writeTo(seq: number): void

  /** Takes note that a record was appended that need not be written now. */
  abstract writeLater(): void

  /** Last seq that the kernel has. */
  abstract writtenSeq(): number

  /** Under SYNC_LOCK: returns the last seq that is in the file, all records appended before included. */
  protected abstract settle(): number

  /** Marks a log that is durable to its end as such and gives back room; nobody else uses it any more. */
  abstract seal(): void

  /** Ends all access to the memory. */
  abstract release(): void

  /** First seq of the current segment. */
  segmentFirst(): number {
    this.flushLock.lock()
    const first = this.numbers[SEGMENT_FIRST]
    this.flushLock.unlock()
    return first
  }

  /** Throws HOLT_FAILED or HOLT_CLOSED when nothing can be acknowledged any more. */
  check(): void {
    const state = Atomics.load(this.words, STATE)
    if (state === RUNNING) return
    if (state !== FAILED) throw new HoltError('HOLT_CLOSED', 'the write-ahead log is closed')
    throw new HoltError('HOLT_FAILED', 'a write or fsync of the write-ahead log failed earlier: reopen the store', {
      applied: 'unknown',
    })
  }

  /** Returns, when record `seq` is durable, the last seq that is. */
  syncTo(seq: number): number {
    this.check()
    this.syncLock.lock()
    try {
      const durable = this.numbers[DURABLE_SEQ]
      if (durable >= seq) return durable
      const settled = this.settle()
      if (this.numbers[DURABLE_SEQ] < settled) {
        this.datasync()
        this.memory.setNumber(DURABLE_SEQ, settled)
      }
      return settled
    } finally {
      this.syncLock.unlock()
    }
  }

  /** Under SYNC_LOCK. The caller notes what is durable now. */
  protected datasync(): void {
    try {
      if (this.words[DESCRIPTOR] < 0) this.#settleEarlier()
      else settled(() => this.storage.datasync(this.words[DESCRIPTOR]))
    } catch (error) {
      throw this.failure('sync', error)
    }
    this.numbers[SYNCS] += 1
  }

  /**
   * Under SYNC_LOCK and FLUSH_LOCK, the current segment being durable to its end: begins the one whose first record is
   * `first` and returns the descriptor of the old one, -1 when there was none in this run. After an error of a kind that
   * passes, the next try must have the same `first`: the file may be there already.
   */
  protected nextSegment(first: number): number {
    const previous = this.words[DESCRIPTOR]
    try {
      const replaces = previous < 0 && this.#prepareFirst(first)
      this.words[DESCRIPTOR] = createSegment(this.storage, this.#directory, first, this.words[SALT] >>> 0, replaces)
    } catch (error) {
      if (error instanceof HoltError) throw error
      throw this.failure('begin a segment of', error)
    }
    this.numbers[SEGMENT_FIRST] = first
    return previous
  }

  /**
   * Before the first segment of this run: its directory, and the end of what earlier runs left, are durable (I21, I22). Returns
   * whether one without records is there by that name; it is not written to, as its directory entry may have been lost with a
   * failed sync of an earlier run.
   */
  #prepareFirst(first: number): boolean {
    const segments = listSegments(this.storage, this.#directory)
    if (segments.some(segment => segment.first > first)) {
      throw new HoltError('HOLT_INVALID', `${this.#directory} holds records after ${first - 1}`)
    }
    if (segments.length === 0) {
      this.storage.mkdir(this.#directory)
      this.storage.syncDirectory(dirname(this.#directory))
    }
    this.#settleEarlier()
    return segments.some(segment => segment.first === first)
  }

  /**
   * Under SYNC_LOCK: cuts the last segment of earlier runs behind its last record, and makes it durable. Its bytes are written
   * once more: if an earlier run ended with a failed sync, they are in the host's memory only, and the host thinks that they are not (I22).
   */
  #settleEarlier(): void {
    const { storage, numbers } = this
    if (numbers[EARLIER] === 0) return
    const fd = storage.open(join(this.#directory, segmentName(numbers[EARLIER])), constants.O_RDWR)
    try {
      const end = numbers[EARLIER_END]
      if (storage.size(fd) > end) storage.truncate(fd, end)
      const piece = new Uint8Array(Math.min(end, REWRITE_PIECE))
      for (let at = 0; at < end; at += piece.length) {
        const length = storage.read(fd, piece, 0, Math.min(piece.length, end - at), at)
        storage.write(fd, piece, 0, length, at)
      }
      settled(() => storage.datasync(fd))
    } finally {
      storage.close(fd)
    }
    numbers[EARLIER] = 0
  }

  /** Closes the descriptor of a segment that is durable: nothing is lost with it. */
  protected closeQuietly(fd: number): void {
    if (fd < 0) return
    try {
      this.storage.close(fd)
    } catch {
      // As said.
    }
  }

  /** The error to throw; unless it passes by itself, nothing is acknowledged from now on. */
  protected failure(what: string, cause: unknown): HoltError {
    const passes = passesByItself(cause)
    if (!passes) Atomics.store(this.words, STATE, FAILED)
    return new HoltError('HOLT_IO', `${this.#directory}: cannot ${what} the log`, { applied: 'unknown', cause })
  }

  protected hasFailed(): boolean {
    return Atomics.load(this.words, STATE) === FAILED
  }

  /** For an error of `failure`: HOLT_FULL when it is one that passes, else the error itself. */
  protected asFull(error: unknown): unknown {
    if (this.hasFailed() || !(error instanceof HoltError) || error.code !== 'HOLT_IO') return error
    return new HoltError('HOLT_FULL', 'no space to write the log', { cause: error })
  }
}
