/**
 * Forward range scan without locks: keys in byte order below a prefix, rolled up at a delimiter, streaming in constant
 * memory. Entries are read in batches from one frame at a time, and each is handed out only while that frame is
 * unchanged since it was entered and no subtree was renamed; else the scan seeks again from the last key it handed out.
 * So every entry was in the tree at the moment it was handed out, and none that stays is missed; the scan as a whole is
 * not a snapshot (I19). Only the frame at hand must be resident, so a pool of few frames serves a tree of any depth.
 *
 * An entry is borrowed: its bytes are the scan's own, and what the next call does with them is not said.
 */
import { HoltError } from '../../errors.ts'
import { MAX_KEY } from '../../limits.ts'
import type { Gate } from '../gate.ts'
import type { Pool } from '../pool.ts'
import { BatchOfEntries, MAX_ENTRIES } from './batch-of-entries.ts'
import { compareBytes, copyBytes } from './bytes.ts'
import { CONFLICT, END, fill, PASSED, type Query } from './fill.ts'
import { AFTER, AFTER_ALL_BELOW, AT_OR_AFTER, type Goal, place } from './place.ts'
import { LiveResidency, type Residency } from './residency.ts'
import { PATH_START, Walk } from './walk.ts'

/** Entries of the first batch, when it is not known how many are wanted; each further one is twice as large. */
const FIRST_ENTRIES = 8
/** Conflicts in a row after which the scan keeps writers out while it reads a batch. */
const PATIENCE = 64

export class Scan {
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #walk: Walk
  readonly #batch: BatchOfEntries
  readonly #query: Query = { prefixLength: 0, delimiter: -1, rollup: false, keysOnly: false }
  /** Where to seek: behind the last key of the last batch. */
  readonly #goal: Goal = { key: new Uint8Array(MAX_KEY), length: 0, mode: AT_OR_AFTER }
  /** Index in the batch of the entry handed out last. */
  #index = -1
  #isPlaced = false
  /** Nothing follows the batch. */
  #isLast = true
  #entries = FIRST_ENTRIES
  /** Entries that will still be asked for, at most. */
  #wanted = 0

  constructor(pool: Pool, gate: Gate, residency: Residency = new LiveResidency(pool, gate)) {
    this.#pool = pool
    this.#gate = gate
    this.#walk = new Walk(pool, residency)
    this.#batch = new BatchOfEntries(pool)
  }

  /**
   * Positions before the first key that starts with `prefix` and is greater than `after` (`afterLength` 0: before the
   * first). With a `delimiter` byte (else -1), keys that contain it beyond the prefix are rolled up to one entry that
   * ends with it, or with `rollup` false are skipped; neither walks what lies below. An `after` inside a rolled-up
   * prefix skips the whole of it. `wanted`: how many entries will be asked for at most, so that no more are read.
   */
  seek(
    prefix: Uint8Array,
    prefixLength: number,
    after: Uint8Array,
    afterLength: number,
    delimiter = -1,
    rollup = true,
    keysOnly = false,
    wanted = Number.POSITIVE_INFINITY,
  ): void {
    const query = this.#query
    query.prefixLength = prefixLength
    query.delimiter = delimiter
    query.rollup = rollup
    query.keysOnly = keysOnly
    this.#wanted = wanted
    this.#entries = wanted === Number.POSITIVE_INFINITY ? FIRST_ENTRIES : MAX_ENTRIES
    this.#batch.clear()
    this.#index = -1
    this.#isPlaced = false
    this.#isLast = false
    if (afterLength === 0 || compareBytes(after, 0, afterLength, prefix, 0, prefixLength) < 0) {
      this.#aim(prefix, 0, prefixLength, AT_OR_AFTER)
      return
    }
    // A key behind all that the prefix covers: nothing follows.
    if (afterLength < prefixLength || compareBytes(after, 0, prefixLength, prefix, 0, prefixLength) !== 0) {
      this.#wanted = 0
      return
    }
    let mode = AFTER
    if (delimiter >= 0) {
      for (let i = prefixLength; i < afterLength; i++) {
        if (after[i] !== delimiter) continue
        afterLength = i + 1
        mode = AFTER_ALL_BELOW
        break
      }
    }
    this.#aim(after, 0, afterLength, mode)
  }

