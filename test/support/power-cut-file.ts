/**
 * The bytes of one file of PowerCutStorage: live bytes as programs see them, durable bytes as the medium has them, and
 * the 512-byte sectors in which they may differ.
 */
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE } from '../../src/journal/sparse.ts'
import type { Random } from './random.ts'

const SECTOR = 512

export class PowerCutFile {
  #live: Uint8Array = new Uint8Array(0)
  #durable: Uint8Array = new Uint8Array(0)
  #dirty = new Set<number>()
  /** Sectors that were punched and not written since. */
  #holes = new Set<number>()
  size = 0
  durableSize = 0
  /** A mapping of the file, into which programs store without a call. */
  #mapped: Uint8Array | undefined

  /** From now on `memory` shows the file, and what is stored there within the size is in the live bytes. */
  map(memory: Uint8Array): void {
    this.unmap()
    memory.fill(0).set(this.#live.subarray(0, Math.min(this.size, memory.length)))
    this.#mapped = memory
  }

  unmap(): void {
    this.#takeStores()
    this.#mapped = undefined
  }

  /** Takes over what was stored into the mapping. */
  #takeStores(): void {
    const memory = this.#mapped
    if (memory === undefined) return
    for (let from = 0; from < this.size; from += SECTOR) {
      const to = Math.min(from + SECTOR, this.size)
      if (Buffer.compare(memory.subarray(from, to), this.#live.subarray(from, to)) === 0) continue
      this.#live.set(memory.subarray(from, to), from)
      this.#touch(from, to)
    }
  }

  /** Bytes that take space. */
  get allocated(): number {
    let holes = 0
    for (const sector of this.#holes) if (sector * SECTOR < this.size) holes++
    return Math.ceil(this.size / SECTOR - holes) * SECTOR
  }

  read(target: Uint8Array, at: number, length: number, position: number): number {
    this.#takeStores()
    const n = Math.max(0, Math.min(length, this.size - position))
    target.set(this.#live.subarray(position, position + n), at)
    return n
  }

  write(source: Uint8Array, at: number, length: number, position: number): void {
    if (length === 0) return
    this.#takeStores()
    const end = position + length
    this.#mapped?.set(source.subarray(at, at + length), position)
    this.#live = withRoom(this.#live, end)
    this.#live.set(source.subarray(at, at + length), position)
    this.#touch(Math.min(position, this.size), end)
    this.size = Math.max(this.size, end)
  }

  truncate(length: number): void {
    this.#takeStores()
    this.#mapped?.fill(0, length)
    this.#live = withRoom(this.#live, length)
    this.#live.fill(0, Math.min(length, this.size))
    this.#touch(Math.min(length, this.size), Math.max(length, this.size))
    this.size = length
  }

  /** Only whole sectors become holes. */
  punch(position: number, length: number): void {
    const end = Math.min(position + length, this.size)
    if (end <= position) return
    this.#live.fill(0, position, end)
    this.#touch(position, end)
    for (let at = Math.ceil(position / SECTOR); (at + 1) * SECTOR <= end; at++) this.#holes.add(at)
  }

  /** As fallocate(2). What it makes of the file is as unsynced as what a write does. */
  allocate(mode: number, position: number, length: number): void {
    if ((mode & FALLOC_PUNCH_HOLE) !== 0) {
      this.punch(position, length)
      return
    }
    const end = position + length
    if ((mode & FALLOC_KEEP_SIZE) === 0 && end > this.size) this.truncate(end)
    if ((mode & FALLOC_ZERO_RANGE) === 0) return
    const zeros = Math.min(end, this.size) - position
    if (zeros > 0) this.write(new Uint8Array(zeros), 0, zeros, position)
  }

  /** The next byte in a hole, or that is not in one; -1 when there is none. */
  seek(position: number, hole: boolean): number {
    if (position >= this.size) return -1
    let at = position
    while (at < this.size && this.#holes.has(Math.floor(at / SECTOR)) !== hole)
      at = (Math.floor(at / SECTOR) + 1) * SECTOR
    if (at < this.size) return at
    return hole ? this.size : -1
  }

  datasync(): void {
    this.#takeStores()
    this.#durable = withRoom(this.#durable, this.#live.length)
    for (const sector of this.#dirty) this.#copySector(sector, this.#durable)
    this.#dirty.clear()
    this.durableSize = this.size
  }

  /** What differs from the medium counts as synced, though it is not there. */
  lose(): void {
    this.#takeStores()
    this.#dirty.clear()
  }

  /** The file after a power cut: what was synced, and of the rest what `random` lets survive (nothing without it). */
  afterCut(random: Random | undefined): PowerCutFile {
    this.#takeStores()
    const bytes = withRoom(this.#durable.slice(), Math.max(this.#live.length, this.#durable.length))
    let size = this.durableSize
    if (random !== undefined) {
      for (const sector of this.#dirty) if (random() < 0.5) this.#copySector(sector, bytes)
      size = this.#survivingSize(random)
    }
    bytes.fill(0, size)
    return PowerCutFile.#durably(bytes, size)
  }

  /** A copy of the file as programs see it, all of it durable. */
  afterKill(): PowerCutFile {
    this.#takeStores()
    return PowerCutFile.#durably(this.#live.slice(), this.size)
  }

  static #durably(bytes: Uint8Array, size: number): PowerCutFile {
    const file = new PowerCutFile()
    file.#live = bytes
    file.#durable = bytes.slice()
    file.size = size
    file.durableSize = size
    return file
  }

  /** The old size, the new one, or a sector boundary between them. */
  #survivingSize(random: Random): number {
    const choice = random()
    if (choice < 0.3) return this.durableSize
    if (choice < 0.7) return this.size
    const low = Math.min(this.size, this.durableSize)
    const high = Math.max(this.size, this.durableSize)
    const boundary = Math.ceil((low + random() * (high - low)) / SECTOR) * SECTOR
    return Math.min(boundary, high)
  }

  #touch(from: number, to: number): void {
    for (let sector = Math.floor(from / SECTOR); sector * SECTOR < to; sector++) {
      this.#dirty.add(sector)
      this.#holes.delete(sector)
    }
  }

  #copySector(sector: number, target: Uint8Array): void {
    target.set(this.#live.subarray(sector * SECTOR, (sector + 1) * SECTOR), sector * SECTOR)
  }
}

function withRoom(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length >= length) return bytes
  const sectors = Math.ceil(Math.max(length, 2 * bytes.length) / SECTOR)
  const grown = new Uint8Array(sectors * SECTOR)
  grown.set(bytes)
  return grown
}
