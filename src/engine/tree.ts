/**
 * The tree as its users see it, one object a thread: reads, changes, batches, ranges, checkpoints. Reads take no lock;
 * a change enters the mutation gate, is logged, applied, and acknowledged at the store's durability.
 */
import { HoltError } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import type { Storage } from '../journal/storage.ts'
import { MAX_KEY, MAX_USER_KEY, MAX_VALUE, ROUND_WAL_BYTES } from '../limits.ts'
import { Apply } from './apply.ts'
import { type AtomicBatch, Staging } from './atomic.ts'
import {
  Batch,
  CHANGE_DELETE,
  CHANGE_HEAD,
  CHANGE_PUT,
  CHANGE_RENAME,
  CHANGE_RENAME_PREFIX,
  RECORD_BATCH,
} from './batch.ts'
import { checkStructure, type StructureSummary } from './check.ts'
import { assertNotFailed, Checkpoint } from './checkpoint.ts'
import type { Gate } from './gate.ts'
import { assertKey, asValue, asVersion, type Bytes, keyTooLong, valueTooLong } from './key-value.ts'
import { EXCLUSIVE, Log } from './latch.ts'
import { type LoadEntry, type LoadSummary, load, slotsOfChunk } from './load.ts'
import { RECORD_LOAD } from './load-chunk.ts'
import { PointReads, type TreeRecord } from './point-reads.ts'
import type { Pool } from './pool.ts'
import { type BorrowedEntry, type Range, type RangeOptions, Ranges } from './range.ts'
import { C_CLOSED, C_LONGEST_KEY, C_NOTED, N_WAL_AT_ROUND } from './shared.ts'
import { failedToApply, SingleChange } from './single-change.ts'
import { type TreeStatistics, treeStatistics } from './statistics.ts'
import { Upkeep } from './upkeep.ts'
import { type View, Views } from './view.ts'
import { Cursor } from './walker/cursor.ts'
import { ANY_VERSION } from './walker/insert.ts'
import { LongestPrefix, type PrefixRecord } from './walker/longest-prefix.ts'
import { Lookup } from './walker/lookup.ts'
import { LiveResidency } from './walker/residency.ts'
import { RouteCache } from './walker/route-cache.ts'
import { Scan } from './walker/scan.ts'

export interface TreeParts {
  pool: Pool
  gate: Gate
  journal?: Journal
  storage?: Storage
  directory?: string
  readOnly?: boolean
  background?: boolean
}

/** Slots a change may need: copies aside, a new blob, a compaction. */
const SLOTS_A_CHANGE = 4

/** Without a background thread: changes between two looks at the blobs that were noted meanwhile. */
const CHANGES_A_LOOK = 64

const NOTHING = new Uint8Array(0)

export class Tree {
  /** Called once by {@link close}. */
  onClose: () => void = () => {}

  readonly #pool: Pool
  readonly #gate: Gate
  readonly #log: Log
  readonly #checkpoint: Checkpoint | undefined
  readonly #readOnly: boolean
  readonly #inlineRoundBytes: number
  readonly #lookup: Lookup
  readonly #reads: PointReads
  readonly #probe: Scan
  readonly #views: Views
  readonly #apply: Apply
  readonly #batch = new Batch()
  readonly #single: SingleChange
  readonly #keyScratch = Buffer.alloc(MAX_KEY)
  readonly #ranges: Ranges
  readonly #longestPrefix: LongestPrefix
  #entered = false
  #upkeep: Upkeep | undefined
  readonly #tendsInline: boolean
  #sinceLook = 0

