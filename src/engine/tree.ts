/**
 * The tree as its users see it, one object a thread: reads, changes, batches, ranges, checkpoints. Reads take no lock;
 * a change enters the mutation gate, is logged, applied, and acknowledged at the store's durability.
 */
import { HoltError } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import type { Storage } from '../journal/storage.ts'
import type { AtomicBatch } from './atomic.ts'
import { Changes } from './changes.ts'
import { type CheckProgress, checkStructure, type StructureSummary } from './check.ts'
import { assertNotFailed, Checkpoint } from './checkpoint.ts'
import { FollowUp } from './follow-up.ts'
import type { Gate } from './gate.ts'
import { asVersion, type Bytes, KeyBytes } from './key-value.ts'
import { Log } from './latch.ts'
import type { LoadEntry, LoadSummary } from './load.ts'
import { PointReads, type TreeRecord } from './point-reads.ts'
import type { Pool } from './pool.ts'
import { type BorrowedEntry, type Range, type RangeOptions, Ranges } from './range.ts'
import { C_CLOSED } from './shared.ts'
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

const NOTHING = new Uint8Array(0)

export class Tree {
  /** Called once by {@link close}. */
  onClose: () => void = () => {}
  /** Called once, when this tree has made its first change. */
  onFirstChange: () => void = () => {}

  readonly #pool: Pool
  readonly #gate: Gate
  readonly #log: Log
  readonly #checkpoint: Checkpoint | undefined
  readonly #lookup: Lookup
  readonly #reads: PointReads
  readonly #key = new KeyBytes()
  readonly #probe: Scan
  readonly #ranges: Ranges
  readonly #longestPrefix: LongestPrefix
  readonly #views: Views
  readonly #changes: Changes
  readonly #followUp: FollowUp
  #upkeep: Upkeep | undefined

