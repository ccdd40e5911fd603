/**
 * The write-ahead log as its users see it: append a record, then commit it at the durability chosen. Several threads
 * share one journal; each has its own Journal object over the same shared memory.
 *
 * Guarantees: file order is seq order. A run begins its first segment when it appends its first record, and touches no
 * file before. A segment is begun only when the one before is durable to its end, and its own
 * header and directory entry are durable before a record goes there: after a power cut the log is a prefix of what was
 * appended, apart from bytes never synced. After a failed write or fsync nothing is acknowledged any more.
 *
 * Left to others: what bodies mean, reading (replay.ts), when to sync and trim, the periodic flush of `async`.
 */
import { join } from 'node:path'
import { HoltError } from '../errors.ts'
import { MAX_RECORD } from '../limits.ts'
import { AppendMemory } from './append-memory.ts'
import type { Durability } from './durability.ts'
import { type LogFound, startLog } from './log-start.ts'
import type { LogWriter } from './log-writer.ts'
import { MappedWriter } from './mapped-writer.ts'
import { recordBytes, SEAL } from './record.ts'
import { RingWriter } from './ring-writer.ts'
import { listSegments } from './segments.ts'
import {
  APPENDED,
  BODIES,
  CLOSED,
  DESCRIPTOR,
  DURABLE_SEQ,
  FAILED,
  float64Words,
  IS_MAPPED,
  int32Words,
  type JournalShared,
  LAST_SEQ,
  START_SEQ,
  STATE,
  SYNCS,
  WRITES,
} from './shared.ts'
import type { Storage } from './storage.ts'

export interface JournalOptions {
  durability: Durability
  /** Bytes after which a segment is closed; it may exceed them by the size of the buffer. */
  segmentBytes: number
}

export interface JournalCounters {
  appends: number
  writes: number
  syncs: number
  bytes: number
  /** Bytes of the records without what the log adds: keys, values, and 8 for each change. */
  bodyBytes: number
}

export class Journal {
  readonly #storage: Storage
  readonly #directory: string
  readonly #options: JournalOptions
  readonly #memory: AppendMemory
  readonly #largest: number
  readonly #words: Int32Array
  readonly #numbers: Float64Array
  readonly #writer: LogWriter

  /**
   * Continues the log behind what a replay found. The first append begins a new segment; before that it cuts what the
   * replay found behind the last record, and makes what earlier segments hold durable. It throws HOLT_INVALID when the
   * directory holds later records.
   */
  static start(
    storage: Storage,
    directory: string,
    shared: JournalShared,
    found: LogFound,
    options: JournalOptions,
  ): Journal {
    startLog(storage, directory, shared, found, options.segmentBytes)
    return new Journal(storage, directory, shared, options)
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
    this.#largest = shared.bufferBytes
    this.#words = int32Words(shared)
    this.#numbers = float64Words(shared)
    const isMapped = this.#words[IS_MAPPED] !== 0
    const mapping = isMapped ? storage.mapping : undefined
    if (isMapped && mapping === undefined) throw new HoltError('HOLT_INVALID', 'a mapped log, but no way to map it')
    const memory = new AppendMemory(shared, mapping)
    const place = { storage, directory, shared, memory, segmentBytes: options.segmentBytes }
    this.#memory = memory
    this.#writer = mapping === undefined ? new RingWriter(place) : new MappedWriter(place, mapping)
  }

  /**
   * Takes one record, a copy of the first `length` bytes of `body`, and returns its seq. `type` is 1 to 255. Throws,
   * always before anything is taken: HOLT_BATCH_TOO_LARGE above MAX_RECORD or the buffer, HOLT_FULL when the log
   * cannot grow for want of space, HOLT_FAILED, HOLT_CLOSED.
   */
  append(type: number, body: Uint8Array, length: number): number {
    this.#writer.check()
    if (type <= SEAL || type > 255) throw new HoltError('HOLT_INVALID', `record type ${type}`)
    if (length > MAX_RECORD || recordBytes(length) > this.#largest) {
      throw new HoltError('HOLT_BATCH_TOO_LARGE', `a log record of ${length} bytes: at most ${MAX_RECORD}`)
    }
    for (;;) {
      const seq = this.#memory.append(type, body, length)
      if (seq !== 0) return seq
      this.#writer.makeRoom(recordBytes(length))
    }
  }

