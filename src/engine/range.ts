/**
 * Ranges as callers of the library see them: entries of their own ({@link Ranges.range}), or borrowed ones
 * ({@link Ranges.scan}) that cost no allocation.
 */
import { asDelimiter, asKey, asLimit, type Bytes } from './key-value.ts'
import type { Scan } from './walker/scan.ts'

export interface RangeOptions {
  prefix?: Bytes
  /** Only keys greater than this one; inside a rolled-up prefix, only what comes after all of it. */
  startAfter?: Bytes
  /** One character (one byte): keys that contain it beyond the prefix are rolled up into one entry. */
  delimiter?: string
  /** Most entries, rolled-up ones included: a whole number from 0 on. Default: all. */
  limit?: number
  /** Values are empty. */
  keysOnly?: boolean
}

export type RangeEntry =
  | { key: Buffer; value: Buffer; version: number; commonPrefix?: undefined }
  | { commonPrefix: Buffer; key?: undefined }

/** An entry that is lent for the time of one call; what its buffer holds later is not said. Not to be written to. */
export interface BorrowedEntry {
  /** Holds the key at `[keyAt, keyAt + keyLength)` and the value at `[valueAt, valueAt + valueLength)`. */
  readonly bytes: Uint8Array
  readonly keyAt: number
  readonly keyLength: number
  readonly valueAt: number
  /** Bytes; 0 with `keysOnly`. */
  readonly valueLength: number
  readonly version: number
  /** It stands for all keys that begin with its key, which ends with the delimiter; it has no value and no version. */
  readonly isPrefix: boolean
}

const NOTHING = new Uint8Array(0)
const EMPTY = Buffer.alloc(0)
/** The class of Buffers over memory that is there already; what `subarray` makes, without its checks. */
const Slice = (
  Buffer as unknown as { [Symbol.species]: new (memory: ArrayBuffer, at: number, length: number) => Buffer }
)[Symbol.species]

export class Ranges {
  readonly #newScan: () => Scan
  readonly #check: () => void
  readonly #idle: Scan[]

  /**
   * `check` throws when what is scanned must not be read any more, or was not to be believed when it was read. `idle`:
   * scans of finished ranges, whose buffers are worth keeping.
   */
  constructor(newScan: () => Scan, check: () => void, idle: Scan[] = []) {
    this.#newScan = newScan
    this.#check = check
    this.#idle = idle
  }

  range(options: RangeOptions): Range {
    return new Range(this.#start(options), this.#check, this.#idle)
  }

  scan(options: RangeOptions, visit: (entry: BorrowedEntry) => unknown): void {
    const scan = this.#start(options)
    try {
      for (;;) {
        this.#check()
        const more = scan.next()
        if (!more || scan.isFirst) this.#check()
        if (!more || visit(scan) === false) return
      }
    } finally {
      this.#idle.push(scan)
    }
  }

  #start(options: RangeOptions): Scan {
    this.#check()
    const prefix = asKey(options.prefix ?? NOTHING)
    const after = asKey(options.startAfter ?? NOTHING)
    const delimiter = asDelimiter(options.delimiter)
    const limit = asLimit(options.limit)
    const scan = this.#idle.pop() ?? this.#newScan()
    scan.seek(prefix, prefix.length, after, after.length, delimiter, true, options.keysOnly ?? false, limit)
    return scan
  }
}

/** The entries of one range, once. Those of a batch share one piece of memory of at most 16 KB, unless one is larger. */
export class Range implements IterableIterator<RangeEntry> {
  #scan: Scan | undefined
  readonly #check: () => void
  readonly #idle: Scan[]
  #memory: ArrayBuffer = NOTHING.buffer
  #offset = 0

  constructor(scan: Scan, check: () => void, idle: Scan[]) {
    this.#scan = scan
    this.#check = check
    this.#idle = idle
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<RangeEntry, undefined> {
    const scan = this.#scan
    if (scan === undefined) return { done: true, value: undefined }
    this.#check()
    const more = scan.next()
    if (!more || scan.isFirst) this.#check()
    if (!more) return this.return()
    if (scan.isFirst) this.#keep(scan)
    const key = new Slice(this.#memory, this.#offset + scan.keyAt, scan.keyLength)
    if (scan.isPrefix) return { done: false, value: { commonPrefix: key } }
    const value =
      scan.valueLength === 0 ? EMPTY : new Slice(this.#memory, this.#offset + scan.valueAt, scan.valueLength)
    return { done: false, value: { key, value, version: scan.version } }
  }

  /** Ends the range before its time. */
  return(): IteratorResult<RangeEntry, undefined> {
    if (this.#scan !== undefined) this.#idle.push(this.#scan)
    this.#scan = undefined
    return { done: true, value: undefined }
  }

  /** Copies the batch: what is handed out is the caller's. */
  #keep(scan: Scan): void {
    const { bytes, used } = scan
    const copy = Buffer.allocUnsafe(used)
    copy.set(used === bytes.length ? bytes : bytes.subarray(0, used))
    this.#memory = copy.buffer as ArrayBuffer
    this.#offset = copy.byteOffset
  }
}
