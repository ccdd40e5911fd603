/** The bytes of one file in memory, as programs see them. */
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE } from '../../src/journal/sparse.ts'
import { type FileImage, SECTOR, type Sectors } from './sectors.ts'

/** What a change has touched: sectors from `first` to `end`. */
export interface Touched {
  first: number
  end: number
}

export class MemoryFile {
  readonly number: number
  size = 0
  bytes: Uint8Array = new Uint8Array(0)
  /** A mapping of the file, into which programs store without a call. */
  mapped: Uint8Array | undefined

  constructor(number: number, image?: FileImage, sectors?: Sectors) {
    this.number = number
    if (image === undefined || sectors === undefined) return
    this.size = image.size
    this.bytes = new Uint8Array(Math.max(image.ids.length, Math.ceil(image.size / SECTOR)) * SECTOR)
    image.ids.forEach((id, i) => {
      if (id !== 0) this.bytes.set(sectors.bytes(id), i * SECTOR)
    })
  }

  read(target: Uint8Array, at: number, length: number, position: number): number {
    const n = Math.max(0, Math.min(length, this.size - position))
    if (n > 0) target.set(this.bytes.subarray(position, position + n), at)
    return n
  }

  write(source: Uint8Array, at: number, length: number, position: number): Touched {
    const end = position + length
    this.#makeRoom(end)
    this.bytes.set(source.subarray(at, at + length), position)
    this.mapped?.set(source.subarray(at, at + length), position)
    const first = Math.min(position, this.size)
    this.size = Math.max(this.size, end)
    return sectorsOf(first, end)
  }

  truncate(length: number): Touched {
    const before = this.size
    this.#makeRoom(length)
    if (length < before) {
      this.bytes.fill(0, length, before)
      this.mapped?.fill(0, length)
    }
    this.size = length
    return sectorsOf(Math.min(length, before), Math.max(length, before))
  }

  /** As fallocate(2). */
  allocate(mode: number, position: number, length: number): Touched {
    const end = position + length
    const before = this.size
    if ((mode & FALLOC_KEEP_SIZE) === 0 && end > this.size) this.truncate(end)
    if ((mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0) {
      this.bytes.fill(0, Math.min(position, this.size), Math.min(end, this.size))
    }
    return sectorsOf(Math.min(position, before), Math.min(end, this.size))
  }

  /** Sectors that are all zeros count as holes. */
  isHole(sector: number): boolean {
    const end = Math.min((sector + 1) * SECTOR, this.size)
    for (let i = sector * SECTOR; i < end; i++) if (this.bytes[i] !== 0) return false
    return true
  }

  get allocated(): number {
    let count = 0
    for (let sector = 0; sector * SECTOR < this.size; sector++) if (!this.isHole(sector)) count++
    return count * SECTOR
  }

  /** The next byte in a hole (the end is one) or not in one, from `position` on; -1 when there is none. */
  seek(position: number, hole: boolean): number {
    for (let at = position; at < this.size; at = (Math.floor(at / SECTOR) + 1) * SECTOR) {
      if (this.isHole(Math.floor(at / SECTOR)) === hole) return at
    }
    return hole && position < this.size ? this.size : -1
  }

  /** From now on `memory` shows the file, and what is stored there within the size is in the file. */
  map(memory: Uint8Array): void {
    memory.fill(0).set(this.bytes.subarray(0, Math.min(this.size, memory.length)))
    this.mapped = memory
  }

  /** Takes over what was stored into the mapping since the last call; calls `changed` for each run of sectors. */
  takeStores(changed: (touched: Touched) => void): void {
    const memory = this.mapped
    if (memory === undefined) return
    const end = Math.ceil(this.size / SECTOR)
    for (let sector = 0, first = -1; sector <= end; sector++) {
      const from = sector * SECTOR
      const to = Math.min(from + SECTOR, this.size)
      const isChanged = sector < end && Buffer.compare(memory.subarray(from, to), this.bytes.subarray(from, to)) !== 0
      if (isChanged && first < 0) first = sector
      if (isChanged || first < 0) continue
      this.bytes.set(memory.subarray(first * SECTOR, Math.min(from, this.size)), first * SECTOR)
      changed({ first, end: sector })
      first = -1
    }
  }

  #makeRoom(length: number): void {
    if (this.bytes.length >= length) return
    const grown = new Uint8Array(Math.ceil(Math.max(length, 1.5 * this.bytes.length) / SECTOR) * SECTOR)
    grown.set(this.bytes)
    this.bytes = grown
  }
}

function sectorsOf(from: number, to: number): Touched {
  return { first: Math.floor(from / SECTOR), end: Math.ceil(to / SECTOR) }
}
