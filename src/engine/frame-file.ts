/**
 * frames.dat: an array of frame-sized slots. Writes an image with its page checksums, and reads one back, refusing any
 * that is not byte for byte the blob that was asked for (misdirected write, stale slot, bit rot: I6). Which slot holds
 * which blob is the manifest's knowledge, not the file's.
 */
import { crc32 } from 'node:zlib'
import { ADVICE, HoltError } from '../errors.ts'
import { DATA_START, FRAME_SHIFT, FRAME_SIZE, PAGE_SIZE } from '../limits.ts'
import {
  FORMAT_VERSION,
  FRAME_MAGIC_HIGH,
  FRAME_MAGIC_LOW,
  H_BLOB,
  H_CRC,
  H_FORMAT,
  H_LEAVES,
  H_MAGIC,
  H_PAGE_CRCS,
  H_USED,
  imageBytes,
} from './layout.ts'
import type { FrameStorage } from './scratch.ts'

export const FRAMES = 'frames.dat'

const PAGES = FRAME_SIZE / PAGE_SIZE

export class FrameFile {
  readonly #storage: FrameStorage
  readonly #fd: number
  /** Private copy in which an image is sealed, so that the pool's frame may change while it is written. */
  readonly #scratch = new Uint8Array(FRAME_SIZE)
  readonly #words = new Uint32Array(this.#scratch.buffer)
  readonly #pages: Uint8Array[] = []

  constructor(storage: FrameStorage, fd: number) {
    this.#storage = storage
    this.#fd = fd
    for (let page = 0; page < PAGES; page++) {
      this.#pages.push(this.#scratch.subarray(page * PAGE_SIZE, page === 0 ? H_CRC : (page + 1) * PAGE_SIZE))
    }
  }

  /** Copies the frame at `base` of the pool aside; {@link writeCopy} writes that copy. */
  copy(pool: Uint8Array, base: number): void {
    const used = imageBytes(new DataView(pool.buffer).getUint32(base + H_USED, true))
    this.#scratch.set(pool.subarray(base, base + used))
    this.#scratch.fill(0, used, Math.ceil(used / PAGE_SIZE) * PAGE_SIZE)
  }

  /** Whether the copy has the routing layout. */
  get isCopyRouted(): boolean {
    return this.#words[H_LEAVES >> 2] !== 0
  }

  /** The checksum of the header of the copy that was written last: it tells this image from every other. */
  get copySum(): number {
    return this.#words[H_CRC >> 2] | 0
  }

