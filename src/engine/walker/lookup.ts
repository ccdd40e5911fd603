/**
 * Point lookup without locks: descend, and believe nothing before the version words of the frames that were read are
 * seen unchanged (optimistic lock coupling, Leis et al. 2016). A torn read can only yield offsets inside the frame or
 * the padding (I1), and every step consumes key bytes or leaves the frame, so the descent ends.
 *
 * What makes it fast: the key is brought into one buffer of the lookup's own, so that it is compared by words at any
 * alignment and the code is the same for all callers; a node's first word is read once and holds kind, length or count, and
 * child or terminal; nothing is allocated. `bench/point-lookup.ts` shows it.
 */
import { HoltError } from '../../errors.ts'
import { FRAME_SHIFT, MAX_KEY } from '../../limits.ts'
import type { Gate } from '../gate.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_RUN,
  H_ROOT,
  LEAF,
  LEAF_HEAD,
  LEAF_SUFFIX,
  LEAF_VERSION,
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
  ROOT_BLOB,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { C_MOVES, C_RENAMES, C_TICK } from '../shared.ts'
import { copyBytes } from './bytes.ts'
import { ABSENT, CONFLICT, FOUND } from './cold.ts'
import { LiveResidency, type Residency } from './residency.ts'
import { MAX_WAY, type RouteCache } from './route-cache.ts'
import { copyOut, sameBytes } from './words.ts'

/** Outcomes of one optimistic descent, beside those of a cold lookup that ends it. */
const CORRUPT = -3

/** A node's first word: kind in bits 0 to 7, length or count in 8 to 15, child, terminal or key start in 16 to 31. */
const KIND = 255

/** Lookups between two times that they are counted. */
const LOOKUPS_A_COUNT = 1024

export class Lookup {
  /** The key that {@link find} looks for; there is room for four bytes more than it may have. */
  readonly key = new Uint8Array(MAX_KEY + 4)
  /** The value of the record that was found: its length in bytes, and the record's version. */
  valueLength = 0
  recordVersion = 0

  readonly #pool: Pool
  readonly #gate: Gate
  readonly #residency: Residency
  readonly #routes: RouteCache | undefined
  readonly #version: Int32Array
  readonly #touch: Int32Array
  readonly #control: Int32Array
  readonly #u8: Uint8Array
  readonly #u16: Uint16Array
  readonly #i32: Int32Array
  readonly #bytes: DataView
  readonly #keyBytes = new DataView(this.key.buffer)
  /** Root references by pool slot, and the version at which each was read: header lines would evict each other. */
  readonly #roots: Uint16Array
  readonly #rootVersions: Int32Array
  #slot = 0
  #seen = 0
  /** Not handed on yet: a shared counter costs more than a descent's step. */
  #lookups = 0
  #crossings = 0

  /** Routes are those of the live tree. */
  constructor(pool: Pool, gate: Gate, residency: Residency = new LiveResidency(pool, gate), routes?: RouteCache) {
    this.#pool = pool
    this.#gate = gate
    this.#residency = residency
    this.#routes = routes
    this.#version = pool.version
    this.#touch = pool.touch
    this.#control = pool.control
    this.#u8 = pool.u8
    this.#u16 = pool.u16
    this.#i32 = new Int32Array(pool.u8.buffer)
    this.#bytes = new DataView(pool.u8.buffer)
    this.#roots = new Uint16Array(pool.frames)
    this.#rootVersions = new Int32Array(pool.frames).fill(-1)
  }

  /**
   * Finds the key `key[at .. at + length)`; when it is there copies as much of its value as fits to `target[to..]` and
   * returns true. With `target` undefined only {@link valueLength} and {@link recordVersion} are filled.
   */
  get(key: Uint8Array, at: number, length: number, target: Uint8Array | undefined, to: number): boolean {
    if (length > MAX_KEY) return false
    if (at === 0 && length === key.length) this.key.set(key)
    else for (let i = 0; i < length; i++) this.key[i] = key[at + i]
    return this.find(length, target, to)
  }