  /**
   * Returns when `seq` is acknowledged: `async` at once (an unmapped log is written when 64 KB wait), `process` when the kernel has it,
   * `sync` when it is durable; one fdatasync serves all who wait. Throws HOLT_IO (retry is allowed while `failed()` is
   * false), HOLT_FAILED, HOLT_CLOSED.
   */
  commit(seq: number): void {
    const durability = this.#options.durability
    if (durability === 'process') this.#writer.writeTo(seq)
    else if (durability === 'sync') this.#writer.syncTo(seq)
    else this.#writer.writeLater()
  }

  /** Hands everything appended to the kernel. Throws as commit. */
  flush(): void {
    this.#writer.writeTo(this.lastSeq())
  }

  /** Makes everything appended before the call durable and returns the seq up to which it is. Throws as commit. */
  sync(): number {
    return this.#writer.syncTo(this.lastSeq())
  }

  // Float64 words are read without their lock: an aligned 64-bit word is read whole on the 64-bit processors that Node
  // runs on, and a thread that only looks must never hold a lock, since it may be ended at any moment.

  lastSeq(): number {
    return this.#numbers[LAST_SEQ]
  }

  durableSeq(): number {
    return this.#numbers[DURABLE_SEQ]
  }

  writtenSeq(): number {
    return this.#writer.writtenSeq()
  }

  /** Bytes appended since the start. */
  appendedBytes(): number {
    return this.#numbers[APPENDED]
  }

  /** Whether a write or fsync failed: the store must be reopened. */
  failed(): boolean {
    return Atomics.load(this.#words, STATE) === FAILED
  }

  /** Deletes the segments that hold no record above `seq`; never the current one. Throws HOLT_IO. */
  trim(seq: number): void {
    this.#writer.check()
    const current = this.#writer.segmentFirst()
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
      bodyBytes: this.#numbers[BODIES],
    }
  }

  /** Whether this run has begun a segment. A written log may hold records that wait for it. */
  hasSegment(): boolean {
    return this.#words[DESCRIPTOR] >= 0
  }

  /** Whether this run has appended nothing. */
  isUntouched(): boolean {
    return this.#numbers[APPENDED] === 0
  }

  /**
   * Ends the log; only the thread that started it calls this, after all others have stopped. When a durable checkpoint
   * holds all records, up to `covered`, the segments are deleted; else the log is synced and sealed. The descriptor is closed even
   * when the sync throws (HOLT_IO). After a failure it only closes.
   */
  close(covered = -1): void {
    if (Atomics.load(this.#words, STATE) === CLOSED) return
    try {
      if (!this.failed() && this.lastSeq() !== covered) {
        this.sync()
        this.#writer.seal()
      }
    } finally {
      const hasFailed = Atomics.exchange(this.#words, STATE, CLOSED) === FAILED
      this.#writer.release()
      const fd = this.#words[DESCRIPTOR]
      this.#words[DESCRIPTOR] = -1
      if (fd >= 0) this.#storage.close(fd)
      // Asked again: from here on nothing is appended, and what was meanwhile stays.
      if (!hasFailed && this.lastSeq() === covered) this.#deleteAll()
    }
  }

  /** What cannot be deleted now is of no use, and goes when the store is closed or trimmed again. */
  #deleteAll(): void {
    try {
      for (const { name } of listSegments(this.#storage, this.#directory)) {
        this.#storage.unlink(join(this.#directory, name))
      }
    } catch {
      // As said.
    }
  }
}