  constructor(parts: TreeParts) {
    this.#pool = parts.pool
    this.#gate = parts.gate
    this.#log = new Log(parts.pool, parts.journal)
    this.#readOnly = parts.readOnly ?? false
    this.#tendsInline = parts.background !== true && !this.#readOnly
    // With a background thread, the writer helps only when that is far behind.
    this.#inlineRoundBytes = parts.background ? 4 * ROUND_WAL_BYTES : ROUND_WAL_BYTES
    const residency = new LiveResidency(parts.pool, parts.gate)
    this.#lookup = new Lookup(parts.pool, parts.gate, residency, new RouteCache(parts.pool))
    this.#reads = new PointReads(this.#lookup)
    this.#probe = new Scan(parts.pool, parts.gate)
    this.#longestPrefix = new LongestPrefix(parts.pool, parts.gate)
    this.#ranges = new Ranges(
      () => new Scan(parts.pool, parts.gate),
      () => this.#assertOpen(),
    )
    this.#apply = new Apply(parts.pool, parts.gate)
    this.#single = new SingleChange(parts.pool, parts.gate, this.#log, this.#batch)
    this.#views = new Views(parts.pool, parts.gate, () => this.lastSeq())
    this.#checkpoint =
      parts.journal && parts.storage && parts.directory
        ? new Checkpoint(parts.pool, parts.gate, parts.journal, parts.storage, parts.directory)
        : undefined
  }

  // --- reading ---

  /** The value of a key, as a copy; undefined when it is absent. */
  get(key: Bytes): Buffer | undefined {
    this.#assertOpen()
    return this.#reads.get(key)
  }

  /** The value and version of a key; undefined when it is absent. */
  getRecord(key: Bytes): TreeRecord | undefined {
    this.#assertOpen()
    return this.#reads.getRecord(key)
  }

  /**
   * Copies a value to `target[at..]`, as much as fits, and allocates nothing; returns the value's length in bytes, -1 when
   * the key is absent. The key is a whole one, or the first `keyLength` bytes of a buffer.
   */
  getInto(key: Bytes, target: Uint8Array, at?: number): number
  getInto(key: Uint8Array, keyLength: number, target: Uint8Array, at: number): number
  getInto(key: Bytes, second: Uint8Array | number, third: Uint8Array | number = 0, at = 0): number {
    if (typeof second === 'number') {
      return this.#lookup.get(key as Uint8Array, 0, second, third as Uint8Array, at) ? this.#lookup.valueLength : -1
    }
    this.#assertOpen()
    return this.#reads.getInto(key, second, third as number)
  }

  /**
   * Entries in key order, each the caller's own; the scan goes on while others write, and each entry was in the tree when
   * it was handed out. Constant memory, whatever the size of the range.
   */
  range(options: RangeOptions = {}): Range {
    return this.#ranges.range(options)
  }

  /**
   * The entries of {@link range}, each lent to `visit` for the time of its call: nothing is allocated. Ends when `visit`
   * returns false.
   */
  scan(options: RangeOptions, visit: (entry: BorrowedEntry) => unknown): void {
    this.#ranges.scan(options, visit)
  }

  /** The record with the longest key that is a prefix of `key`, or `key` itself; undefined when there is none. */
  longestPrefix(key: Bytes): PrefixRecord | undefined {
    const bytes = this.#key(key, this.#keyScratch)
    return this.#longestPrefix.record(bytes, this.#length)
  }

  /** Whether no key starts with the prefix. */
  isPrefixEmpty(prefix: Bytes): boolean {
    const bytes = this.#key(prefix, this.#keyScratch)
    this.#probe.seek(bytes, this.#length, NOTHING, 0, -1, true, true, 1)
    return !this.#probe.next()
  }

  /** A reusable cursor for scans that allocate nothing. */
  cursor(): Cursor {
    return new Cursor(this.#pool, this.#gate)
  }

  /**
   * Runs `use` with a view: the tree as it is now, and stays for the view, whoever goes on changing it, this thread
   * included. Views may nest. `use` is synchronous: the view ends when it returns.
   * @throws HoltError HOLT_INVALID inside `atomic` or between {@link begin} and {@link commit}. The view's methods throw
   * HOLT_VIEW_EXPIRED once more was changed since its opening than the pool can keep for it.
   */
  view<T>(use: (view: View) => T): T {
    this.#assertOpen()
    return this.#views.run(use)
  }

  /** Bytes that no key exceeds: an upper bound, which only grows. */
  longestKey(): number {
    return Atomics.load(this.#pool.control, C_LONGEST_KEY)
  }

  // --- single changes: each is one WAL record ---

  /** Writes a record; returns its version. */
  put(key: Bytes, value: Bytes): number {
    return this.#put(key, value, ANY_VERSION)!
  }

  /** Writes a record unless the key is there; returns its version, or undefined. */
  putIfAbsent(key: Bytes, value: Bytes): number | undefined {
    return this.#put(key, value, 0)
  }

  /** Writes a record if it still has this version (0: if it is absent); returns the new version, or undefined. */
  compareAndPut(key: Bytes, version: number, value: Bytes): number | undefined {
    return this.#put(key, value, asVersion(version))
  }

  /** Removes a record; false when it is absent. */
  delete(key: Bytes): boolean {
    return this.#delete(key, ANY_VERSION)
  }

  /** Removes a record if it still has this version; false when it is absent or has another. */
  deleteIfVersion(key: Bytes, version: number): boolean {
    return this.#delete(key, asVersion(version))
  }

  #put(key: Bytes, value: Bytes, condition: number): number | undefined {
    const bytes = asValue(value)
    const length = this.#stageAlone(CHANGE_PUT, key, bytes)
    let seq = this.#single.put(length, bytes.length, condition)
    if (seq === EXCLUSIVE) seq = this.#exclusively(length, condition)
    else if (seq !== 0) this.#acknowledge(seq)
    return seq === 0 ? undefined : seq
  }

  #delete(key: Bytes, condition: number): boolean {
    const length = this.#stageAlone(CHANGE_DELETE, key, NOTHING)
    let seq = this.#single.delete(length, condition)
    if (seq === EXCLUSIVE) seq = this.#exclusively(length, condition)
    else if (seq !== 0) this.#acknowledge(seq)
    return seq !== 0
  }

  /** Makes the batch hold one change and nothing else; returns the length of its key. */
  #stageAlone(kind: number, key: Bytes, second: Uint8Array): number {
    this.#assertMayChange()
    this.#batch.reset()
    const bytes = this.#key(key, this.#keyScratch)
    this.#batch.add(kind, bytes, this.#length, second, 0, second.length)
    return this.#length
  }

  /** The change that is staged, on the exclusive side of the gate; returns its seq, 0 when there is nothing to do. */
  #exclusively(keyLength: number, condition: number): number {
    const { bytes } = this.#batch
    this.#enter()
    try {
      const found = this.#lookup.get(bytes, CHANGE_HEAD, keyLength, undefined, 0) ? this.#lookup.recordVersion : 0
      const isVoid = found === 0 && bytes[0] === CHANGE_DELETE
      if (isVoid || (condition !== ANY_VERSION && found !== condition)) this.#batch.reset()
    } catch (error) {
      this.abort()
      throw error
    }
    const isStaged = this.#batch.count > 0
    const seq = this.commit()
    return isStaged ? seq : 0
  }

  /** Gives a record another key. False when `from` is absent, or when `to` is there and `replace` is not set. */
  rename(from: Bytes, to: Bytes, options: { replace?: boolean } = {}): boolean {
    return this.atomic(batch => batch.rename(from, to, options))
  }

  /**
   * Moves every key that starts with `from` to the same key with `to` in its place, in a time that does not depend on
   * their number. False when no key starts with `from` or one starts with `to`.
   * @throws HoltError HOLT_INVALID when one prefix is empty or starts with the other, HOLT_KEY_TOO_LONG when a key would
   * become longer than 4,096 bytes (found by a walk, when the longest key that the tree ever had would)
   */
  renamePrefix(from: Bytes, to: Bytes): boolean {
    return this.atomic(batch => batch.renamePrefix(from, to))
  }

  /** Runs guards and changes as one record: all or nothing. False when a guard failed. */
  atomic(describe: (batch: AtomicBatch) => void): boolean {
    return this.#guarded(describe) !== undefined
  }

  #guarded(describe: (batch: AtomicBatch) => void): number | undefined {
    this.begin()
    const held = this.#staging(() => {
      const staging = new Staging(this, this.#batch, this.#lookup, this.#probe)
      describe(staging)
      return staging.held
    })
    if (held) return this.commit()
    this.abort()
    return undefined
  }

  /** Runs the part of a change that may throw before anything is applied. */
  #staging<T>(stage: () => T): T {
    try {
      return stage()
    } catch (error) {
      this.abort()
      throw error
    }
  }

  /**
   * Writes records that come in ascending key order, in chunks that are one WAL record each: several times as fast as
   * single puts, and frames are filled well. A key that the tree has gets the new value. Others read and write between
   * two chunks; what was loaded up to a crash stays.
   *
   * When a key does not ascend or is too long, or the iterable throws, everything before that entry is loaded.
   * @throws HoltError HOLT_INVALID (which key, and how many are loaded), HOLT_KEY_TOO_LONG, HOLT_VALUE_TOO_LONG,
   * HOLT_READ_ONLY, HOLT_FULL, HOLT_FAILED, HOLT_CLOSED
   */
  load(entries: Iterable<LoadEntry>): LoadSummary {
    this.#assertWritable()
    return load(entries, chunk => {
      this.begin()
      let seq: number
      try {
        seq = this.#logAndApply(RECORD_LOAD, chunk.bytes, chunk.length, slotsOfChunk(chunk, this.#pool.frames))
      } finally {
        this.#leave()
      }
      this.#acknowledge(seq)
      return seq
    })
  }

  // --- the exclusive section, for callers that read, decide and write as one ---

  /**
   * Enters the mutation gate: until {@link commit} or {@link abort} nobody else changes the tree. Not re-entrant.
   * @throws HoltError HOLT_READ_ONLY, HOLT_FAILED, HOLT_CLOSED
   */
  begin(): void {
    this.#assertMayChange()
    this.#enter()
    this.#batch.reset()
  }

  #assertMayChange(): void {
    this.#assertWritable()
    assertNotFailed(this.#pool)
    if (this.#entered) throw new HoltError('HOLT_INVALID', 'a change begins inside another one')
  }

  #enter(): void {
    this.#gate.enter()
    this.#entered = true
  }

  /** Stages a put. Nothing is visible before {@link commit}. */
  stagePut(key: Uint8Array, keyLength: number, value: Uint8Array, valueAt: number, valueLength: number): void {
    if (keyLength > MAX_KEY) throw keyTooLong(keyLength)
    if (valueLength > MAX_VALUE) throw valueTooLong(valueLength)
    this.#batch.add(CHANGE_PUT, key, keyLength, value, valueAt, valueLength)
  }

  stageDelete(key: Uint8Array, keyLength: number): void {
    if (keyLength > MAX_KEY) throw keyTooLong(keyLength)
    this.#batch.add(CHANGE_DELETE, key, keyLength, NOTHING, 0, 0)
  }

  /** Stages the move of one record, which replaces one at `to`; without a record at `from` it does nothing. */
  stageRename(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void {
    if (fromLength > MAX_KEY || toLength > MAX_KEY) throw keyTooLong(Math.max(fromLength, toLength))
    this.#batch.add(CHANGE_RENAME, from, fromLength, to, 0, toLength)
  }

  /** Stages the move of a subtree. The caller made sure that nothing exists below `to`, and that neither starts with the other. */
  stageRenamePrefix(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void {
    if (fromLength > MAX_KEY || toLength > MAX_KEY) throw keyTooLong(Math.max(fromLength, toLength))
    this.#batch.add(CHANGE_RENAME_PREFIX, from, fromLength, to, 0, toLength)
  }

  /**
   * Logs and applies what was staged as one record, leaves the gate, and returns the record's seq when it is
   * acknowledged at the store's durability; with nothing staged, the last seq.
   */
  commit(): number {
    let seq: number
    try {
      const { bytes, length, count } = this.#batch
      seq = count === 0 ? this.lastSeq() : this.#logAndApply(RECORD_BATCH, bytes, length, SLOTS_A_CHANGE)
    } finally {
      this.#leave()
    }
    if (this.#batch.count > 0) this.#acknowledge(seq)
    return seq
  }

  /** Returns when the record is acknowledged at the store's durability, and does what no background thread does. */
  #acknowledge(seq: number): void {
    const journal = this.#log.journal
    if (journal !== undefined) {
      journal.commit(seq)
      if (journal.appendedBytes() - this.#pool.numbers[N_WAL_AT_ROUND] > this.#inlineRoundBytes) this.#round()
    }
    if (this.#tendsInline && ++this.#sinceLook >= CHANGES_A_LOOK) this.#look()
  }

  /** Tends the blobs that were noted. The change is acknowledged already: what cannot be done now is left. */
  #look(): void {
    this.#sinceLook = 0
    if (this.#pool.control[C_NOTED] === 0) return
    try {
      for (const blob of this.upkeep.collect()) {
        const task = this.upkeep.task(blob)
        if (task !== undefined) while (this.upkeep[task.work](task.blob) === 'done' && task.work === 'gather');
      }
    } catch (error) {
      if (!(error instanceof HoltError)) throw error
    }
  }

  /** The change is acknowledged already: a round that fails is counted, and tried again after as many bytes more. */
  #round(): void {
    try {
      this.#checkpoint?.run()
    } catch (error) {
      if (!(error instanceof HoltError)) throw error
    }
  }

  /** Leaves the gate; nothing is applied. */
  abort(): void {
    this.#batch.reset()
    this.#leave()
  }

  #leave(): void {
    this.#entered = false
    this.#gate.leave(true)
  }

  #logAndApply(type: number, bytes: Uint8Array, length: number, slots: number): number {
    this.#pool.reserve(slots)
    const seq = this.#log.append(type, bytes, length)
    try {
      this.#apply.run(type, bytes, length, seq)
    } catch (cause) {
      throw failedToApply(this.#pool, seq, cause)
    }
    return seq
  }

  // --- the medium ---

  lastSeq(): number {
    return this.#log.lastSeq()
  }

  /** Seq up to which everything is on the medium. */
  durableSeq(): number {
    return this.#log.journal?.durableSeq() ?? this.lastSeq()
  }

  /** Hands everything changed so far to the kernel: what durability `async` leaves to a timer. */
  flush(): void {
    this.#assertOpen()
    this.#log.journal?.flush()
  }

  /** Returns when everything changed so far survives a power cut. */
  sync(): void {
    this.#assertOpen()
    if (this.#log.journal === undefined) return
    assertNotFailed(this.#pool)
    this.#log.journal.sync()
  }

  /** Writes a checkpoint of the tree as it is now; false when the last one is as new. Others go on reading and writing. */
  checkpoint(): boolean {
    this.#assertWritable()
    return this.#checkpoint?.run() ?? false
  }

  /** Merging and compaction, a blob at a time. */
  get upkeep(): Upkeep {
    this.#upkeep ??= new Upkeep(this.#pool, this.#gate, () => this.lastSeq())
    return this.#upkeep
  }

  /**
   * Makes the tree small: merges sparse blobs, packs frames that have dead bytes, and gives those that gain from it the
   * routing layout, in which a record is read from disk without the rest of its frame; the next checkpoint cuts frames.dat
   * to what is left. Returns how many frames it changed. Others go on reading and writing.
   */
  compact(): number {
    this.#assertOpen()
    if (this.#readOnly) throw new HoltError('HOLT_READ_ONLY', 'the store is open read-only')
    assertNotFailed(this.#pool)
    return this.upkeep.compactAll()
  }

  /** Checks the structure of the whole tree, frame by frame; others wait meanwhile. */
  check(): StructureSummary {
    this.#assertOpen()
    return checkStructure(this.#pool, this.#gate)
  }

  stats(): TreeStatistics {
    return treeStatistics(this.#pool, this.#log.journal)
  }

  /** Closes the store that this tree was opened with; other handles of it throw HOLT_CLOSED from then on. */
  close(): void {
    this.onClose()
  }

  // --- keys and values ---

  /** Length of the bytes that {@link #key} returned. */
  #length = 0

  #key(key: Bytes, scratch: Buffer): Uint8Array {
    this.#assertOpen()
    if (typeof key === 'string') {
      this.#length = Buffer.byteLength(key)
      if (this.#length > MAX_USER_KEY) throw keyTooLong(this.#length)
      scratch.write(key)
      return scratch
    }
    assertKey(key)
    this.#length = key.length
    return key
  }

  #assertWritable(): void {
    this.#assertOpen()
    if (this.#readOnly) throw new HoltError('HOLT_READ_ONLY', 'the store is open read-only')
  }

  #assertOpen(): void {
    if (this.#pool.control[C_CLOSED] !== 0) throw new HoltError('HOLT_CLOSED', 'the store is closed')
  }
}
