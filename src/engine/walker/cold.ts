/**
 * Point lookup in a blob that is not resident, without loading its 512 KB: when its image on disk is routed, the thread
 * reads header and routing region (and keeps them), descends in them, asks the bloom filter, and reads the one leaf page.
 * Every page is compared with its checksum (image-reader.ts). It takes no lock and writes nothing that is shared, but
 * counters.
 *
 * An image is that of the blob now, and its slot was not written meanwhile, if after reading the blob is still not
 * resident and `imageOf` is what it was before (I37). Blobs that are asked for again and again are loaded after all, and
 * so is whatever this cannot answer.
 */
import { MAX_BLOBS, PAGE_SIZE } from '../../limits.ts'
import { corruptImage, type FrameFile } from '../frame-file.ts'
import type { Gate } from '../gate.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  BLOB_RUN,
  H_ROOT,
  INNER_COUNT,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  LEAF_VALUE,
  LEAF_VALUE_HIGH,
  NODE4,
  NODE4_CHILDREN,
  NODE4_KEYS,
  NODE16,
  NODE16_CHILDREN,
  NODE16_KEYS,
  NODE48,
  NODE48_CHILDREN,
  NODE48_INDEX,
  NODE256,
  NODE256_CHILDREN,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { RoutingCache, RoutingRegion } from '../routing-cache.ts'
import { bloomMayHold, HASH_START, hashBytes } from './bloom.ts'
import { commonLength } from './bytes.ts'
import { ImageReader } from './image-reader.ts'
import { leafVersion } from './node.ts'

/** Outcomes of a lookup; from 0 on: go on in the frame in this pool slot. */
export const ABSENT = -1
export const CONFLICT = -2
export const FOUND = -4

/** Outcomes of a step: load the blob; its bytes are not what they should be; go on with the next blob; descend. */
const LOAD = -5
const DAMAGED = -6
const CROSSING = -7
const ENTERED = -8

/**
 * A blob is loaded at the next lookup after so many. A leaf page out of the page cache took 56 µs where this was measured,
 * a whole frame 800 µs: by then half of that is spent, and a blob that is asked for no more has cost little.
 */
const READS_BEFORE_LOADING = 8
/** Cold blobs on one path; for a longer path one is loaded. */
const MOST_CROSSINGS = 16
const NOTHING = new Uint8Array(0)

/** Makes a blob resident to which the frame in slot `parent` refers; returns its slot, below 0: start again. */
export type Load = (parent: number, version: number, blob: number) => number

export class ColdLookup {
  /** Of the record found: its value is `bytes[valueAt .. valueAt + valueLength)` until the next lookup. */
  readonly bytes: Uint8Array
  valueAt = 0
  valueLength = 0
  recordVersion = 0

  readonly #pool: Pool
  readonly #gate: Gate
  readonly #load: Load
  readonly #cache = new RoutingCache()
  readonly #reader: ImageReader
  /** The cold blobs on the path, their disk slots, and `imageOf` when the slot was taken from the tables. */
  readonly #blobs = new Int32Array(MOST_CROSSINGS)
  readonly #disks = new Int32Array(MOST_CROSSINGS)
  readonly #images = new Int32Array(MOST_CROSSINGS)
  #depth = 0
  /** Of the blob that the descent is in, or goes to: its id, its region, the place in the key where its keys begin. */
  #blob = 0
  #region = new RoutingRegion(0, 0, new Uint32Array(PAGE_SIZE >> 2), NOTHING)
  #entry = 0
  /** Cold lookups of this thread. */
  #clock = 0

  constructor(pool: Pool, gate: Gate, file: FrameFile, load: Load) {
    this.#pool = pool
    this.#gate = gate
    this.#reader = new ImageReader(pool, file)
    this.bytes = this.#reader.bytes
    this.#load = load
  }

