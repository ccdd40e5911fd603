/**
 * The file side of the journal: hands the ring to the kernel, makes it durable, rotates segments. One thread writes at
 * a time (FLUSH_LOCK) while others append; one syncs (SYNC_LOCK) while others append and write, and its fdatasync serves
 * all who wait. Every failure passes through here and decides whether the log may still be believed.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { HoltError } from '../errors.ts'
import { Mutex } from './mutex.ts'
import type { Ring } from './ring.ts'
import { createSegment, listSegments, SEGMENT_HEADER } from './segments.ts'
import {
  DESCRIPTOR,
  DURABLE_SEQ,
  FAILED,
  FLUSH_LOCK,
  float64Words,
  int32Words,
  type JournalShared,
  LAST_SEQ,
  OPEN,
  PENDING,
  POSITION,
  SALT,
  SEGMENT_FIRST,
  START_SEQ,
  SYNC_LOCK,
  SYNCS,
  WRITE_AT,
  WRITES,
  WRITTEN_SEQ,
} from './shared.ts'
import type { Storage } from './storage.ts'

/** Conditions that pass by themselves: the bytes stay in the buffer and a later flush tries again. */
const RETRIABLE = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'])

export class LogWriter {
  readonly #storage: Storage
  readonly #directory: string
  readonly #segmentBytes: number
  readonly #ring: Ring
  readonly #words: Int32Array
  readonly #numbers: Float64Array
  readonly #syncLock: Mutex
  readonly #flushLock: Mutex

  constructor(storage: Storage, directory: string, shared: JournalShared, ring: Ring, segmentBytes: number) {
    this.#storage = storage
    this.#directory = directory
    this.#segmentBytes = segmentBytes
    this.#ring = ring
    this.#words = int32Words(shared)
    this.#numbers = float64Words(shared)
    this.#syncLock = new Mutex(this.#words, SYNC_LOCK)
    this.#flushLock = new Mutex(this.#words, FLUSH_LOCK)
  }

  /** Begins the first segment of this run, after making durable what the last one of an earlier run holds. */
  begin(lastSeq: number): void {
    const storage = this.#storage
    const directory = this.#directory
    const words = this.#words
    const numbers = this.#numbers
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
    numbers[LAST_SEQ] = lastSeq
    numbers[WRITTEN_SEQ] = lastSeq
    numbers[DURABLE_SEQ] = lastSeq
    numbers[START_SEQ] = lastSeq
    numbers[SEGMENT_FIRST] = lastSeq + 1
    numbers[POSITION] = SEGMENT_HEADER
    Atomics.store(words, OPEN, 1)
  }

  /** First seq of the current segment. */
  segmentFirst(): number {
    this.#flushLock.lock()
    const first = this.#numbers[SEGMENT_FIRST]
    this.#flushLock.unlock()
    return first
  }