  /** As {@link get}, for the key that stands in the first `length` bytes of {@link key}. */
  find(length: number, target: Uint8Array | undefined, to: number): boolean {
    if (++this.#lookups === LOOKUPS_A_COUNT) this.#count()
    for (let attempt = 0; ; attempt++) {
      const renames = this.#control[C_RENAMES]
      const moves = this.#control[C_MOVES]
      const leaf = this.#descend(length)
      if (leaf >= 0) {
        const i32 = this.#i32
        const head = i32[leaf >> 2]
        const lengths = i32[(leaf + LEAF_SUFFIX) >> 2]
        const size = (lengths >>> 16) | ((head & 0xff00) << 8)
        const stamp = (leaf + LEAF_VERSION) >> 2
        const version = (i32[stamp] >>> 0) + i32[stamp + 1] * 4294967296
        if (target !== undefined) {
          const value = leaf + (head >>> 16) + (lengths & 0xffff)
          copyOut(this.#u8, this.#bytes, value, target, to, Math.min(size, target.length - to))
        }
        // Where a subtree was moved, its frames need not have changed: the way to this one may be another key's by now.
        if (this.#unchanged() && this.#control[C_MOVES] === moves) {
          if (this.#routes !== undefined && this.#routes.wanted >= 0) this.#routes.keep(this.#keyBytes)
          this.valueLength = size
          this.recordVersion = version
          return true
        }
      } else if (leaf === ABSENT) {
        // While a rename is applied the record may be under neither of its names.
        if ((renames & 1) === 0 && Atomics.load(this.#control, C_RENAMES) === renames) return false
      } else if (leaf === FOUND && this.#control[C_MOVES] === moves) {
        const cold = this.#residency.cold!
        this.valueLength = cold.valueLength
        this.recordVersion = cold.recordVersion
        if (target !== undefined) {
          copyBytes(cold.bytes, cold.valueAt, target, to, Math.min(cold.valueLength, target.length - to))
        }
        return true
      } else if (leaf === CORRUPT) {
        throw new HoltError('HOLT_CORRUPT_FRAME', `blob ${this.#pool.blobOf[this.#slot]} holds a malformed node`)
      }
      this.#pool.count('readRestarts')
      if (attempt > 64) this.#settle()
    }
  }

  #count(): void {
    this.#pool.count('lookups', this.#lookups)
    this.#pool.count('crossings', this.#crossings)
    this.#lookups = 0
    this.#crossings = 0
  }

  #unchanged(): boolean {
    return Atomics.load(this.#version, this.#slot) === this.#seen
  }

  /** Under the gate nothing changes any more: the way out for a reader that writers overtake again and again. */
  #settle(): void {
    const entered = this.#gate.enter()
    this.#gate.leave(entered)
  }

  /** What a malformed node means: a writer was at work, or, when the frame did not change, damage. */
  #malformed(): number {
    return this.#unchanged() ? CORRUPT : CONFLICT
  }

  #absent(): number {
    return this.#unchanged() ? ABSENT : CONFLICT
  }

  /** A blob that is not resident: an outcome without loading it, or the slot where it is now. */
  #miss(slot: number, version: number, blob: number, at: number, end: number): number {
    const residency = this.#residency
    if (residency.cold !== undefined) return residency.cold.get(slot, version, blob, this.key, at, end)
    const child = residency.fetchBelow(slot, version, blob)
    return child < 0 ? CONFLICT : child
  }

