/**
 * The changes that one thread makes. Single puts and deletes take the shared side of the mutation gate, and the exclusive
 * one where that does not do; batches have the exclusive side from {@link Changes.begin} to commit or abort. Each is one
 * record of the log: logged, applied, acknowledged.
 */
import { HoltError } from '../errors.ts'
import { MAX_KEY, MAX_VALUE } from '../limits.ts'
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
import { assertNotFailed } from './checkpoint.ts'
import type { FollowUp } from './follow-up.ts'
import type { Gate } from './gate.ts'
import { asValue, type Bytes, KeyBytes, keyTooLong, valueTooLong } from './key-value.ts'
import { EXCLUSIVE, type Log } from './latch.ts'
import { type LoadEntry, type LoadSummary, load, slotsOfChunk } from './load.ts'
import { RECORD_LOAD } from './load-chunk.ts'
import type { Pool } from './pool.ts'
import { C_CLOSED, C_LONGEST_KEY } from './shared.ts'
import { failedToApply, SingleChange } from './single-change.ts'
import { compareBytes } from './walker/bytes.ts'
import { ANY_VERSION } from './walker/insert.ts'
import { Lookup } from './walker/lookup.ts'
import { LiveResidency } from './walker/residency.ts'
import type { RouteCache } from './walker/route-cache.ts'
import { Scan } from './walker/scan.ts'

/** Slots a change may need: copies aside, a new blob, a compaction. */
const SLOTS_A_CHANGE = 4

const NOTHING = new Uint8Array(0)

export class Changes {
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #log: Log
  readonly #followUp: FollowUp
  readonly #readOnly: boolean
  readonly #lookup: Lookup
  readonly #probe: Scan
  readonly #apply: Apply
  readonly #batch = new Batch()
  readonly #single: SingleChange
  readonly #key = new KeyBytes()
  readonly #otherKey = new KeyBytes()
  #entered = false

  constructor(pool: Pool, gate: Gate, log: Log, followUp: FollowUp, routes: RouteCache, readOnly: boolean) {
    this.#pool = pool
    this.#gate = gate
    this.#log = log
    this.#followUp = followUp
    this.#readOnly = readOnly
    this.#lookup = new Lookup(pool, gate, new LiveResidency(pool, gate), routes)
    this.#probe = new Scan(pool, gate)
    this.#apply = new Apply(pool, routes)
    this.#single = new SingleChange(pool, gate, log, this.#batch, routes)
  }

  /** Returns the seq, or undefined when the record does not have the version `condition`; 0: when it is not absent. */
  put(key: Bytes, value: Bytes, condition: number): number | undefined {
    const bytes = asValue(value)
    const length = this.#stageAlone(CHANGE_PUT, key, bytes)
    let seq = this.#single.put(length, bytes.length, condition)
    if (seq === EXCLUSIVE) seq = this.#exclusively(length, condition)
    else if (seq !== 0) this.#followUp.run(seq)
    return seq === 0 ? undefined : seq
  }

  /** False when there is no record, or it does not have the version `condition`. */
  delete(key: Bytes, condition: number): boolean {
    const length = this.#stageAlone(CHANGE_DELETE, key, NOTHING)
    let seq = this.#single.delete(length, condition)
    if (seq === EXCLUSIVE) seq = this.#exclusively(length, condition)
    else if (seq !== 0) this.#followUp.run(seq)
    return seq !== 0
  }

  /** Makes the batch hold one change and nothing else; returns the length of its key. */
  #stageAlone(kind: number, key: Bytes, second: Uint8Array): number {
    this.#assertMayChange()
    this.#batch.reset()
    const bytes = this.#key.of(key)
    const { length } = this.#key
    this.#batch.add(kind, bytes, length, second, 0, second.length)
    return length
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

  /** False when `from` is absent, or when `to` is there and `replace` is not set. */
  rename(from: Bytes, to: Bytes, replace: boolean): boolean {
    this.begin()
    try {
      if (!this.#stageRenameUnless(from, to, replace)) this.#batch.reset()
    } catch (error) {
      this.abort()
      throw error
    }
    const isStaged = this.#batch.count > 0
    this.commit()
    return isStaged
  }

  #stageRenameUnless(from: Bytes, to: Bytes, replace: boolean): boolean {
    const f = this.#key.of(from)
    const t = this.#otherKey.of(to)
    const fromLength = this.#key.length
    const toLength = this.#otherKey.length
    const lookup = this.#lookup
    if (!lookup.get(f, 0, fromLength, undefined, 0)) return false
    const isSame = compareBytes(f, 0, fromLength, t, 0, toLength) === 0
    if (!replace && !isSame && lookup.get(t, 0, toLength, undefined, 0)) return false
    this.stageRename(f, fromLength, t, toLength)
    return true
  }

