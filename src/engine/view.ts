/**
 * Views: the tree as it was at one moment, for reading, while others go on changing it. Opening one costs no more for a
 * large tree; what is changed meanwhile is kept for it (`view-table.ts`), within bounds, past which the oldest view
 * expires. A view belongs to the thread that opened it, and ends with the function that it was opened for.
 */
import { HoltError } from '../errors.ts'
import type { Gate } from './gate.ts'
import { asKey, type Bytes } from './key-value.ts'
import { PointReads, type TreeRecord } from './point-reads.ts'
import type { Pool } from './pool.ts'
import { type BorrowedEntry, type Range, type RangeOptions, Ranges } from './range.ts'
import { ViewResidency, viewExpired } from './view-residency.ts'
import { LongestPrefix, type PrefixRecord } from './walker/longest-prefix.ts'
import { Lookup } from './walker/lookup.ts'
import { Scan } from './walker/scan.ts'

/** What reads a view; used again for later ones, because scans have large buffers. */
class Reads {
  readonly residency: ViewResidency
  readonly points: PointReads
  readonly longestPrefix: LongestPrefix
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #idleScans: Scan[] = []

  constructor(pool: Pool, gate: Gate) {
    this.#pool = pool
    this.#gate = gate
    this.residency = new ViewResidency(pool, gate)
    this.points = new PointReads(new Lookup(pool, gate, this.residency))
    this.longestPrefix = new LongestPrefix(pool, gate, this.residency)
  }

  /** The ranges of one view. */
  ranges(check: () => void): Ranges {
    return new Ranges(() => new Scan(this.#pool, this.#gate, this.residency), check, this.#idleScans)
  }
}

/** Opens and closes the views of one thread. */
export class Views {
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #lastSeq: () => number
  readonly #idle: Reads[] = []

  constructor(pool: Pool, gate: Gate, lastSeq: () => number) {
    this.#pool = pool
    this.#gate = gate
    this.#lastSeq = lastSeq
  }

  /** Runs `use` with a view of the tree as it is now. */
  run<T>(use: (view: View) => T): T {
    const view = this.open()
    try {
      return use(view)
    } finally {
      this.close(view)
    }
  }

  open(): View {
    if (this.#gate.held) throw new HoltError('HOLT_INVALID', 'a view is opened inside a change: open it before')
    const reads = this.#idle.pop() ?? new Reads(this.#pool, this.#gate)
    const entered = this.#gate.enter()
    try {
      reads.residency.open()
      return new View(reads, this.#lastSeq())
    } finally {
      this.#gate.leave(entered)
    }
  }

  close(view: View): void {
    const reads = view.end()
    reads.residency.close()
    this.#idle.push(reads)
  }
}

/**
 * The tree as it was when the view was opened. Every call may throw HoltError HOLT_VIEW_EXPIRED, when more was changed
 * since than can be kept, and HOLT_INVALID after the function that the view was opened for has returned.
 */
export class View {
  /** Seq of the last change that the view shows. */
  readonly seq: number
  readonly #reads: Reads
  readonly #ranges: Ranges
  #ended = false

  /** Views are opened by `tree.view`. */
  constructor(reads: Reads, seq: number) {
    this.#reads = reads
    this.#ranges = reads.ranges(() => {
      this.#assertNotEnded()
      this.#assertOpen()
    })
    this.seq = seq
  }

  /** The value of a key, as a copy; undefined when it is absent. */
  get(key: Bytes): Buffer | undefined {
    this.#assertNotEnded()
    const value = this.#reads.points.get(key)
    this.#assertOpen()
    return value
  }

  /** The value and version of a key; undefined when it is absent. */
  getRecord(key: Bytes): TreeRecord | undefined {
    this.#assertNotEnded()
    const record = this.#reads.points.getRecord(key)
    this.#assertOpen()
    return record
  }

  /** Copies a value to `target[at..]`, as much as fits; returns its length in bytes, -1 when the key is absent. */
  getInto(key: Bytes, target: Uint8Array, at = 0): number {
    this.#assertNotEnded()
    const length = this.#reads.points.getInto(key, target, at)
    this.#assertOpen()
    return length
  }

  /** The record with the longest key that is a prefix of `key`, or `key` itself; undefined when there is none. */
  longestPrefix(key: Bytes): PrefixRecord | undefined {
    this.#assertNotEnded()
    const bytes = asKey(key)
    const record = this.#reads.longestPrefix.record(bytes, bytes.length)
    this.#assertOpen()
    return record
  }

  /** Entries in key order, each the caller's own. Constant memory, whatever the size of the range. */
  range(options: RangeOptions = {}): Range {
    return this.#ranges.range(options)
  }

  /** The entries of {@link range}, each lent to `visit` for the time of its call. Ends when `visit` returns false. */
  scan(options: RangeOptions, visit: (entry: BorrowedEntry) => unknown): void {
    this.#ranges.scan(options, visit)
  }

  /** Whether no key starts with the prefix. */
  isPrefixEmpty(prefix: Bytes): boolean {
    for (const _ of this.range({ prefix, limit: 1, keysOnly: true })) return false
    return true
  }

  /** The view is over: called by whom it was opened by, who gets back what reads it. */
  end(): Reads {
    this.#ended = true
    return this.#reads
  }

  #assertNotEnded(): void {
    if (this.#ended) throw new HoltError('HOLT_INVALID', 'the view has ended with the function that it was opened for')
  }

  #assertOpen(): void {
    if (!this.#reads.residency.isOpen()) throw viewExpired()
  }
}