  /** The root reference of the frame in `slot`, whose version is `version`. */
  #rootOf(slot: number, version: number): number {
    if (this.#rootVersions[slot] === version) return this.#roots[slot]
    const ref = this.#u16[((slot << FRAME_SHIFT) + H_ROOT) >> 1]
    if (Atomics.load(this.#version, slot) === version) {
      this.#roots[slot] = ref
      this.#rootVersions[slot] = version
    }
    return ref
  }

  /** The leaf of the key that ends at an inner node, to which `ref` refers. */
  #terminal(base: number, ref: number): number {
    if (ref === 0) return this.#absent()
    const leaf = base + offsetOf(ref)
    if (this.#u8[leaf] !== LEAF || this.#u16[(leaf + LEAF_SUFFIX) >> 1] !== 0) return this.#malformed()
    return leaf
  }

  /** One descent. Returns the leaf's index in the pool (not validated yet) or a negative outcome. Long and flat on purpose. */
  #descend(end: number): number {
    const residency = this.#residency
    const touch = this.#touch
    const key = this.key
    const keyBytes = this.#keyBytes
    const bytes = this.#bytes
    const u8 = this.#u8
    const u16 = this.#u16
    const i32 = this.#i32
    const routes = this.#routes
    const tick = this.#control[C_TICK]
    let at = 0
    let slot = 0
    let version = 0
    let ref = 0
    /** The way to note: nodes with no more bytes above them. */
    let way = -1
    let isRun = false
    if (routes?.find(keyBytes, end)) {
      slot = routes.slot
      version = routes.version
      ref = routes.ref
      at = routes.depth
      this.#slot = slot
      this.#seen = version
    } else {
      slot = residency.slotOf(ROOT_BLOB)
      if (slot < 0) slot = residency.fetchBelow(-1, 0, ROOT_BLOB)
      if (slot < 0) return CONFLICT
      version = Atomics.load(this.#version, slot)
      this.#slot = slot
      this.#seen = version
      if ((version & 1) !== 0 || !residency.holds(slot, ROOT_BLOB)) return CONFLICT
      ref = this.#rootOf(slot, version)
      if (routes !== undefined) way = routes.wanted
    }
    let base = slot << FRAME_SHIFT
    for (;;) {
      if (ref === 0) return this.#absent()
      const node = base + offsetOf(ref)
      const head = i32[node >> 2]
      if (at <= way) {
        // Behind a run crossing the byte that led there counts once more: keys with another one do not go through it.
        if (isRun) isRun = false
        else if ((head & KIND) !== LEAF) routes!.note(slot, ref, at)
      }
      switch (head & KIND) {
        case LEAF: {
          const suffix = i32[(node + LEAF_SUFFIX) >> 2] & 0xffff
          if (suffix !== end - at) return this.#absent()
          const start = head >>> 16
          if (start < LEAF_HEAD) return this.#malformed()
          if (!sameBytes(bytes, node + start, keyBytes, at, suffix)) return this.#absent()
          if (touch[slot] !== tick) touch[slot] = tick
          return node
        }
        case PREFIX: {
          const n = (head >>> 8) & 255
          if (n === 0) return this.#malformed()
          if (n > end - at || !sameBytes(bytes, node + PREFIX_BYTES, keyBytes, at, n)) return this.#absent()
          // The edge of a directory leads all its keys to the same node.
          if (at <= way && at + n <= MAX_WAY) way = Math.max(way, at + n)
          at += n
          ref = head >>> 16
          break
        }
        case BLOB: {
          const n = (head >>> 8) & 255
          if (n > end - at || !sameBytes(bytes, node + BLOB_BYTES, keyBytes, at, n)) return this.#absent()
          if (at <= way && at + n <= MAX_WAY) way = Math.max(way, at + n)
          isRun = u8[node + BLOB_RUN] !== 0
          at += isRun ? n - 1 : n
          const blob = i32[(node + BLOB_CHILD) >> 2] >>> 0
          let child = residency.slotOf(blob)
          if (child < 0) child = this.#miss(slot, version, blob, at, end)
          if (child < 0) return child
          const childVersion = Atomics.load(this.#version, child)
          if ((childVersion & 1) !== 0 || !residency.holds(child, blob)) return CONFLICT
          if (!this.#unchanged()) return CONFLICT
          if (touch[slot] !== tick) touch[slot] = tick
          this.#crossings++
          slot = child
          version = childVersion
          this.#slot = slot
          this.#seen = version
          base = slot << FRAME_SHIFT
          ref = this.#rootOf(slot, version)
          break
        }
        case NODE4: {
          if (at === end) return this.#terminal(base, head >>> 16)
          const found = zeroBytes(i32[(node + NODE4_KEYS) >> 2] ^ Math.imul(key[at++], 0x01010101))
          if (found === 0) return this.#absent()
          const i = (31 - Math.clz32(found & -found)) >> 3
          if (i >= ((head >>> 8) & 255)) return this.#absent()
          ref = u16[(node + NODE4_CHILDREN + i * 2) >> 1]
          break
        }
        case NODE16: {
          if (at === end) return this.#terminal(base, head >>> 16)
          const byte = key[at++]
          const n = (head >>> 8) & 255
          // Names are often numbered: the children of neighbouring bytes stand side by side.
          let i = byte - u8[node + NODE16_KEYS]
          if (i < 0) return this.#absent()
          if (i >= n || i >= 16 || u8[node + NODE16_KEYS + i] !== byte) {
            i = 0
            while (i < n && u8[node + NODE16_KEYS + i] !== byte) i++
            if (i >= n || i >= 16) return this.#absent()
          }
          ref = u16[(node + NODE16_CHILDREN + i * 2) >> 1]
          break
        }
        case NODE48: {
          if (at === end) return this.#terminal(base, head >>> 16)
          const i = u8[node + NODE48_INDEX + key[at++]]
          if (i === 0) return this.#absent()
          ref = u16[(node + NODE48_CHILDREN + (i - 1) * 2) >> 1]
          break
        }
        case NODE256: {
          if (at === end) return this.#terminal(base, head >>> 16)
          ref = u16[(node + NODE256_CHILDREN + key[at++] * 2) >> 1]
          break
        }
        default:
          return this.#malformed()
      }
    }
  }
}

/** The top bit of each byte of `word` that is zero, and none below the first one that is. */
function zeroBytes(word: number): number {
  return (word - 0x01010101) & ~word & 0x80808080
}