  constructor(parts: TreeParts) {
    const { pool, gate, journal, storage, directory, readOnly = false, background = false } = parts
    this.#pool = pool
    this.#gate = gate
    this.#log = new Log(pool, journal)
    this.#checkpoint =
      journal && storage && directory ? new Checkpoint(pool, gate, journal, storage, directory) : undefined
    const routes = new RouteCache(pool)
    this.#lookup = new Lookup(pool, gate, new LiveResidency(pool, gate), routes)
    this.#reads = new PointReads(this.#lookup)
    this.#probe = new Scan(pool, gate)
    this.#longestPrefix = new LongestPrefix(pool, gate)
    this.#ranges = new Ranges(
      () => new Scan(pool, gate),
      () => this.#assertOpen(),
    )
    this.#views = new Views(pool, gate, () => this.lastSeq())
    this.#followUp = new FollowUp(
      pool,
      journal,
      this.#checkpoint,
      () => this.upkeep,
      () => this.onFirstChange(),
      background,
    )
    this.#changes = new Changes(pool, gate, this.#log, this.#followUp, routes, readOnly)
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
    this.#assertOpen()
    if (typeof second === 'number') {
      return this.#lookup.get(key as Uint8Array, 0, second, third as Uint8Array, at) ? this.#lookup.valueLength : -1
    }
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
    this.#assertOpen()
    const bytes = this.#key.of(key)
    return this.#longestPrefix.record(bytes, this.#key.length)
  }

  /** Whether no key starts with the prefix. */
  isPrefixEmpty(prefix: Bytes): boolean {
    this.#assertOpen()
    const bytes = this.#key.of(prefix)
    this.#probe.seek(bytes, this.#key.length, NOTHING, 0, -1, true, true, 1)
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

  // --- single changes: each is one WAL record ---

  /** Writes a record; returns its version. */
  put(key: Bytes, value: Bytes): number {
    return this.#changes.put(key, value, ANY_VERSION)!
  }

  /** Writes a record unless the key is there; returns its version, or undefined. */
  putIfAbsent(key: Bytes, value: Bytes): number | undefined {
    return this.#changes.put(key, value, 0)
  }

  /** Writes a record if it still has this version (0: if it is absent); returns the new version, or undefined. */
  compareAndPut(key: Bytes, version: number, value: Bytes): number | undefined {
    return this.#changes.put(key, value, asVersion(version))
  }

  /** Removes a record; false when it is absent. */
  delete(key: Bytes): boolean {
    return this.#changes.delete(key, ANY_VERSION)
  }

  /** Removes a record if it still has this version; false when it is absent or has another. */
  deleteIfVersion(key: Bytes, version: number): boolean {
    return this.#changes.delete(key, asVersion(version))
  }

  /** Gives a record another key. False when `from` is absent, or when `to` is there and `replace` is not set. */
  rename(from: Bytes, to: Bytes, options: { replace?: boolean } = {}): boolean {
    return this.#changes.rename(from, to, options.replace === true)
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

  /**
   * Runs guards and changes as one record: all or nothing. False when a guard failed. `describe` is synchronous; when it
   * throws, nothing is changed, and its error goes on to the caller.
   * @throws HoltError HOLT_INVALID inside another change, or when `describe` returns a promise; HOLT_BATCH_TOO_LARGE,
   * HOLT_READ_ONLY, HOLT_FULL, HOLT_IO, HOLT_FAILED, HOLT_CLOSED
   */
  atomic(describe: (batch: AtomicBatch) => void): boolean {
    return this.#changes.atomic(describe)
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
    return this.#changes.load(entries)
  }

  // --- the exclusive section, for callers that read, decide and write as one ---

  /**
   * Enters the mutation gate: until {@link commit} or {@link abort} nobody else changes the tree. Not re-entrant.
   * @throws HoltError HOLT_READ_ONLY, HOLT_FAILED, HOLT_CLOSED
   */
  begin(): void {
    this.#changes.begin()
  }

  /** Stages a put. Nothing is visible before {@link commit}. */
  stagePut(key: Uint8Array, keyLength: number, value: Uint8Array, valueAt: number, valueLength: number): void {
    this.#changes.stagePut(key, keyLength, value, valueAt, valueLength)
  }

  stageDelete(key: Uint8Array, keyLength: number): void {
    this.#changes.stageDelete(key, keyLength)
  }

  /** Stages the move of one record, which replaces one at `to`; without a record at `from` it does nothing. */
  stageRename(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void {
    this.#changes.stageRename(from, fromLength, to, toLength)
  }

  /** Stages the move of a subtree. The caller made sure that nothing exists below `to`, and that neither starts with the other. */
  stageRenamePrefix(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void {
    this.#changes.stageRenamePrefix(from, fromLength, to, toLength)
  }

  /**
   * Logs and applies what was staged as one record, leaves the gate, and returns the record's seq when it is
   * acknowledged at the store's durability; with nothing staged, the last seq.
   */
  commit(): number {
    return this.#changes.commit()
  }

  /** Leaves the gate; nothing is applied. */
  abort(): void {
    this.#changes.abort()
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
    this.#changes.assertWritable()
    return this.#checkpoint?.run() ?? false
  }

  /** The last round of a store that is being closed, and only that: returns the seq that the checkpoint holds. */
  finish(): number {
    return this.#checkpoint!.finish()
  }

  /** Merging and compaction, a blob at a time; it has memory of its own, so that there is none before it is asked for. */
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
    this.#changes.assertWritable()
    assertNotFailed(this.#pool)
    this.#followUp.begin()
    return this.upkeep.compactAll()
  }

  /** Checks the structure of the whole tree, frame by frame; others wait meanwhile. */
  check(progress?: CheckProgress): StructureSummary {
    this.#assertOpen()
    return checkStructure(this.#pool, this.#gate, progress)
  }

  stats(): TreeStatistics {
    return treeStatistics(this.#pool, this.#log.journal)
  }

  /** Closes the store that this tree was opened with; other handles of it throw HOLT_CLOSED from then on. */
  close(): void {
    this.onClose()
  }

  #assertOpen(): void {
    if (this.#pool.control[C_CLOSED] !== 0) throw new HoltError('HOLT_CLOSED', 'the store is closed')
  }
}
