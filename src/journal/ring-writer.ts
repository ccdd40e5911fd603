/**
 * The writer for storage that cannot map files: records wait in the ring until write(2) hands them to the kernel. One
 * thread writes at a time (FLUSH_LOCK) while others append.
 */
import { type LogPlace, LogWriter } from './log-writer.ts'
import { SEGMENT_HEADER } from './segments.ts'
import { DESCRIPTOR, DURABLE_SEQ, LAST_SEQ, POSITION, ROOM, WRITE_AT, WRITES, WRITTEN_SEQ } from './shared.ts'

/** Bytes that may wait before a record that need not be written now is. */
const LATER_BYTES = 64 * 1024

export class RingWriter extends LogWriter {
  readonly #ring: Uint8Array

  constructor(place: LogPlace) {
    super(place)
    this.#ring = new Uint8Array(place.shared.buffer, 0, place.shared.bufferBytes)
  }

  override makeRoom(): void {
    try {
      this.writeTo(this.numbers[LAST_SEQ])
    } catch (error) {
      throw this.asFull(error)
    }
  }

  override writeTo(seq: number): void {
    this.check()
    this.flushLock.lock()
    try {
      if (this.numbers[WRITTEN_SEQ] >= seq) return
      if (this.numbers[POSITION] < this.segmentBytes) {
        this.#write()
        return
      }
    } finally {
      this.flushLock.unlock()
    }
    this.syncLock.lock()
    try {
      this.settle()
    } finally {
      this.syncLock.unlock()
    }
  }

  override writeLater(): void {
    if (this.#waiting() >= LATER_BYTES) this.writeTo(this.numbers[LAST_SEQ])
    else this.check()
  }

  override writtenSeq(): number {
    return this.numbers[WRITTEN_SEQ]
  }

  protected override settle(): number {
    this.flushLock.lock()
    try {
      this.check()
      if (this.#waiting() > 0) {
        if (this.numbers[POSITION] >= this.segmentBytes) this.#rotate()
        this.#write()
      }
      return this.numbers[WRITTEN_SEQ]
    } finally {
      this.flushLock.unlock()
    }
  }

  override seal(): void {
    if (this.words[DESCRIPTOR] < 0 || this.numbers[POSITION] === SEGMENT_HEADER) return
    this.flushLock.lock()
    try {
      this.memory.seal()
      this.#write()
    } catch {
      // All records are durable; without the seal only less damage can be told from a torn tail.
    } finally {
      this.flushLock.unlock()
    }
  }

  override release(): void {
    // The ring is ordinary memory.
  }

  #waiting(): number {
    return this.#ring.length - this.words[ROOM]
  }

  /** Under FLUSH_LOCK: writes what waits, which ends with the last record. */
  #write(): void {
    this.check()
    const { memory, words, numbers, storage } = this
    memory.lock.lock()
    const pending = this.#waiting()
    const last = numbers[LAST_SEQ]
    memory.lock.unlock()
    if (pending === 0) return
    const ring = this.#ring
    const at = words[WRITE_AT]
    const position = numbers[POSITION]
    const first = Math.min(pending, ring.length - at)
    try {
      storage.write(words[DESCRIPTOR], ring, at, first, position)
      if (first < pending) storage.write(words[DESCRIPTOR], ring, 0, pending - first, position + first)
    } catch (error) {
      throw this.failure('write', error)
    }
    numbers[WRITES] += first < pending ? 2 : 1
    words[WRITE_AT] = (at + pending) % ring.length
    numbers[POSITION] = position + pending
    memory.setNumber(WRITTEN_SEQ, last)
    memory.addRoom(pending)
  }

  /** Under SYNC_LOCK and FLUSH_LOCK: closes the current segment, if there is one, and begins the next one. */
  #rotate(): void {
    const written = this.numbers[WRITTEN_SEQ]
    if (this.numbers[DURABLE_SEQ] < written) {
      this.datasync()
      this.memory.setNumber(DURABLE_SEQ, written)
    }
    const previous = this.nextSegment(written + 1)
    this.numbers[POSITION] = SEGMENT_HEADER
    this.closeQuietly(previous)
  }
}