  /** Seals the copy with its checksums, writes it to a slot and returns its bytes. Throws the host's error. */
  writeCopy(slot: number): number {
    const usedPages = Math.ceil(this.#words[H_USED >> 2] / PAGE_SIZE)
    for (let page = 1; page < PAGES; page++) {
      this.#words[(H_PAGE_CRCS >> 2) + page - 1] = page < usedPages ? crc32(this.#pages[page]) : 0
    }
    this.#words[H_CRC >> 2] = crc32(this.#pages[0])
    const length = usedPages * PAGE_SIZE
    this.#storage.write(this.#fd, this.#scratch, 0, length, slot * FRAME_SIZE)
    return length
  }

  /**
   * Reads a slot into the pool frame at index `frame` and verifies it.
   * @throws HoltError HOLT_CORRUPT_FRAME when it is not an intact image of `blob`, or not the one with the header checksum
   * `sum`; HOLT_IO when it cannot be read.
   */
  read(slot: number, blob: number, sum: number, pool: Uint8Array, frame: number): void {
    const base = frame << FRAME_SHIFT
    const length = this.readPart(slot, 0, pool, base, FRAME_SIZE)
    const problem = verifyFrame(pool.subarray(base, base + FRAME_SIZE), length, blob, sum)
    if (problem !== '') throw corruptImage(slot, blob, problem)
  }

  /**
   * Reads up to `length` bytes from `position` of a slot on to `target[at..]`, unverified; returns how many there are.
   * @throws HoltError HOLT_IO
   */
  readPart(slot: number, position: number, target: Uint8Array, at: number, length: number): number {
    try {
      return this.#storage.read(this.#fd, target, at, length, slot * FRAME_SIZE + position)
    } catch (cause) {
      throw new HoltError('HOLT_IO', `cannot read slot ${slot} of frames.dat: ${(cause as Error).message}`, { cause })
    }
  }

  datasync(): void {
    this.#storage.datasync(this.#fd)
  }

  /** Copies an image as it is to another slot; false when there is none. Throws the host's error. */
  move(from: number, to: number): boolean {
    const length = this.#storage.read(this.#fd, this.#scratch, 0, FRAME_SIZE, from * FRAME_SIZE)
    const used = Math.ceil(this.#words[H_USED >> 2] / PAGE_SIZE) * PAGE_SIZE
    if (length < used || used > FRAME_SIZE) return false
    this.#storage.write(this.#fd, this.#scratch, 0, used, to * FRAME_SIZE)
    return true
  }

  /** Slots of the file, and how many slots' space it takes on the host. */
  slots(): number {
    return Math.ceil(this.#storage.size(this.#fd) / FRAME_SIZE)
  }

  allocatedSlots(): number {
    return this.#storage.allocated(this.#fd) / FRAME_SIZE
  }

  /** Cuts the file behind its first `slots` slots. Throws the host's error. */
  cut(slots: number): void {
    this.#storage.truncate(this.#fd, slots * FRAME_SIZE)
  }

  /** Gives the space of slots back, which read as zeros then. Throws the host's error. */
  punch(first: number, slots: number): void {
    this.#storage.punch(this.#fd, first * FRAME_SIZE, slots * FRAME_SIZE)
  }
}

export function corruptImage(slot: number, blob: number, problem: string): HoltError {
  return new HoltError(
    'HOLT_CORRUPT_FRAME',
    `slot ${slot} of frames.dat should hold blob ${blob}, but ${problem}: ${ADVICE}`,
  )
}

/** Says what is wrong with a frame image of which `length` bytes could be read; '' when it is intact. */
function verifyFrame(frame: Uint8Array, length: number, blob: number, sum: number): string {
  const problem = verifyHeader(frame, length, blob, sum)
  if (problem !== '') return problem
  const view = new DataView(frame.buffer, frame.byteOffset)
  const usedPages = Math.ceil(view.getUint32(H_USED, true) / PAGE_SIZE)
  if (length < usedPages * PAGE_SIZE) return 'the file ends inside it'
  for (let page = 1; page < usedPages; page++) {
    const sum = crc32(frame.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE))
    if (sum !== view.getUint32(H_PAGE_CRCS + (page - 1) * 4, true)) return wrongPage(page)
  }
  return ''
}

export function wrongPage(page: number): string {
  return `the checksum of its page ${page} is wrong`
}

/** The same for its header page alone. `sum`: the checksum that it has, where that is known. */
export function verifyHeader(frame: Uint8Array, length: number, blob: number, sum?: number): string {
  const view = new DataView(frame.buffer, frame.byteOffset)
  if (length < PAGE_SIZE) return 'the file ends before it'
  if (view.getUint32(H_MAGIC, true) !== FRAME_MAGIC_LOW || view.getUint32(H_MAGIC + 4, true) !== FRAME_MAGIC_HIGH) {
    return 'it is not a frame'
  }
  if (view.getUint32(H_CRC, true) !== crc32(frame.subarray(0, H_CRC))) return 'its header checksum is wrong'
  if (view.getUint32(H_FORMAT, true) !== FORMAT_VERSION) return 'its format is not known to this version'
  const found = view.getUint32(H_BLOB, true)
  if (found !== blob) return `it holds blob ${found}`
  if (sum !== undefined && view.getInt32(H_CRC, true) !== sum) return 'it holds an older image of it'
  const used = view.getUint32(H_USED, true)
  return used < DATA_START || used > FRAME_SIZE ? 'its size is impossible' : ''
}