  /** Goes to the next entry; false at the end. */
  next(): boolean {
    const i = this.#index + 1
    if (i >= this.#batch.count || !this.#walk.unchanged()) return this.#refill()
    this.#index = i
    return true
  }

  // --- the entry: its key is `bytes[keyAt .. keyAt + keyLength)`, and its value follows ---

  get bytes(): Uint8Array {
    return this.#batch.bytes
  }

  get keyAt(): number {
    return this.#batch.keyAt[this.#index]
  }

  get keyLength(): number {
    return this.#batch.keyLength[this.#index]
  }

  get valueAt(): number {
    return this.#batch.keyAt[this.#index] + this.#batch.keyLength[this.#index]
  }

  get valueLength(): number {
    return Math.max(0, this.#batch.valueLength[this.#index])
  }

  get version(): number {
    return this.#batch.version[this.#index]
  }

  /** It stands for all keys that begin with its key, which ends with the delimiter. It has no value. */
  get isPrefix(): boolean {
    return this.#batch.valueLength[this.#index] < 0
  }

  /** Whether it is the first of a batch: {@link bytes}, up to {@link used}, hold those that follow too. */
  get isFirst(): boolean {
    return this.#index === 0
  }

  /** Bytes of the batch. */
  get used(): number {
    return this.#batch.used
  }

  /** The batch is used up, or not to be believed any more: reads the next one and hands out its first entry. */
  #refill(): boolean {
    this.#drop()
    const walk = this.#walk
    const batch = this.#batch
    for (let attempt = 0; this.#wanted > 0; ) {
      const isPlaced = this.#isPlaced && walk.unchanged()
      if (isPlaced && this.#isLast) return false
      // Until it has succeeded: what is thrown on the way leaves the walk anywhere.
      this.#isPlaced = false
      const outcome = attempt > PATIENCE ? this.#readAlone(isPlaced) : this.#read(isPlaced)
      if (outcome === PASSED) {
        this.#aim(walk.path, PATH_START, walk.pendingDepth, AFTER_ALL_BELOW)
        this.#isPlaced = true
        // An earlier batch may have been the last one, and was not believed to its end.
        this.#isLast = false
        attempt = 0
      } else if (outcome !== CONFLICT && walk.unchanged() && (batch.count > 0 || outcome !== END || !walk.mayLack())) {
        this.#isPlaced = true
        this.#isLast = outcome === END
        this.#entries = Math.min(2 * this.#entries, MAX_ENTRIES)
        if (batch.count > 0) {
          this.#index = 0
          return true
        }
      } else {
        this.#recover()
        attempt++
      }
    }
    return false
  }

  /** Seeks, unless it is there, and reads a batch: an outcome of {@link fill}. */
  #read(isPlaced: boolean): number {
    const walk = this.#walk
    if (!isPlaced && !place(walk, this.#goal, this.#query.prefixLength)) return CONFLICT
    return fill(walk, this.#batch, this.#query, Math.min(this.#entries, this.#wanted))
  }

  /** The same while nobody changes anything: what does not succeed now never will. */
  #readAlone(isPlaced: boolean): number {
    const entered = this.#gate.enter()
    try {
      const outcome = this.#read(isPlaced)
      if (outcome === CONFLICT) this.#walk.isMalformed = true
      return outcome
    } finally {
      this.#gate.leave(entered)
    }
  }

  /** Forgets the batch, and remembers the last entry of it that was handed out as the place from which to go on. */
  #drop(): void {
    const batch = this.#batch
    const i = this.#index
    if (i >= 0) {
      this.#aim(batch.bytes, batch.keyAt[i], batch.keyLength[i], this.isPrefix ? AFTER_ALL_BELOW : AFTER)
      this.#wanted -= i + 1
      this.#index = -1
      // Writers are about: what is read ahead may be for nothing.
      if (i + 1 < batch.count) this.#startSmall()
    }
    batch.clear()
  }

  #startSmall(): void {
    this.#isPlaced = false
    this.#entries = 1
    this.#pool.count('readRestarts')
  }

  /** After a conflict the scan seeks again, unless the frame at hand shows that it would be in vain. */
  #recover(): void {
    const walk = this.#walk
    if (walk.isMalformed && walk.unchanged()) {
      throw new HoltError('HOLT_CORRUPT_FRAME', `blob ${walk.blob()} holds a malformed node`)
    }
    this.#batch.clear()
    this.#startSmall()
  }

  #aim(key: Uint8Array, at: number, length: number, mode: number): void {
    const goal = this.#goal
    if (length > goal.key.length) goal.key = new Uint8Array(2 * length)
    copyBytes(key, at, goal.key, 0, length)
    goal.length = length
    goal.mode = mode
  }
}
