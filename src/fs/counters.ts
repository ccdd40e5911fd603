/**
 * Numbers that are never given out twice: inos, readdir cookies, data ids; and the length of the longest path. The
 * running values live in shared memory, the tree holds an upper bound that is raised a block at a time in the commit
 * that crosses it. Everything here runs inside the exclusive section. A restart, or a commit that failed, skips to the
 * bound.
 */
import { HoltError } from '../errors.ts'
import { MAX_PATH } from '../limits.ts'
import { COUNTERS_KEY } from './keys.ts'
import type { Metadata } from './metadata.ts'
import { F_COUNTERS, type SharedState, W_COUNTERS_LOADED } from './shared.ts'

const INO = F_COUNTERS
const COOKIE = F_COUNTERS + 2
const DATA = F_COUNTERS + 4
const LONGEST = F_COUNTERS + 6

const BLOCK = 1024
const FIRST = [2, 3, 1]
const VERSION = 2
const RECORD_SIZE = 40
/** Largest local number of a volume: 33 bits. */
const MAX_INO = 2 ** 33 - 1

/** The counters as the tree holds them: each bound is above every number in use. */
export interface CounterBounds {
  ino: number
  cookie: number
  dataId: number
  /** No path is longer, in bytes. */
  longestPath: number
}

/** Reads the counters record; undefined before the first {@link Counters.next}. */
export function readCounterBounds(metadata: Metadata): CounterBounds | undefined {
  const bytes = new Uint8Array(RECORD_SIZE)
  const length = metadata.getInto(COUNTERS_KEY, COUNTERS_KEY.length, bytes, 0)
  if (length < 0) return undefined
  if (length === RECORD_SIZE && bytes[0] < VERSION) {
    throw new HoltError(
      'HOLT_FORMAT',
      `the store has version ${bytes[0]} of the filesystem, without listings; make a new one`,
    )
  }
  if (length !== RECORD_SIZE || bytes[0] !== VERSION) {
    throw new HoltError('HOLT_CORRUPT_DATA', `a counters record of ${length} bytes, version ${bytes[0]}`)
  }
  const view = new DataView(bytes.buffer)
  const at = (offset: number) => view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32
  return { ino: at(8), cookie: at(16), dataId: at(24), longestPath: at(32) }
}

/** The counters record. */
export function encodeCounterBounds({ ino, cookie, dataId, longestPath }: CounterBounds): Uint8Array {
  const record = new Uint8Array(RECORD_SIZE)
  const view = new DataView(record.buffer)
  record[0] = VERSION
  const bounds = [ino, cookie, dataId, longestPath]
  for (let i = 0; i < bounds.length; i++) {
    view.setUint32(8 + i * 8, bounds[i], true)
    view.setUint32(12 + i * 8, Math.floor(bounds[i] / 2 ** 32), true)
  }
  return record
}

export class Counters {
  readonly #metadata: Metadata
  readonly #shared: SharedState
  #raised = false

  constructor(metadata: Metadata, shared: SharedState) {
    this.#metadata = metadata
    this.#shared = shared
  }

  nextIno(): number {
    const ino = this.#next(INO)
    if (ino > MAX_INO) throw new HoltError('HOLT_FULL', 'the volume has used all its inode numbers')
    return ino
  }

  nextCookie(): number {
    return this.#next(COOKIE)
  }

  nextDataId(): number {
    return this.#next(DATA)
  }

  /** What {@link nextDataId} returns next. May be read anywhere while nobody asks for one. */
  get nextDataIdToGive(): number {
    this.#load()
    return this.#shared.doubles[DATA]
  }

  /** Inos given out so far, those of deleted files too. May be read anywhere. */
  get inosUsed(): number {
    return this.#shared.doubles[INO] || (readCounterBounds(this.#metadata)?.ino ?? 2)
  }

  /** No cookie given out so far is as large. May be read anywhere. */
  get cookiesUsed(): number {
    return this.#shared.doubles[COOKIE] || (readCounterBounds(this.#metadata)?.cookie ?? FIRST[1])
  }

  get longestPath(): number {
    this.#load()
    return this.#shared.doubles[LONGEST]
  }

  /** Takes note that a path of `length` bytes comes to be. */
  notePath(length: number): void {
    this.#load()
    if (length <= this.#shared.doubles[LONGEST]) return
    this.#shared.doubles[LONGEST] = Math.min(MAX_PATH, Math.ceil(length / 64) * 64)
    this.#raised = true
  }

  /** Stages the new bounds if this section raised one; to be called last before a commit. */
  stage(): void {
    if (!this.#raised) return
    const doubles = this.#shared.doubles
    const record = encodeCounterBounds({
      ino: doubles[INO + 1],
      cookie: doubles[COOKIE + 1],
      dataId: doubles[DATA + 1],
      longestPath: doubles[LONGEST],
    })
    this.#metadata.stagePut(COUNTERS_KEY, COUNTERS_KEY.length, record, 0, RECORD_SIZE)
  }

  /** The section ended: a raised bound that was not committed is forgotten, in every thread. */
  ended(committed: boolean): void {
    if (this.#raised && !committed) Atomics.store(this.#shared.words, W_COUNTERS_LOADED, 0)
    this.#raised = false
  }

  #next(counter: number): number {
    this.#load()
    const doubles = this.#shared.doubles
    const value = doubles[counter]
    if (value >= doubles[counter + 1]) {
      doubles[counter + 1] = value + BLOCK
      this.#raised = true
    }
    doubles[counter] = value + 1
    return value
  }

  #load(): void {
    if (Atomics.load(this.#shared.words, W_COUNTERS_LOADED) === 1) return
    const doubles = this.#shared.doubles
    const bounds = readCounterBounds(this.#metadata)
    const values = bounds === undefined ? FIRST : [bounds.ino, bounds.cookie, bounds.dataId]
    for (let i = 0; i < values.length; i++) {
      doubles[INO + 2 * i] = values[i]
      doubles[INO + 2 * i + 1] = values[i]
    }
    doubles[LONGEST] = bounds?.longestPath ?? 0
    Atomics.store(this.#shared.words, W_COUNTERS_LOADED, 1)
  }
}
