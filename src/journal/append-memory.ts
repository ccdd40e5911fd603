/**
 * The append side of the journal: the memory that takes records, and the lock under which they get seq and place, so
 * that file order is seq order (I20). The memory is one of two, chosen at the start (log-start.ts): the current segment
 * itself, mapped, where a copied record is in the file (mapped-writer.ts); or a ring whose bytes are written to the
 * segment later (ring-writer.ts), in which a record may wrap. A record is built in memory of this thread, before the
 * lock as far as it can be.
 *
 * ROOM says what may be taken: it is the writer's only means to allow, and to stop, stores into the memory. It performs
 * no I/O: who finds no room asks the writer for some.
 */
import { Mutex } from './mutex.ts'
import { RecordBuilder, recordBytes, SEAL } from './record.ts'
import {
  ADDRESS,
  APPEND_AT,
  APPEND_LOCK,
  APPENDED,
  BODIES,
  DURABLE_SEQ,
  float64Words,
  int32Words,
  type JournalShared,
  LAST_SEQ,
  RANGE,
  ROOM,
  SALT,
} from './shared.ts'
import type { FileMapping } from './storage.ts'

const NO_BODY = new Uint8Array(0)

export class AppendMemory {
  readonly lock: Mutex
  readonly #words: Int32Array
  readonly #numbers: Float64Array
  readonly #record = new RecordBuilder()
  readonly #mapping: FileMapping | undefined
  /** The ring; or this thread's view of the mapped segment, which it makes when it first has room there. */
  #bytes: Uint8Array | undefined

  /** For a log that has been started; `mapping` when it is a mapped one. */
  constructor(shared: JournalShared, mapping: FileMapping | undefined) {
    this.#words = int32Words(shared)
    this.#numbers = float64Words(shared)
    this.lock = new Mutex(this.#words, APPEND_LOCK)
    this.#mapping = mapping
    if (mapping === undefined) this.#bytes = new Uint8Array(shared.buffer, 0, shared.bufferBytes)
  }

  /** Takes one record and returns its seq, or 0 when there is no room for it now. */
  append(type: number, body: Uint8Array, length: number): number {
    const words = this.#words
    const numbers = this.#numbers
    const record = this.#record
    record.begin(type, body, length, words[SALT])
    if (this.#bytes === undefined && numbers[ADDRESS] !== 0) this.#view()
    this.lock.lock()
    if (words[ROOM] < record.size) {
      this.lock.unlock()
      return 0
    }
    const seq = numbers[LAST_SEQ] + 1
    this.#put(record.finish(seq, numbers[DURABLE_SEQ]))
    numbers[LAST_SEQ] = seq
    numbers[APPENDED] += record.size
    numbers[BODIES] += length
    this.lock.unlock()
    return seq
  }

  /** Appends the seal of a log that is durable to its end, unless there is no room. Nobody else appends any more. */
  seal(): void {
    const seq = this.#numbers[LAST_SEQ]
    this.lock.lock()
    this.#record.begin(SEAL, NO_BODY, 0, this.#words[SALT])
    if (this.#words[ROOM] >= recordBytes(0)) this.#put(this.#record.finish(seq, seq))
    this.lock.unlock()
  }

  addRoom(bytes: number): void {
    this.lock.lock()
    this.#words[ROOM] += bytes
    this.lock.unlock()
  }

  /** The last seq, once all bytes of that record are in the memory. */
  settledSeq(): number {
    this.lock.lock()
    const seq = this.#numbers[LAST_SEQ]
    this.lock.unlock()
    return seq
  }

  /** Writes a Float64 word that is read under APPEND_LOCK. */
  setNumber(index: number, value: number): void {
    this.lock.lock()
    this.#numbers[index] = value
    this.lock.unlock()
  }

  /** A mapped log has its address for good once it has room. */
  #view(): Uint8Array {
    this.#bytes = this.#mapping!.view(this.#numbers[ADDRESS], this.#numbers[RANGE])
    return this.#bytes
  }

  #put(record: Uint8Array): void {
    const words = this.#words
    const bytes = this.#bytes ?? this.#view()
    const at = words[APPEND_AT]
    const size = record.length
    const toEnd = bytes.length - at
    if (size <= toEnd) {
      bytes.set(record, at)
    } else {
      bytes.set(record.subarray(0, toEnd), at)
      bytes.set(record.subarray(toEnd), 0)
    }
    words[APPEND_AT] = size < toEnd ? at + size : size - toEnd
    words[ROOM] -= size
  }
}
