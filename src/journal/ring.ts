/**
 * The append side of the journal: takes records, gives them their seq and keeps their bytes in the shared ring until
 * they are written. Seq and place are taken under one lock, so file order is seq order (I20). A record is built in memory
 * of this thread, before the lock as far as it can be, and copied to the ring at once; it may wrap there, in the file it
 * never does.
 *
 * It performs no I/O: who calls `append` makes room when there is none, who writes calls `release`.
 */
import { Mutex } from './mutex.ts'
import { RecordBuilder, SEAL } from './record.ts'
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

const NO_BODY = new Uint8Array(0)

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
  readonly #record = new RecordBuilder()

  constructor(shared: JournalShared) {
    this.bytes = new Uint8Array(shared.buffer)
    this.capacity = this.bytes.length
    this.#words = int32Words(shared)
    this.#numbers = float64Words(shared)
    this.#lock = new Mutex(this.#words, APPEND_LOCK)
  }

  /** Takes one record and returns its seq, or 0 when the ring has no room for it now. */
  append(type: number, body: Uint8Array, length: number): number {
    const words = this.#words
    const numbers = this.#numbers
    const record = this.#record
    record.begin(type, body, length, words[SALT])
    this.#lock.lock()
    if (this.capacity - words[PENDING] < record.size) {
      this.#lock.unlock()
      return 0
    }
    const seq = numbers[LAST_SEQ] + 1
    this.#put(record.finish(seq, numbers[DURABLE_SEQ]))
    numbers[LAST_SEQ] = seq
    numbers[APPENDED] += record.size
    this.#lock.unlock()
    return seq
  }

  /** Appends the seal of a log that is durable to its end. The ring is empty and stays locked out by the caller. */
  seal(): void {
    const seq = this.#numbers[LAST_SEQ]
    this.#record.begin(SEAL, NO_BODY, 0, this.#words[SALT])
    this.#lock.lock()
    this.#put(this.#record.finish(seq, seq))
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

  #put(record: Uint8Array): void {
    const words = this.#words
    const at = words[APPEND_AT]
    const size = record.length
    const toEnd = this.capacity - at
    if (size <= toEnd) {
      this.bytes.set(record, at)
    } else {
      this.bytes.set(record.subarray(0, toEnd), at)
      this.bytes.set(record.subarray(toEnd), 0)
    }
    words[APPEND_AT] = size < toEnd ? at + size : size - toEnd
    Atomics.add(words, PENDING, size)
  }
}
