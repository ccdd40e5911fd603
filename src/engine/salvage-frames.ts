/**
 * frames.dat of a damaged store, page by page: which slot holds the newest image of each blob, and what of an image can be
 * believed. An image is believed where its checksums say so: the header's own, then that of each page. One whose header
 * does not agree with its checksum is believed when it is the one that the manifest means, all pages agree with theirs, and what the
 * header says of the bytes is what the nodes take: then the bits that changed were of no meaning.
 */
import { constants } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Storage } from '../journal/storage.ts'
import { DATA_START, FRAME_SIZE, PAGE_SIZE } from '../limits.ts'
import { FRAMES, verifyHeader } from './frame-file.ts'
import { H_BLOB, H_CRC, H_DEAD, H_EPOCH, H_LEAVES, H_PAGE_CRCS, H_ROOT, H_SLACK, H_USED } from './layout.ts'
import { Pool } from './pool.ts'
import { createEngineShared } from './shared.ts'
import { measureSubtree } from './walker/clone.ts'

const PAGES = FRAME_SIZE / PAGE_SIZE

export class SalvageFrames {
  /** Holds one image at a time, in its first slot. */
  readonly pool = new Pool(createEngineShared(0), undefined)
  /** Pages of the image at hand that cannot be believed. */
  readonly badPages = new Uint8Array(PAGES)
  badCount = 0
  readonly #storage: Storage
  readonly #fd: number

  /** `fd` is -1 when there is no such file. */
  constructor(storage: Storage, directory: string) {
    this.#storage = storage
    this.#fd = openOrAbsent(storage, join(directory, FRAMES))
  }

  close(): void {
    if (this.#fd >= 0) this.#storage.close(this.#fd)
  }

  /** Whether `size` bytes from `offset` of the image at hand on can be believed. */
  readonly isReadable = (offset: number, size: number): boolean => {
    if (offset < DATA_START || offset + size > this.pool.u32[H_USED >> 2]) return false
    if (this.badCount === 0) return true
    const last = Math.floor((offset + size - 1) / PAGE_SIZE)
    for (let page = Math.floor(offset / PAGE_SIZE); page <= last; page++) if (this.badPages[page] !== 0) return false
    return true
  }

  /**
   * Reads the image of `blob` in a slot, that with the header checksum `sum` where it is known. Returns what is wrong with
   * all of it; '' when it can be walked ({@link isReadable}).
   */
  read(slot: number, blob: number, sum?: number): string {
    const { u8 } = this.pool
    const frame = u8.subarray(0, FRAME_SIZE)
    this.badPages.fill(0)
    this.badCount = 0
    const length = this.#readPages(slot, FRAME_SIZE)
    const problem = length === 0 ? 'it cannot be read' : verifyHeader(frame, length, blob, sum)
    const { u32 } = this.pool
    const used = u32[H_USED >> 2]
    if (used < DATA_START || used > FRAME_SIZE) return problem
    const end = Math.ceil(used / PAGE_SIZE)
    for (let page = 1; page < end; page++) {
      if (this.badPages[page] !== 0) continue
      const isWhole = (page + 1) * PAGE_SIZE <= length
      const found = isWhole ? crc32(frame.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)) : 0
      if (!isWhole || found !== u32[(H_PAGE_CRCS >> 2) + page - 1]) this.#bad(page)
    }
    if (problem === '') return ''
    // Only the image that is meant has this checksum: in its place, though the bytes before it were changed, or to be computed,
    // though it was changed itself. Any other is that of another blob or an older one, however intact.
    if (sum === (crc32(frame.subarray(0, H_CRC)) | 0)) return ''
    const isMeant = sum !== undefined && sum === (u32[H_CRC >> 2] | 0)
    return isMeant && this.badCount === 0 && used > DATA_START && this.#addsUp() ? '' : problem
  }

  /** Whether live, dead and slack bytes are the used ones, so that the header says the truth about the nodes. */
  #addsUp(): boolean {
    const { u16, u32 } = this.pool
    if (u16[H_ROOT >> 1] === 0) return false
    const slack = u32[H_LEAVES >> 2] === 0 ? 0 : u32[H_SLACK >> 2]
    try {
      return measureSubtree(this.pool, 0, H_ROOT) + u32[H_DEAD >> 2] + slack === u32[H_USED >> 2] - DATA_START
    } catch {
      return false
    }
  }

  #bad(page: number): void {
    this.badPages[page] = 1
    this.badCount++
  }

  /** Reads the first `length` bytes of a slot; pages that the medium cannot read are bad. Returns how many bytes there are. */
  #readPages(slot: number, length: number): number {
    if (this.#fd < 0) return 0
    const { u8 } = this.pool
    u8.fill(0, 0, length)
    try {
      return this.#storage.read(this.#fd, u8, 0, length, slot * FRAME_SIZE)
    } catch {
      // One page at a time then.
    }
    let end = 0
    for (let at = 0; at < length; at += PAGE_SIZE) {
      try {
        const got = this.#storage.read(this.#fd, u8, at, PAGE_SIZE, slot * FRAME_SIZE + at)
        if (got > 0) end = at + got
      } catch {
        this.#bad(at / PAGE_SIZE)
        end = at + PAGE_SIZE
      }
    }
    return end
  }

  /** The slot of the newest image of every blob, as the images themselves tell: for a store without a mapping. */
  newest(progress: (done: number, total: number) => void): Map<number, number> {
    const newest = new Map<number, { slot: number; seq: number; epoch: number }>()
    const slots = this.#fd < 0 ? 0 : Math.ceil(this.#storage.size(this.#fd) / FRAME_SIZE)
    const { u8, u32 } = this.pool
    for (let slot = 0; slot < slots; slot++) {
      progress(slot, slots)
      const length = this.#readPages(slot, PAGE_SIZE)
      const blob = u32[H_BLOB >> 2]
      if (length < PAGE_SIZE || verifyHeader(u8.subarray(0, PAGE_SIZE), length, blob) !== '') continue
      const seq = this.pool.seqAt(0)
      const epoch = u32[H_EPOCH >> 2]
      const other = newest.get(blob)
      if (other !== undefined && (other.seq > seq || (other.seq === seq && other.epoch > epoch))) continue
      newest.set(blob, { slot, seq, epoch })
    }
    return new Map([...newest].map(([blob, image]) => [blob, image.slot]))
  }
}

function openOrAbsent(storage: Storage, path: string): number {
  try {
    return storage.open(path, constants.O_RDONLY)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return -1
    throw error
  }
}
