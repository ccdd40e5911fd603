/**
 * The routing regions that a thread has read and verified. Bounded in bytes; what was asked for longest ago goes first.
 * An entry is about one image of one blob and says nothing about any other (I37): whoever uses it compares `disk` and
 * `image` with the tables, before and after.
 */
import { ROUTING_CACHE_BYTES } from '../limits.ts'
import { H_BLOOM, H_BLOOM_BYTES, H_BLOOM_HASHES, H_LEAVES, H_PAGE_CRCS, H_USED } from './layout.ts'

/** What an entry counts besides its bytes. */
const ENTRY_BYTES = 256

export class RoutingRegion {
  /** Disk slot, and `imageOf` of the blob when it was read. */
  readonly disk: number
  readonly image: number
  /** The frame up to its first leaf page. */
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  /** Offset of the first leaf page; offset of the first byte never allocated. */
  readonly leaves: number
  readonly used: number
  readonly bloom: number
  readonly bloomBytes: number
  readonly hashes: number
  /** Lookups that were served from it since the tick `since`. */
  reads = 0
  since = 0

  /** `header`: that of the image; `bytes` begin their buffer. */
  constructor(disk: number, image: number, header: Uint32Array, bytes: Uint8Array) {
    this.disk = disk
    this.image = image
    this.u8 = bytes
    this.u16 = new Uint16Array(bytes.buffer, 0, bytes.length >> 1)
    this.u32 = new Uint32Array(bytes.buffer, 0, bytes.length >> 2)
    this.leaves = header[H_LEAVES >> 2]
    this.used = header[H_USED >> 2]
    this.bloom = header[H_BLOOM >> 2]
    this.bloomBytes = header[H_BLOOM_BYTES >> 2]
    this.hashes = header[H_BLOOM_HASHES >> 2]
  }

  /** Checksum that page `page` of the image must have. */
  crcOf(page: number): number {
    return this.u32[(H_PAGE_CRCS >> 2) + page - 1]
  }
}

export class RoutingCache {
  /** By blob, the one used longest ago first. */
  readonly #regions = new Map<number, RoutingRegion>()
  readonly #most: number
  #bytes = 0

  constructor(most = ROUTING_CACHE_BYTES) {
    this.#most = most
  }

  /** What is known of this image of the blob. */
  get(blob: number, disk: number, image: number): RoutingRegion | undefined {
    const region = this.#regions.get(blob)
    if (region === undefined || region.disk !== disk || region.image !== image) return undefined
    this.#regions.delete(blob)
    this.#regions.set(blob, region)
    return region
  }

  set(blob: number, region: RoutingRegion): void {
    const old = this.#regions.get(blob)
    if (old !== undefined) this.#drop(blob, old)
    this.#bytes += region.u8.length + ENTRY_BYTES
    for (const [other, oldest] of this.#regions) {
      if (this.#bytes <= this.#most) break
      this.#drop(other, oldest)
    }
    this.#regions.set(blob, region)
  }

  #drop(blob: number, region: RoutingRegion): void {
    this.#regions.delete(blob)
    this.#bytes -= region.u8.length + ENTRY_BYTES
  }
}
