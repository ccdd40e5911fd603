/**
 * The records that every engine holds: which keys, in which order they are visited, which value each must have at any
 * moment. Deterministic, so that what an engine returns can be checked against it. Records are numbered in key order.
 */

export const FILES_PER_DIRECTORY = 100
export const VALUE_BYTES = 32
/** Records below the prefix that is renamed as a whole. */
export const MOVED_RECORDS = 10_000
export const ROOT = '/usr/local/share/'
export const MOVED = '/usr/local/moved/'
export const MOVED_BACK = '/usr/local/there/'

export class Dataset {
  /** Records below ROOT; numbers from here on are those below MOVED. */
  readonly count: number
  readonly total: number
  /** How often the record was overwritten; its value follows from it. */
  readonly generations: Uint32Array
  /** A permutation of the record numbers below `count`. */
  readonly order: Uint32Array
  /** In key order, each ending in a slash. */
  readonly directories: Buffer[]
  readonly #names: string[]
  readonly #movedNames: string[]

  constructor(count: number) {
    this.count = count
    this.total = count + MOVED_RECORDS
    this.generations = new Uint32Array(this.total)
    this.order = shuffled(count)
    this.#names = directoryNames(`${ROOT}category-`, count)
    this.#movedNames = directoryNames(`${MOVED}part-`, MOVED_RECORDS)
    this.directories = this.#names.map(name => Buffer.from(name))
  }

  keyOf(index: number): Buffer {
    return Buffer.from(this.directoryName(Math.floor(index / FILES_PER_DIRECTORY)) + fileName(index), 'latin1')
  }

  /** Directory number `directory` of those below ROOT, then of those below MOVED; undefined behind the last one. */
  directoryName(directory: number): string | undefined {
    const { length } = this.#names
    return directory < length ? this.#names[directory] : this.#movedNames[directory - length]
  }
}

/** Writes the value of record `index` in its `generation` to `target`: both numbers, then bytes that no engine can compress. */
export function fillValue(target: Buffer, index: number, generation: number): void {
  target.writeUInt32LE(index, 0)
  target.writeUInt32LE(generation, 4)
  let state = (Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(generation, 0x85ebca6b)) | 1
  for (let at = 8; at < VALUE_BYTES; at += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    target.writeInt32LE(state, at)
  }
}

function directoryNames(stem: string, files: number): string[] {
  return Array.from({ length: files / FILES_PER_DIRECTORY }, (_, n) => `${stem}${n}/`).sort()
}

export function fileName(index: number): string {
  return `file-${String(index % FILES_PER_DIRECTORY).padStart(4, '0')}`
}

/** Fisher-Yates over a 32-bit xorshift generator with a fixed seed. */
function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  let state = 0x9e3779b9
  for (let i = count - 1; i > 0; i--) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const j = (state >>> 0) % (i + 1)
    const kept = order[i]
    order[i] = order[j]
    order[j] = kept
  }
  return order
}
