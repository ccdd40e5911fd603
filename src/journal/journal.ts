/**
 * The write-ahead log as its users see it: append a record, then commit it at the durability chosen. Several threads
 * share one journal; each has its own Journal object over the same shared memory.
 *
 * Guarantees: file order is seq order. A segment is begun only when the one before is durable to its end, and its own
 * header and directory entry are durable before a record goes there: after a power cut the log is a prefix of what was
 * appended, apart from bytes never synced. After a failed write or fsync nothing is acknowledged any more.
 *
 * Left to others: what bodies mean, reading (replay.ts), when to sync and trim, the periodic flush of `async`.
 */

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { HoltError } from '../errors.ts'
import { MAX_RECORD } from '../limits.ts'
import { Mutex } from './mutex.ts'
import { recordBytes, SEAL } from './record.ts'
import { Ring } from './ring.ts'
import { createSegment, listSegments, SEGMENT_HEADER } from './segments.ts'
import {
  APPENDED,
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

/** What an acknowledged record survives: `process` the end of the process, `sync` a power cut, `async` neither. */
export type Durability = 'process' | 'sync' | 'async'

export interface JournalOptions {
  durability: Durability
  /** Bytes after which a segment is closed; it may exceed them by what one write holds. */
  segmentBytes: number
}

export interface JournalCounters {
  appends: number
  writes: number
  syncs: number
  bytes: number
}

/** With `async`, bytes that wait before a commit writes them. */
const ASYNC_BYTES = 64 * 1024
/** Conditions that pass by themselves: the bytes stay in the buffer and a later flush tries again. */
const RETRIABLE = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'])

export class Journal {
  readonly #storage: Storage
  readonly #directory: string
  readonly #options: JournalOptions
  readonly #ring: Ring
  readonly #words: Int32Array
  readonly #numbers: Float64Array
  readonly #syncLock: Mutex
  readonly #flushLock: Mutex

  /**
   * Starts writing after a replay that ended at `lastSeq`, in a new segment; one of the same name holds no record and
   * is overwritten. Makes what earlier segments hold durable first. Throws HOLT_IO, HOLT_INVALID when the directory
   * holds later records.
   */
  static start(
    storage: Storage,
    directory: string,
    shared: JournalShared,
    lastSeq: number,
    options: JournalOptions,
  ): Journal {
    const journal = new Journal(storage, directory, shared, options)
    journal.#start(lastSeq)
    return journal
  }

  /**
   * Attaches another thread to a started journal; `options` are those of the start. The thread must be a Worker with
   * `trackUnmanagedFds: false`: it may open the segment that others go on writing, and Node would close it at its end.
   */
  static attach(storage: Storage, directory: string, shared: JournalShared, options: JournalOptions): Journal {
    return new Journal(storage, directory, shared, options)
  }

  private constructor(storage: Storage, directory: string, shared: JournalShared, options: JournalOptions) {
    this.#storage = storage
    this.#directory = directory
    this.#options = options
    this.#ring = new Ring(shared)
    this.#words = int32Words(shared)
    this.#numbers = float64Words(shared)
    this.#syncLock = new Mutex(this.#words, SYNC_LOCK)
    this.#flushLock = new Mutex(this.#words, FLUSH_LOCK)
  }

  /**
   * Takes one record, a copy of the first `length` bytes of `body`, and returns its seq. `type` is 1 to 255. Throws,
   * always before anything is taken: HOLT_BATCH_TOO_LARGE above MAX_RECORD or the buffer, HOLT_FULL when the buffer is
   * full and cannot be written for want of space, HOLT_FAILED, HOLT_CLOSED.
   */
  append(type: number, body: Uint8Array, length: number): number {
    this.#check()
    if (type <= SEAL || type > 255) throw new HoltError('HOLT_INVALID', `record type ${type}`)
    if (length > MAX_RECORD || recordBytes(length) > this.#ring.capacity) {
      throw new HoltError('HOLT_BATCH_TOO_LARGE', `a log record of ${length} bytes: at most ${MAX_RECORD}`)
    }
    for (;;) {
      const seq = this.#ring.append(type, body, length)
      if (seq !== 0) return seq
      this.#makeRoom()
    }
  }

  /**
   * Returns when `seq` is acknowledged: `async` at once (it writes when 64 KB wait), `process` when the kernel has it,
   * `sync` when it is durable; one fdatasync serves all who wait. Throws HOLT_IO (retry is allowed while `failed()` is
   * false), HOLT_FAILED, HOLT_CLOSED.
   */
  commit(seq: number): void {
    const durability = this.#options.durability
    if (durability === 'process') this.#writeTo(seq)
    else if (durability === 'sync') this.#syncTo(seq)
    else if (Atomics.load(this.#words, PENDING) >= ASYNC_BYTES) this.flush()
    else this.#check()
  }

  /** Hands everything appended to the kernel. Throws as commit. */
  flush(): void {
    this.#writeTo(this.lastSeq())
  }

  /** Makes everything appended before the call durable and returns the seq up to which it is. Throws as commit. */
  sync(): number {
    return this.#syncTo(this.lastSeq())
  }

  lastSeq(): number {
    return this.#ring.number(LAST_SEQ)
  }

  durableSeq(): number {
    return this.#ring.number(DURABLE_SEQ)
  }

  writtenSeq(): number {
    return this.#ring.number(WRITTEN_SEQ)
  }

  /** Bytes appended since the start. */
  appendedBytes(): number {
    return this.#ring.number(APPENDED)
  }

  /** Whether a write or fsync failed: the store must be reopened. */
  failed(): boolean {
    return Atomics.load(this.#words, FAILED) !== 0
  }

  /** Deletes the segments that hold no record above `seq`; never the current one. Throws HOLT_IO. */
  trim(seq: number): void {
    this.#check()
    this.#flushLock.lock()
    const current = this.#numbers[SEGMENT_FIRST]
    this.#flushLock.unlock()
    const segments = listSegments(this.#storage, this.#directory)
    try {
      for (let i = 0; i + 1 < segments.length; i++) {
        if (segments[i].first >= current || segments[i + 1].first > seq + 1) break
        this.#storage.unlink(join(this.#directory, segments[i].name))
      }
    } catch (cause) {
      throw new HoltError('HOLT_IO', `${this.#directory}: cannot delete a log segment`, { applied: 'unknown', cause })
    }
  }

  counters(): JournalCounters {
    return {
      appends: this.lastSeq() - this.#numbers[START_SEQ],
      writes: this.#numbers[WRITES],
      syncs: this.#numbers[SYNCS],
      bytes: this.appendedBytes(),
    }
  }

  /**
   * Syncs, seals the log and closes its descriptor; only the thread that started it calls this, after all others have
   * stopped. The descriptor is closed even when the sync throws (HOLT_IO). After a failure it only closes.
   */
  close(): void {
    if (Atomics.load(this.#words, OPEN) === 0) return
    try {
      if (!this.failed()) {
        this.sync()
        this.#seal()
      }
    } finally {
      Atomics.store(this.#words, OPEN, 0)
      this.#storage.close(this.#words[DESCRIPTOR])
    }
  }

  #start(lastSeq: number): void {
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

  #check(): void {
    if (Atomics.load(this.#words, FAILED) !== 0) {
      throw new HoltError('HOLT_FAILED', 'a write-ahead log fsync failed earlier: reopen the store', {
        applied: 'unknown',
      })
    }
    if (Atomics.load(this.#words, OPEN) === 0) throw new HoltError('HOLT_CLOSED', 'the write-ahead log is closed')
  }

  #makeRoom(): void {
    try {
      this.flush()
    } catch (error) {
      if (this.failed() || !(error instanceof HoltError) || error.code !== 'HOLT_IO') throw error
      throw new HoltError('HOLT_FULL', 'no space to write the log', { cause: error })
    }
  }

  #writeTo(seq: number): void {
    this.#check()
    this.#flushLock.lock()
    try {
      if (this.#numbers[WRITTEN_SEQ] >= seq) return
      if (this.#numbers[POSITION] < this.#options.segmentBytes) {
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

  #syncTo(seq: number): number {
    this.#check()
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
    this.#check()
    if (Atomics.load(this.#words, PENDING) === 0) return
    if (this.#numbers[POSITION] >= this.#options.segmentBytes) this.#rotate()
    this.#writePending()
  }

  /** Under FLUSH_LOCK. */
  #writePending(): void {
    this.#check()
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

  #seal(): void {
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