  /** Throws HOLT_FAILED or HOLT_CLOSED when nothing can be acknowledged any more. */
  check(): void {
    if (Atomics.load(this.#words, FAILED) !== 0) {
      throw new HoltError('HOLT_FAILED', 'a write-ahead log fsync failed earlier: reopen the store', {
        applied: 'unknown',
      })
    }
    if (Atomics.load(this.#words, OPEN) === 0) throw new HoltError('HOLT_CLOSED', 'the write-ahead log is closed')
  }

  /** Returns when the kernel has record `seq`. */
  writeTo(seq: number): void {
    this.check()
    this.#flushLock.lock()
    try {
      if (this.#numbers[WRITTEN_SEQ] >= seq) return
      if (this.#numbers[POSITION] < this.#segmentBytes) {
        this.#writePending()
        return
      }
    } finally {
      this.#flushLock.unlock()
    }
    this.#rotateAndWrite(seq)
  }

  #rotateAndWrite(seq: number): void {
    this.#syncLock.lock()
    this.#flushLock.lock()
    try {
      if (this.#numbers[WRITTEN_SEQ] < seq) this.#writeRotating()
    } finally {
      this.#flushLock.unlock()
      this.#syncLock.unlock()
    }
  }

  /** Returns, when record `seq` is durable, the last seq that is. */
  syncTo(seq: number): number {
    this.check()
    this.#syncLock.lock()
    try {
      const durable = this.#numbers[DURABLE_SEQ]
      if (durable >= seq) return durable
      return this.#lead()
    } finally {
      this.#syncLock.unlock()
    }
  }

  /** Under SYNC_LOCK: writes and syncs for all who wait. Others append and write while fdatasync runs. */
  #lead(): number {
    this.#flushLock.lock()
    let written = 0
    try {
      this.#writeRotating()
      written = this.#numbers[WRITTEN_SEQ]
    } finally {
      this.#flushLock.unlock()
    }
    if (this.#numbers[DURABLE_SEQ] < written) this.#datasync(written)
    return written
  }

  /** Under SYNC_LOCK and FLUSH_LOCK. */
  #writeRotating(): void {
    this.check()
    if (Atomics.load(this.#words, PENDING) === 0) return
    if (this.#numbers[POSITION] >= this.#segmentBytes) this.#rotate()
    this.#writePending()
  }

  /** Under FLUSH_LOCK. */
  #writePending(): void {
    this.check()
    const ring = this.#ring
    ring.snapshot()
    if (ring.pending === 0) return
    const fd = this.#words[DESCRIPTOR]
    const at = this.#words[WRITE_AT]
    const position = this.#numbers[POSITION]
    const first = Math.min(ring.pending, ring.capacity - at)
    try {
      this.#storage.write(fd, ring.bytes, at, first, position)
      if (first < ring.pending) this.#storage.write(fd, ring.bytes, 0, ring.pending - first, position + first)
    } catch (error) {
      throw this.#failure('write', error, isRetriable(error))
    }
    this.#numbers[WRITES] += first < ring.pending ? 2 : 1
    ring.release()
  }

  /** Under SYNC_LOCK: everything up to `written` is in the current segment or in earlier, durable ones. */
  #datasync(written: number): void {
    try {
      this.#storage.datasync(this.#words[DESCRIPTOR])
    } catch (error) {
      throw this.#failure('sync', error, false)
    }
    this.#numbers[SYNCS] += 1
    this.#ring.setNumber(DURABLE_SEQ, written)
  }

  /** Under SYNC_LOCK and FLUSH_LOCK: closes the current segment and begins the next one. */
  #rotate(): void {
    const written = this.#numbers[WRITTEN_SEQ]
    if (this.#numbers[DURABLE_SEQ] < written) this.#datasync(written)
    const first = written + 1
    const previous = this.#words[DESCRIPTOR]
    try {
      this.#words[DESCRIPTOR] = createSegment(this.#storage, this.#directory, first, this.#words[SALT] >>> 0)
    } catch (error) {
      throw this.#failure('begin a segment of', error, isRetriable(error))
    }
    this.#numbers[SEGMENT_FIRST] = first
    this.#numbers[POSITION] = SEGMENT_HEADER
    try {
      this.#storage.close(previous)
    } catch {
      // Its bytes are durable: nothing is lost with the descriptor.
    }
  }

  /** Marks a log that is durable to its end as such; nobody else uses it any more. */
  seal(): void {
    if (this.#numbers[POSITION] === SEGMENT_HEADER) return
    this.#flushLock.lock()
    try {
      this.#ring.seal()
      this.#writePending()
    } catch {
      // All records are durable; without the seal only less damage can be told from a torn tail.
    } finally {
      this.#flushLock.unlock()
    }
  }

  #failure(what: string, cause: unknown, retriable: boolean): HoltError {
    if (!retriable) Atomics.store(this.#words, FAILED, 1)
    return new HoltError('HOLT_IO', `${this.#directory}: cannot ${what} the log`, { applied: 'unknown', cause })
  }
}

function isRetriable(error: unknown): boolean {
  return RETRIABLE.has((error as NodeJS.ErrnoException).code ?? '')
}

function syncFile(storage: Storage, path: string): void {
  const fd = storage.open(path, constants.O_RDWR)
  try {
    storage.datasync(fd)
  } finally {
    storage.close(fd)
  }
}
