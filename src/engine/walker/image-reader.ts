/**
 * Reads parts of images in frames.dat: header and routing region, and single leaf pages. What it gives has been compared with
 * the checksums of the header; that the slot was not written meanwhile is for the caller to see (I37).
 */
import { crc32 } from 'node:zlib'
import { DATA_START, FRAME_SIZE, MAX_KEY, MAX_VALUE, PAGE_SIZE } from '../../limits.ts'
import { type FrameFile, verifyHeader, wrongPage } from '../frame-file.ts'
import { H_BLOOM, H_BLOOM_BYTES, H_LEAVES, H_USED, LEAF_HEAD } from '../layout.ts'
import type { Pool } from '../pool.ts'
import { RoutingRegion } from '../routing-cache.ts'

/** Bytes of the first read of an image: its header and, mostly, its routing region. */
const FIRST_READ = 16 * PAGE_SIZE
/** Pages that the largest leaf touches. */
const LEAF_PAGES = Math.ceil((LEAF_HEAD + MAX_KEY + MAX_VALUE) / PAGE_SIZE) + 1

export class ImageReader {
  /** What was read last: a leaf page and those behind it that belong to the leaf. */
  readonly bytes = new Uint8Array(Math.max(FIRST_READ, LEAF_PAGES * PAGE_SIZE))
  readonly u16 = new Uint16Array(this.bytes.buffer)
  readonly u32 = new Uint32Array(this.bytes.buffer)
  /** What is wrong with the image; '' when nothing is. */
  problem = ''
  readonly #pool: Pool
  readonly #file: FrameFile
  readonly #pages: Uint8Array[] = []

  constructor(pool: Pool, file: FrameFile) {
    this.#pool = pool
    this.#file = file
    for (let at = 0; at < this.bytes.length; at += PAGE_SIZE) this.#pages.push(this.bytes.subarray(at, at + PAGE_SIZE))
  }

  /** Pages that {@link bytes} has room for. */
  get mostPages(): number {
    return this.#pages.length
  }

  /** Reads and verifies header and routing region of an image; undefined: it is plain, or {@link problem} says why not. */
  readRegion(blob: number, disk: number, image: number): RoutingRegion | undefined {
    const head = this.#read(disk, 0, this.bytes, 0, FIRST_READ)
    this.problem = verifyHeader(this.bytes, head, blob, this.#pool.disk.sums[disk])
    if (this.problem !== '') return undefined
    const leaves = this.u32[H_LEAVES >> 2]
    if (leaves === 0) return undefined
    if (!isPossible(this.u32)) return this.#damaged('its routing geometry is impossible')
    const bytes = new Uint8Array(leaves)
    const region = new RoutingRegion(disk, image, this.u32, bytes)
    const known = Math.min(head, leaves)
    bytes.set(this.bytes.subarray(0, known))
    if (known < leaves && this.#read(disk, known, bytes, known, leaves - known) < leaves - known) {
      return this.#damaged('the file ends inside it')
    }
    for (let page = 1; page * PAGE_SIZE < leaves; page++) {
      const sum = crc32(bytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE))
      if (sum !== region.crcOf(page)) return this.#damaged(wrongPage(page))
    }
    return region
  }

  #read(disk: number, position: number, target: Uint8Array, at: number, length: number): number {
    const done = this.#file.readPart(disk, position, target, at, length)
    this.#pool.count('coldPages', Math.ceil(done / PAGE_SIZE))
    return done
  }

  #damaged(problem: string): undefined {
    this.problem = problem
  }

  /**
   * Reads and verifies pages `page + from` to `page + to` (exclusive) of an image, to where they belong when `page` is at
   * the beginning of {@link bytes}; false: {@link problem} says why not.
   */
  readPages(region: RoutingRegion, page: number, from: number, to: number): boolean {
    const length = (to - from) * PAGE_SIZE
    if (this.#read(region.disk, (page + from) * PAGE_SIZE, this.bytes, from * PAGE_SIZE, length) < length) {
      this.problem = 'the file ends inside it'
      return false
    }
    for (let i = from; i < to; i++) {
      if (crc32(this.#pages[i]) === region.crcOf(page + i)) continue
      this.problem = wrongPage(page + i)
      return false
    }
    return true
  }
}

/** Whether the geometry in a header can be one: region, bloom filter, leaf pages, in this order, within the used bytes. */
function isPossible(header: Uint32Array): boolean {
  const leaves = header[H_LEAVES >> 2]
  const bloom = header[H_BLOOM >> 2]
  const bytes = header[H_BLOOM_BYTES >> 2]
  return (
    leaves % PAGE_SIZE === 0 &&
    leaves < header[H_USED >> 2] &&
    bloom > DATA_START &&
    bytes > 0 &&
    bytes <= FRAME_SIZE &&
    bloom + bytes <= leaves
  )
}