  /**
   * Looks for the key `key[.. end)`, of which the bytes from `at` on are below `blob`. The frame in slot `parent`, which
   * refers to the blob, had the version `version`. Returns {@link ABSENT}, {@link CONFLICT}, {@link FOUND}, or the slot
   * of the blob, which is resident now.
   * @throws HoltError HOLT_CORRUPT_FRAME, HOLT_IO
   */
  get(parent: number, version: number, blob: number, key: Uint8Array, at: number, end: number): number {
    // A writer that looks before it changes something needs the frame anyway.
    const found = this.#gate.held ? LOAD : this.#find(parent, version, blob, key, at, end)
    if (found !== LOAD) return found
    const slot = this.#load(parent, version, blob)
    return slot < 0 ? CONFLICT : slot
  }

  #find(parent: number, version: number, blob: number, key: Uint8Array, at: number, end: number): number {
    this.#clock++
    this.#depth = 0
    this.#blob = blob
    this.#entry = at
    for (;;) {
      if (!this.#holds(parent, version)) return CONFLICT
      let found = this.#enter()
      if (found === ENTERED) found = this.#descend(key, end)
      if (found === CROSSING) continue
      if (found === LOAD) return LOAD
      if (!this.#holds(parent, version)) return CONFLICT
      if (found === DAMAGED) throw corruptImage(this.#disks[this.#depth - 1], this.#blob, this.#reader.problem)
      this.#pool.count('coldReads')
      return found
    }
  }

  /**
   * Whether the path is as it was found: the deepest blob first, so that at the moment when it was seen not resident,
   * with the image that was read, all above it led to it (I37).
   */
  #holds(parent: number, version: number): boolean {
    const pool = this.#pool
    for (let i = this.#depth - 1; i >= 0; i--) {
      const blob = this.#blobs[i]
      if (Atomics.load(pool.slotOf, blob) !== 0) return false
      if (Atomics.load(pool.diskSlotOf, blob) !== this.#disks[i] + 1) return false
      if (Atomics.load(pool.imageOf, blob) !== this.#images[i]) return false
    }
    return Atomics.load(pool.version, parent) === version
  }

  /** Puts the blob at hand on the path, with its region. */
  #enter(): number {
    const pool = this.#pool
    const blob = this.#blob
    const depth = this.#depth
    if (depth === MOST_CROSSINGS || blob >= MAX_BLOBS || Atomics.load(pool.slotOf, blob) !== 0) return LOAD
    const image = Atomics.load(pool.imageOf, blob)
    const disk = Atomics.load(pool.diskSlotOf, blob) - 1
    if (disk < 0 || pool.disk.routed[disk] === 0) return LOAD
    this.#blobs[depth] = blob
    this.#disks[depth] = disk
    this.#images[depth] = image
    this.#depth++
    let region = this.#cache.get(blob, disk, image)
    if (region === undefined) {
      pool.count('routingMisses')
      region = this.#reader.readRegion(blob, disk, image)
      if (region === undefined) return this.#reader.problem === '' ? LOAD : DAMAGED
      this.#cache.set(blob, region)
    } else {
      pool.count('routingHits')
    }
    if (depth === 0 && this.#isWanted(region)) return LOAD
    this.#region = region
    return ENTERED
  }

  /** Whether the blob is asked for as often as those that the pool holds: then it is worth its place there. */
  #isWanted(region: RoutingRegion): boolean {
    if (this.#clock - region.since > READS_BEFORE_LOADING * this.#pool.frames) {
      region.since = this.#clock
      region.reads = 0
    }
    return ++region.reads > READS_BEFORE_LOADING
  }

  /** Descends in the region at hand. Long and flat on purpose, as `Lookup`; what it reads is verified and cannot change. */
  #descend(key: Uint8Array, end: number): number {
    const { u8, u16, leaves } = this.#region
    let at = this.#entry
    let ref = u16[H_ROOT >> 1]
    for (;;) {
      if (ref === 0) return ABSENT
      const node = offsetOf(ref)
      if (node >= leaves) return this.#leaf(node, key, at, end)
      switch (u8[node]) {
        case PREFIX: {
          const n = u8[node + PREFIX_LENGTH]
          if (n === 0) return this.#malformed()
          if (n > end - at || commonLength(u8, node + PREFIX_BYTES, key, at, n) < n) return ABSENT
          at += n
          ref = u16[(node + PREFIX_CHILD) >> 1]
          continue
        }
        case BLOB: {
          const n = u8[node + BLOB_LENGTH]
          if (n > end - at || commonLength(u8, node + BLOB_BYTES, key, at, n) < n) return ABSENT
          this.#entry = at + n - u8[node + BLOB_RUN]
          this.#blob = this.#region.u32[(node + BLOB_CHILD) >> 2]
          return CROSSING
        }
        case NODE4:
        case NODE16:
        case NODE48:
        case NODE256:
          break
        default:
          return this.#malformed()
      }
      if (at === end) {
        ref = u16[(node + INNER_TERMINAL) >> 1]
        if (ref !== 0 && offsetOf(ref) < leaves) return this.#malformed()
      } else {
        ref = this.#child(node, key[at++])
      }
    }
  }

  /** Reference of the child of an inner node for `byte`, or 0. */
  #child(node: number, byte: number): number {
    const { u8, u16 } = this.#region
    switch (u8[node]) {
      case NODE4:
        for (let i = 0, n = u8[node + INNER_COUNT]; i < n; i++) {
          if (u8[node + NODE4_KEYS + i] === byte) return u16[(node + NODE4_CHILDREN + i * 2) >> 1]
        }
        return 0
      case NODE16:
        for (let i = 0, n = u8[node + INNER_COUNT]; i < n; i++) {
          if (u8[node + NODE16_KEYS + i] === byte) return u16[(node + NODE16_CHILDREN + i * 2) >> 1]
        }
        return 0
      case NODE48: {
        const i = u8[node + NODE48_INDEX + byte]
        return i === 0 ? 0 : u16[(node + NODE48_CHILDREN + (i - 1) * 2) >> 1]
      }
      default:
        return u16[(node + NODE256_CHILDREN + byte * 2) >> 1]
    }
  }