  /** Runs guards and changes as one record; false when a guard failed. */
  atomic(describe: (batch: AtomicBatch) => void): boolean {
    this.begin()
    const staging = new Staging(this, this.#batch, this.#lookup, this.#probe)
    try {
      if ((describe(staging) as unknown) instanceof Promise) {
        throw new HoltError('HOLT_INVALID', 'an atomic function is synchronous: what it awaits comes too late')
      }
    } catch (error) {
      this.abort()
      throw error
    } finally {
      staging.end()
    }
    if (staging.held) this.commit()
    else this.abort()
    return staging.held
  }

  /** Each chunk has the exclusive side of the gate for itself, and is one record. */
  load(entries: Iterable<LoadEntry>): LoadSummary {
    this.#assertMayChange()
    return load(entries, chunk => {
      this.begin()
      let seq: number
      try {
        seq = this.#logAndApply(RECORD_LOAD, chunk.bytes, chunk.length, slotsOfChunk(chunk, this.#pool.frames))
      } finally {
        this.#leave()
      }
      this.#followUp.run(seq)
      return seq
    })
  }

  begin(): void {
    this.#assertMayChange()
    this.#enter()
    this.#batch.reset()
  }

  /** Bytes that no key exceeds: an upper bound, which only grows. */
  longestKey(): number {
    return Atomics.load(this.#pool.control, C_LONGEST_KEY)
  }

  /** Throws HOLT_CLOSED or HOLT_READ_ONLY. */
  assertWritable(): void {
    if (this.#pool.control[C_CLOSED] !== 0) throw new HoltError('HOLT_CLOSED', 'the store is closed')
    if (this.#readOnly) throw new HoltError('HOLT_READ_ONLY', 'the store is open read-only')
  }

  #assertMayChange(): void {
    this.assertWritable()
    assertNotFailed(this.#pool)
    if (this.#entered) throw new HoltError('HOLT_INVALID', 'a change begins inside another one')
  }

  #enter(): void {
    this.#gate.enter()
    this.#entered = true
  }

  stagePut(key: Uint8Array, keyLength: number, value: Uint8Array, valueAt: number, valueLength: number): void {
    if (keyLength > MAX_KEY) throw keyTooLong(keyLength)
    if (valueLength > MAX_VALUE) throw valueTooLong(valueLength)
    this.#batch.add(CHANGE_PUT, key, keyLength, value, valueAt, valueLength)
  }

  stageDelete(key: Uint8Array, keyLength: number): void {
    if (keyLength > MAX_KEY) throw keyTooLong(keyLength)
    this.#batch.add(CHANGE_DELETE, key, keyLength, NOTHING, 0, 0)
  }

  stageRename(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void {
    if (fromLength > MAX_KEY || toLength > MAX_KEY) throw keyTooLong(Math.max(fromLength, toLength))
    this.#batch.add(CHANGE_RENAME, from, fromLength, to, 0, toLength)
  }

  stageRenamePrefix(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void {
    if (fromLength > MAX_KEY || toLength > MAX_KEY) throw keyTooLong(Math.max(fromLength, toLength))
    this.#batch.add(CHANGE_RENAME_PREFIX, from, fromLength, to, 0, toLength)
  }

  commit(): number {
    let seq: number
    try {
      const { bytes, length, count } = this.#batch
      seq = count === 0 ? this.#log.lastSeq() : this.#logAndApply(RECORD_BATCH, bytes, length, SLOTS_A_CHANGE)
    } finally {
      this.#leave()
    }
    if (this.#batch.count > 0) this.#followUp.run(seq)
    return seq
  }

  abort(): void {
    this.#batch.reset()
    this.#leave()
  }

  #leave(): void {
    this.#entered = false
    this.#gate.leave(true)
  }

  #logAndApply(type: number, bytes: Uint8Array, length: number, slots: number): number {
    this.#pool.slots.reserve(slots)
    const seq = this.#log.append(type, bytes, length)
    try {
      this.#apply.run(type, bytes, length, seq)
    } catch (cause) {
      throw failedToApply(this.#pool, seq, cause)
    }
    return seq
  }
}
