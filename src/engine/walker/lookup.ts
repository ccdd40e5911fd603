/**
 * Point lookup without locks: descend, and believe nothing before the version words of the frames that were read are
 * seen unchanged (optimistic lock coupling, Leis et al. 2016). A torn read can only yield offsets inside the frame or
 * the padding (I1), and every step consumes key bytes or leaves the frame, so the descent ends.
 */
import { HoltError } from '../../errors.ts'
import { FRAME_SHIFT } from '../../limits.ts'
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
  PREFIX_CHILD,
  PREFIX_LENGTH,
} from '../layout.ts'
import { type Pool, ROOT_BLOB } from '../pool.ts'
import { C_TICK } from '../shared.ts'
import { copyBytes } from './bytes.ts'
import { ABSENT, CONFLICT, FOUND } from './cold.ts'
import { LiveResidency, type Residency } from './residency.ts'

/** Outcomes of one optimistic descent, beside those of a cold lookup that ends it. */
const CORRUPT = -3

export class Lookup {
  /** The value of the record that {@link get} found: its length in bytes, and the record's version. */
  valueLength = 0
  recordVersion = 0

  readonly #pool: Pool
  readonly #gate: Gate
  readonly #residency: Residency
  readonly #u8: Uint8Array
  readonly #u16: Uint16Array
  readonly #u32: Uint32Array
  #slot = 0
  #version = 0

  constructor(pool: Pool, gate: Gate, residency: Residency = new LiveResidency(pool, gate)) {
    this.#pool = pool
    this.#gate = gate
    this.#residency = residency
    this.#u8 = pool.u8
    this.#u16 = pool.u16
    this.#u32 = pool.u32
  }

