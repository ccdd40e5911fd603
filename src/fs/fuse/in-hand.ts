/**
 * Which request ends one server after the other: before a worker carries out what an earlier server had read and not
 * answered, it notes that in a pipe to the supervisor, and afterwards that it has come through. So when the server
 * dies, the supervisor knows what it had in hand, and can tell a request that servers die of from those that merely wait.
 *
 * A note is three 32-bit words: worker, and the request's number, or zero for "come through". A pipe takes it whole.
 */
import { writeSync } from 'node:fs'
import { UNIQUE_RESENT } from './wire.ts'

const NOTE_SIZE = 12
const TWO_32 = 4294967296

/** The number that a request has had from its beginning, below 2^53. */
export function firstNumber(uniqueLow: number, uniqueHigh: number): number {
  return (uniqueHigh & ~UNIQUE_RESENT) * TWO_32 + uniqueLow
}

/** The worker's end. */
export class InHandNotes {
  readonly #fd: number
  readonly #note = new Uint8Array(NOTE_SIZE)
  readonly #words = new Uint32Array(this.#note.buffer)

  constructor(fd: number, worker: number) {
    this.#fd = fd
    this.#words[0] = worker
  }

  begin(uniqueLow: number, uniqueHigh: number): void {
    this.#write(uniqueLow, uniqueHigh)
  }

  end(): void {
    this.#write(0, 0)
  }

  #write(low: number, high: number): void {
    this.#words[1] = low
    this.#words[2] = high
    try {
      writeSync(this.#fd, this.#note)
    } catch (error) {
      // The supervisor is gone, and with it who would start another server.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
    }
  }
}

/** The supervisor's end: what one server has in hand. */
export class InHand {
  readonly #byWorker = new Map<number, number>()
  readonly #done: number[] = []
  #rest: Buffer = Buffer.alloc(0)

  /** Takes what came out of the pipe. */
  take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= NOTE_SIZE) {
      const worker = this.#rest.readUInt32LE(0)
      const number = firstNumber(this.#rest.readUInt32LE(4), this.#rest.readUInt32LE(8))
      this.#rest = this.#rest.subarray(NOTE_SIZE)
      const before = this.#byWorker.get(worker)
      if (number !== 0) this.#byWorker.set(worker, number)
      else if (before !== undefined) {
        this.#done.push(before)
        this.#byWorker.delete(worker)
      }
    }
  }

  /** What was begun and not ended. */
  get begun(): Iterable<number> {
    return this.#byWorker.values()
  }

  /** Whether any note came at all. */
  get hasAny(): boolean {
    return this.#byWorker.size + this.#done.length > 0
  }

  /** What was begun and ended. */
  get done(): readonly number[] {
    return this.#done
  }
}
