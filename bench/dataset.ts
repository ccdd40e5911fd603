/**
 * The records that every engine holds: which keys, in which order they are visited, which value each must have at any
 * moment. Deterministic, so that what an engine returns can be checked against it.
 */

export const FILES_PER_DIRECTORY = 100
export const VALUE_BYTES = 32
/** Records below the prefix that is renamed as a whole. */
export const MOVED_RECORDS = 10_000
export const ROOT = '/usr/local/share/'
export const MOVED = '/usr/local/moved/'
export const MOVED_BACK = '/usr/local/there/'

/** Keys used by operations that need other keys than those in the store: no more than so many, to save memory. */
const EXTRA_KEYS = 65_536

export class Dataset {
  readonly count: number
  readonly keys: Buffer[] = []
  readonly movedKeys: Buffer[] = []
  /** How often the record was overwritten; its value follows from it. */
  readonly generations: Uint32Array
  /** A permutation of the record numbers. */
  readonly order: Uint32Array
  /** Absent keys, each next to the record `order[i]`. */
  readonly absent: Buffer[] = []
  readonly directories: Buffer[] = []

  constructor(count: number) {
    this.count = count
    this.generations = new Uint32Array(count + MOVED_RECORDS)
    for (let i = 0; i < count; i++) this.keys.push(Buffer.from(`${directoryOf(i)}file-${fourDigits(i)}`))
    for (let i = 0; i < MOVED_RECORDS; i++) {
      this.movedKeys.push(Buffer.from(`${MOVED}part-${Math.floor(i / FILES_PER_DIRECTORY)}/file-${fourDigits(i)}`))
    }
    for (let i = 0; i < count; i += FILES_PER_DIRECTORY) this.directories.push(Buffer.from(directoryOf(i)))
    this.order = shuffled(count)
    for (let i = 0; i < Math.min(count, EXTRA_KEYS); i++) {
      this.absent.push(Buffer.concat([this.keys[this.order[i]], Buffer.from('.new')]))
    }
  }
}

/** Writes the value of record `index` in its `generation` to `target`. */
export function fillValue(target: Buffer, index: number, generation: number): void {
  for (let at = 0; at < VALUE_BYTES; at += 8) {
    target.writeUInt32LE(index, at)
    target.writeUInt32LE(generation, at + 4)
  }
}

function directoryOf(index: number): string {
  return `${ROOT}category-${Math.floor(index / FILES_PER_DIRECTORY)}/`
}

function fourDigits(index: number): string {
  return String(index % FILES_PER_DIRECTORY).padStart(4, '0')
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
