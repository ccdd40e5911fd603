/**
 * The writer for a mapped segment: appending is a copy into the file's pages, which the kernel has from that moment on
 * as it has the bytes of a write(2), so nothing is left to do when a record is acknowledged with `process`.
 *
 * Only bytes that were written as zeros before, and so have their place on the disk, are stored to: a full disk shows
 * as an error of that write, never as a signal. The file is lengthened in growing steps; zeros behind the last record
 * are the end of the log (replay.ts), and are given back when the segment is closed.
 *
 * Every store into the mapping is made under APPEND_LOCK and within ROOM (I46). So the next segment can take the place of the
 * old one, at the same address, under that lock, and once ROOM is zero for good the range may be unmapped, whatever views
 * other threads still have.
 */
import { type LogPlace, LogWriter } from './log-writer.ts'
import { recordBytes } from './record.ts'
import { SEGMENT_HEADER } from './segments.ts'
import { ADDRESS, APPEND_AT, DESCRIPTOR, DURABLE_SEQ, LAST_SEQ, POSITION, RANGE, ROOM, WRITES } from './shared.ts'
import type { FileMapping } from './storage.ts'

/** Bytes of the first lengthening of a segment; each later one doubles it, up to the largest. */
const FIRST_STEP = 64 * 1024
const LARGEST_STEP = 1024 * 1024
/** With less room than this, who commits lengthens the segment, so that who appends need not wait for it. */
const AHEAD = 32 * 1024

export class MappedWriter extends LogWriter {
  readonly #mapping: FileMapping
  /** Bytes that nobody has ever changed: the ring, which a mapped log does not use. */
  readonly #zeros: Uint8Array

  constructor(place: LogPlace, mapping: FileMapping) {
    super(place)
    this.#mapping = mapping
    this.#zeros = new Uint8Array(place.shared.buffer, 0, place.shared.bufferBytes)
  }

  override makeRoom(size: number): void {
    try {
      if (this.#isRotationDue()) {
        this.syncLock.lock()
        try {
          this.#rotate()
        } finally {
          this.syncLock.unlock()
        }
        return
      }
      this.flushLock.lock()
      try {
        this.#lengthen(size)
      } finally {
        this.flushLock.unlock()
      }
    } catch (error) {
      throw this.asFull(error)
    }
  }

  override writeTo(): void {
    this.check()
    if (this.#isBegun() && (this.words[ROOM] < AHEAD || this.#isRotationDue())) this.#prepare()
  }

  override writeLater(): void {
    this.writeTo()
  }

  override writtenSeq(): number {
    return this.numbers[LAST_SEQ]
  }

  protected override settle(): number {
    if (this.#isBegun()) {
      if (this.#isRotationDue()) this.#unlessItPasses(() => this.#rotate())
      else if (this.words[ROOM] < AHEAD) this.#prepare()
    }
    return this.memory.settledSeq()
  }

  override seal(): void {
    if (!this.#isBegun()) return
    const end = () => this.words[APPEND_AT]
    try {
      if (end() > SEGMENT_HEADER) {
        this.flushLock.lock()
        try {
          this.#lengthen(recordBytes(0))
        } finally {
          this.flushLock.unlock()
        }
        this.memory.seal()
      }
      if (this.numbers[POSITION] > end()) this.storage.truncate(this.words[DESCRIPTOR], end())
    } catch {
      // All records are durable; without the seal only less damage can be told from a torn tail.
    }
  }

  override release(): void {
    this.memory.lock.lock()
    this.words[ROOM] = 0
    if (this.numbers[ADDRESS] !== 0) this.#mapping.unmap(this.numbers[ADDRESS], this.numbers[RANGE])
    this.memory.lock.unlock()
  }

  /** Whether this run has a segment. */
  #isBegun(): boolean {
    return this.words[DESCRIPTOR] >= 0
  }

  /** Also when there is no segment yet. */
  #isRotationDue(): boolean {
    return this.words[APPEND_AT] >= this.segmentBytes
  }

  /** The caller's record is in the kernel already: what passes by itself, or another thread is at, is left for later. */
  #prepare(): void {
    const lock = this.#isRotationDue() ? this.syncLock : this.flushLock
    if (!lock.tryLock()) return
    try {
      this.#unlessItPasses(() => (lock === this.syncLock ? this.#rotate() : this.#lengthen(AHEAD)))
    } finally {
      lock.unlock()
    }
  }

  #unlessItPasses(step: () => void): void {
    try {
      step()
    } catch (error) {
      if (this.hasFailed()) throw error
    }
  }

  /** Under FLUSH_LOCK: makes room for `size` bytes, unless the segment is to be closed. */
  #lengthen(size: number): void {
    const { words, numbers } = this
    this.check()
    const missing = size - words[ROOM]
    // After a rotation that failed nothing more may go here: the name of the next segment is taken.
    if (missing <= 0 || this.#isRotationDue()) return
    const position = numbers[POSITION]
    const step = Math.min(Math.max(position, FIRST_STEP), LARGEST_STEP)
    const end = Math.min(Math.max(position + missing, (Math.floor(position / step) + 1) * step), numbers[RANGE] - 8)
    if (end === position) return
    try {
      for (let at = position; at < end; at += this.#zeros.length) {
        this.storage.write(words[DESCRIPTOR], this.#zeros, 0, Math.min(end - at, this.#zeros.length), at)
      }
    } catch (error) {
      throw this.failure('lengthen', error)
    }
    numbers[WRITES] += 1
    numbers[POSITION] = end
    this.memory.addRoom(end - position)
  }

  /**
   * Under SYNC_LOCK: closes the segment if it is due, or there is none yet, and begins the next one. Others append while
   * the most is synced.
   */
  #rotate(): void {
    if (!this.#isRotationDue()) return
    this.check()
    this.#datasyncAll(this.memory.settledSeq())
    this.flushLock.lock()
    this.memory.lock.lock()
    let end = 0
    let previous = -1
    try {
      const { words, numbers } = this
      end = words[APPEND_AT]
      words[ROOM] = 0
      const last = numbers[LAST_SEQ]
      if (numbers[DURABLE_SEQ] < last) {
        this.datasync()
        numbers[DURABLE_SEQ] = last
      }
      previous = this.nextSegment(last + 1)
      this.#mapNext()
      numbers[POSITION] = SEGMENT_HEADER
      words[APPEND_AT] = SEGMENT_HEADER
    } finally {
      this.memory.lock.unlock()
      this.flushLock.unlock()
    }
    if (previous >= 0) this.#giveBack(previous, end)
  }

  #datasyncAll(last: number): void {
    if (this.numbers[DURABLE_SEQ] >= last) return
    this.datasync()
    this.memory.setNumber(DURABLE_SEQ, last)
  }

  #mapNext(): void {
    try {
      const { numbers } = this
      numbers[ADDRESS] = this.#mapping.map(this.words[DESCRIPTOR], numbers[RANGE], numbers[ADDRESS])
    } catch (cause) {
      // What is at the address now is not known, so there is no other try.
      throw this.failure('map', new Error('mmap failed', { cause }))
    }
  }

  /** The zeros behind the last record of a closed segment are of no use: that they go need not be durable. */
  #giveBack(fd: number, end: number): void {
    try {
      this.storage.truncate(fd, end)
    } catch {
      // Then they stay until the segment is deleted.
    }
    this.closeQuietly(fd)
  }
}