  #malformed(): number {
    this.#reader.problem = 'it holds a malformed node'
    return DAMAGED
  }

  /** The leaf at `offset` of the image, unless the bloom filter knows better; it decides whether the key is there. */
  #leaf(offset: number, key: Uint8Array, at: number, end: number): number {
    const region = this.#region
    const state = hashBytes(HASH_START, key, this.#entry, end)
    if (!bloomMayHold(region.u8, region.bloom, region.bloomBytes, region.hashes, state)) {
      this.#pool.count('bloomNegatives')
      return ABSENT
    }
    if (offset >= region.used) return this.#malformed()
    const page = Math.floor(offset / PAGE_SIZE)
    if (!this.#reader.readPages(region, page, 0, 1)) return DAMAGED
    const { bytes, u16 } = this.#reader
    const leaf = offset - page * PAGE_SIZE
    const suffix = u16[(leaf + LEAF_SUFFIX) >> 1]
    const start = u16[(leaf + LEAF_KEY_START) >> 1]
    const size = u16[(leaf + LEAF_VALUE) >> 1] | (bytes[leaf + LEAF_VALUE_HIGH] << 16)
    if (bytes[leaf] !== LEAF || start < LEAF_HEAD || offset + start + suffix + size > region.used)
      return this.#malformed()
    if (suffix !== end - at) return ABSENT
    const count = Math.ceil((leaf + start + suffix + size) / PAGE_SIZE)
    if (count > this.#reader.mostPages) return this.#malformed()
    if (count > 1 && !this.#reader.readPages(region, page, 1, count)) return DAMAGED
    if (commonLength(bytes, leaf + start, key, at, suffix) < suffix) return ABSENT
    this.valueAt = leaf + start + suffix
    this.valueLength = size
    this.recordVersion = leafVersion(this.#reader.u32, leaf)
    return FOUND
  }
}