  /**
   * Finds the key `key[at .. at + length)`; when it is there copies as much of its value as fits to `target[to..]` and
   * returns true. With `target` undefined only {@link valueLength} and {@link recordVersion} are filled.
   */
  get(key: Uint8Array, at: number, length: number, target: Uint8Array | undefined, to: number): boolean {
    const end = at + length
    for (let attempt = 0; ; attempt++) {
      const leaf = this.#descend(key, at, end)
      if (leaf === ABSENT) return false
      if (leaf >= 0) {
        const u16 = this.#u16
        const value = leaf + u16[(leaf + LEAF_KEY_START) >> 1] + u16[(leaf + LEAF_SUFFIX) >> 1]
        const size = u16[(leaf + LEAF_VALUE) >> 1] | (this.#u8[leaf + LEAF_VALUE_HIGH] << 16)
        const stamp = (leaf + LEAF_VERSION) >> 2
        const version = this.#u32[stamp] + this.#u32[stamp + 1] * 4294967296
        if (target !== undefined) copyBytes(this.#u8, value, target, to, Math.min(size, target.length - to))
        if (this.#unchanged()) {
          this.valueLength = size
          this.recordVersion = version
          return true
        }
      } else if (leaf === FOUND) {
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

  #unchanged(): boolean {
    return Atomics.load(this.#pool.version, this.#slot) === this.#version
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
  #miss(slot: number, version: number, blob: number, key: Uint8Array, at: number, end: number): number {
    const residency = this.#residency
    if (residency.cold !== undefined) return residency.cold.get(slot, version, blob, key, at, end)
    const child = residency.fetchBelow(slot, version, blob)
    return child < 0 ? CONFLICT : child
  }

  /** The leaf of the key that ends at an inner node. */
  #terminal(base: number, node: number): number {
    const ref = this.#u16[(node + INNER_TERMINAL) >> 1]
    if (ref === 0) return this.#absent()
    const leaf = base + offsetOf(ref)
    if (this.#u8[leaf] !== LEAF || this.#u16[(leaf + LEAF_SUFFIX) >> 1] !== 0) return this.#malformed()
    return leaf
  }

  /** One descent. Returns the leaf's index in the pool (not validated yet) or a negative outcome. Long and flat on purpose. */
  #descend(key: Uint8Array, at: number, end: number): number {
    const pool = this.#pool
    const residency = this.#residency
    const u8 = this.#u8
    const u16 = this.#u16
    let blob = ROOT_BLOB
    let slot = residency.slotOf(blob)
    if (slot < 0) slot = residency.fetchBelow(-1, 0, blob)
    if (slot < 0) return CONFLICT
    let version = Atomics.load(pool.version, slot)
    this.#slot = slot
    this.#version = version
    if ((version & 1) !== 0 || !residency.holds(slot, blob)) return CONFLICT
    const tick = pool.control[C_TICK]
    let base = slot << FRAME_SHIFT
    let ref = u16[(base + H_ROOT) >> 1]
    for (;;) {
      if (ref === 0) return this.#absent()
      const node = base + offsetOf(ref)
      switch (u8[node]) {
        case LEAF: {
          const suffix = u16[(node + LEAF_SUFFIX) >> 1]
          if (suffix !== end - at) return this.#absent()
          const start = u16[(node + LEAF_KEY_START) >> 1]
          if (start < LEAF_HEAD) return this.#malformed()
          for (let i = 0, from = node + start; i < suffix; i++) if (u8[from + i] !== key[at + i]) return this.#absent()
          if (pool.touch[slot] !== tick) pool.touch[slot] = tick
          return node
        }
        case PREFIX: {
          const n = u8[node + PREFIX_LENGTH]
          if (n === 0) return this.#malformed()
          if (n > end - at) return this.#absent()
          for (let i = 0, from = node + PREFIX_BYTES; i < n; i++)
            if (u8[from + i] !== key[at + i]) return this.#absent()
          at += n
          ref = u16[(node + PREFIX_CHILD) >> 1]
          break
        }
        case BLOB: {
          const n = u8[node + BLOB_LENGTH]
          if (n > end - at) return this.#absent()
          for (let i = 0, from = node + BLOB_BYTES; i < n; i++) if (u8[from + i] !== key[at + i]) return this.#absent()
          at += n - u8[node + BLOB_RUN]
          blob = this.#u32[(node + BLOB_CHILD) >> 2]
          let child = residency.slotOf(blob)
          if (child < 0) child = this.#miss(slot, version, blob, key, at, end)
          if (child < 0) return child
          const childVersion = Atomics.load(pool.version, child)
          if ((childVersion & 1) !== 0 || !residency.holds(child, blob)) return CONFLICT
          if (!this.#unchanged()) return CONFLICT
          if (pool.touch[slot] !== tick) pool.touch[slot] = tick
          slot = child
          version = childVersion
          this.#slot = slot
          this.#version = version
          base = slot << FRAME_SHIFT
          ref = u16[(base + H_ROOT) >> 1]
          break
        }
        case NODE4: {
          if (at === end) return this.#terminal(base, node)
          const byte = key[at++]
          const n = u8[node + INNER_COUNT]
          let i = 0
          while (i < n && u8[node + NODE4_KEYS + i] !== byte) i++
          if (i >= n || i >= 4) return this.#absent()
          ref = u16[(node + NODE4_CHILDREN + i * 2) >> 1]
          break
        }
        case NODE16: {
          if (at === end) return this.#terminal(base, node)
          const byte = key[at++]
          const n = u8[node + INNER_COUNT]
          let i = 0
          while (i < n && u8[node + NODE16_KEYS + i] !== byte) i++
          if (i >= n || i >= 16) return this.#absent()
          ref = u16[(node + NODE16_CHILDREN + i * 2) >> 1]
          break
        }
        case NODE48: {
          if (at === end) return this.#terminal(base, node)
          const i = u8[node + NODE48_INDEX + key[at++]]
          if (i === 0) return this.#absent()
          ref = u16[(node + NODE48_CHILDREN + (i - 1) * 2) >> 1]
          break
        }
        case NODE256: {
          if (at === end) return this.#terminal(base, node)
          ref = u16[(node + NODE256_CHILDREN + key[at++] * 2) >> 1]
          break
        }
        default:
          return this.#malformed()
      }
    }
  }
}
