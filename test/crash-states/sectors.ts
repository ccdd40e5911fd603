/**
 * Sectors of 512 bytes, each kept once and known by a number, so that a state of the medium is arrays of numbers: cheap
 * to make, to compare and to hash. A table may stand on another one that does not change any more.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

export const SECTOR = 512
/** The sector of zeros. */
export const ZEROS = 0

export class Sectors {
  readonly #below: Sectors | undefined
  readonly #first: number
  readonly #bytes: Uint8Array[] = []
  /** Two words of each sector's hash. */
  readonly #hashes: number[] = []
  readonly #numbers = new Map<number, number[]>()
  readonly #scratch = new Uint8Array(SECTOR)

  constructor(below?: Sectors) {
    this.#below = below
    this.#first = below?.end ?? 0
    if (below === undefined) this.number(new Uint8Array(SECTOR), 0, SECTOR)
  }

  /** One more than the highest number in use. */
  get end(): number {
    return this.#first + this.#bytes.length
  }

  bytes(number: number): Uint8Array {
    return number < this.#first ? (this.#below as Sectors).bytes(number) : this.#bytes[number - this.#first]
  }

  /** Puts two words into `target[at..]` that identify the bytes of a sector, whatever number they have. */
  hash(number: number, target: Uint32Array, at: number): void {
    if (number < this.#first) {
      ;(this.#below as Sectors).hash(number, target, at)
      return
    }
    target[at] = this.#hashes[2 * (number - this.#first)]
    target[at + 1] = this.#hashes[2 * (number - this.#first) + 1]
  }

  /** The number of the sector that begins with `length` bytes of `source`, the rest being zeros. */
  number(source: Uint8Array, at: number, length: number): number {
    const sector = this.#scratch.fill(0, length)
    for (let i = 0; i < length; i++) sector[i] = source[at + i]
    const sum = crc32(sector)
    const found = this.#find(sector, sum)
    if (found >= 0) return found
    const number = this.end
    this.#bytes.push(sector.slice())
    const hash = createHash('sha1').update(sector).digest()
    this.#hashes.push(hash.readUInt32LE(0), hash.readUInt32LE(4))
    const same = this.#numbers.get(sum)
    if (same === undefined) this.#numbers.set(sum, [number])
    else same.push(number)
    return number
  }

  /** The sector of which only the first `length` bytes are kept. */
  cut(number: number, length: number): number {
    return length >= SECTOR ? number : this.number(this.bytes(number), 0, length)
  }

  #find(sector: Uint8Array, sum: number): number {
    for (const number of this.#numbers.get(sum) ?? []) {
      if (Buffer.compare(this.bytes(number), sector) === 0) return number
    }
    return this.#below === undefined ? -1 : this.#below.#find(sector, sum)
  }
}

/** What a medium holds: files by number, and what each path is. */
export interface Image {
  sectors: Sectors
  files: Map<number, FileImage>
  names: Map<string, number | Directory>
}

export interface FileImage {
  size: number
  /** The sectors of the file; it may end before its size does, in zeros. */
  ids: Uint32Array
}

export type Directory = 'directory'
