/**
 * The append side of the journal: takes records, gives them their seq and keeps their bytes in the shared ring until
 * they are written. Seq and place are taken under one lock, so file order is seq order. A record is built in memory of
 * this thread and copied to the ring at once; it may wrap there, in the file it never does.
 *
 * It performs no I/O: who calls `append` makes room when there is none, who writes calls `release`.
 */
import { crc32 } from 'node:zlib'
import { Mutex } from './mutex.ts'
import { PrefixViews } from './prefix-views.ts'
import { RECORD_HEADER, recordBytes, SEAL, writeHeader } from './record.ts'
import {
  APPEND_AT,
  APPEND_LOCK,
  APPENDED,
  DURABLE_SEQ,
  float64Words,
  int32Words,
  type JournalShared,
  LAST_SEQ,
  PENDING,
  POSITION,
  SALT,
  WRITE_AT,
  WRITTEN_SEQ,
} from './shared.ts'

/** A batch below this size costs the thread no new memory. */
const FIRST_SCRATCH = 16 * 1024

export class Ring {
  /** The ring itself, for write(2). */
  readonly bytes: Uint8Array
  readonly capacity: number
  /** Bytes and last seq found by the last `snapshot`. */
  pending = 0
  pendingSeq = 0
  readonly #lock: Mutex
  readonly #words: Int32Array
  readonly #numbers: Float64Array
  readonly #bodies = new PrefixViews()
  readonly #records = new PrefixViews()
  #scratch = new Uint8Array(FIRST_SCRATCH)
  #scratchView = new DataView(this.#scratch.buffer)

  constructor(shared: JournalShared) {
    this.bytes = new Uint8Array(shared.buffer)
    this.capacity = this.bytes.length
    this.#words = int32Words(shared)
    this.#numbers = float64Words(shared)
    this.#lock = new Mutex(this.#words, APPEND_LOCK)
  }

  /** Takes one record and returns its seq, or 0 when the ring has no room for it now. */
  append(type: number, body: Uint8Array, length: number): number {
    const total = recordBytes(length)
    const scratch = this.#prepare(total)
    scratch.set(this.#bodies.of(body, length), RECORD_HEADER)
    for (let i = RECORD_HEADER + length; i < total; i++) scratch[i] = 0
    this.#lock.lock()
    try {
      if (this.capacity - this.#words[PENDING] < total) return 0
      const seq = this.#numbers[LAST_SEQ] + 1
      writeHeader(this.#scratchView, type, length, seq, this.#numbers[DURABLE_SEQ])
      this.#put(total)
      this.#numbers[LAST_SEQ] = seq
      this.#numbers[APPENDED] += total
      return seq
    } finally {
      this.#lock.unlock()
    }
  }

  /** Appends the seal of a log that is durable to its end. The ring is empty and stays locked out by the caller. */
  seal(): void {
    const total = recordBytes(0)
    const seq = this.#numbers[LAST_SEQ]
    this.#prepare(total).fill(0, 0, total)
    writeHeader(this.#scratchView, SEAL, 0, seq, seq)
    this.#lock.lock()
    this.#put(total)
    this.#lock.unlock()
  }

  /** Notes what there is to write: `pending` bytes, which end with the record `pendingSeq`. */
  snapshot(): void {
    this.#lock.lock()
    this.pending = this.#words[PENDING]
    this.pendingSeq = this.#numbers[LAST_SEQ]
    this.#lock.unlock()
  }

  /** Frees what the last `snapshot` found, now written at POSITION. The caller holds FLUSH_LOCK. */
  release(): void {
    const words = this.#words
    const numbers = this.#numbers
    const next = words[WRITE_AT] + this.pending
    words[WRITE_AT] = next >= this.capacity ? next - this.capacity : next
    numbers[POSITION] += this.pending
    this.#lock.lock()
    Atomics.sub(words, PENDING, this.pending)
    numbers[WRITTEN_SEQ] = this.pendingSeq
    this.#lock.unlock()
  }

  /**
   * Reads a Float64 word that changes under APPEND_LOCK, without the lock: an aligned 64-bit word is read whole on the
   * 64-bit processors that Node runs on. A thread that only looks must never hold a lock: it may be ended at any moment.
   */
  number(index: number): number {
    return this.#numbers[index]
  }

  /** Writes a Float64 word that is read under APPEND_LOCK. */
  setNumber(index: number, value: number): void {
    this.#lock.lock()
    this.#numbers[index] = value
    this.#lock.unlock()
  }

  #prepare(total: number): Uint8Array {
    if (total > this.#scratch.length) {
      this.#scratch = new Uint8Array(Math.max(total, 2 * this.#scratch.length))
      this.#scratchView = new DataView(this.#scratch.buffer)
    }
    return this.#scratch
  }

  #put(total: number): void {
    const words = this.#words
    const ring = this.bytes
    const crcAt = total - 4
    const crc = crc32(this.#records.of(this.#scratch, crcAt), words[SALT] >>> 0)
    this.#scratchView.setUint32(crcAt, crc, true)
    const at = words[APPEND_AT]
    const toEnd = this.capacity - at
    if (total <= toEnd) {
      ring.set(this.#records.of(this.#scratch, total), at)
    } else {
      ring.set(this.#scratch.subarray(0, toEnd), at)
      ring.set(this.#scratch.subarray(toEnd, total), 0)
    }
    words[APPEND_AT] = total < toEnd ? at + total : total - toEnd
    Atomics.add(words, PENDING, total)
  }
}
