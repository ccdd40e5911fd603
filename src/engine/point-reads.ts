/**
 * Point reads as users ask for them, over a lookup of the live tree or of another one: keys as bytes or strings, values
 * as copies of their own or into memory of the caller. A string key goes into the lookup's buffer at once; copies are cut
 * from a slab, so that a small value is copied once and costs no allocation of memory.
 */
import { MAX_USER_KEY } from '../limits.ts'
import { assertKey, type Bytes, keyTooLong } from './key-value.ts'
import type { Lookup } from './walker/lookup.ts'

export interface TreeRecord {
  value: Buffer
  /** Grows with every write of the record. */
  version: number
}

/** Bytes of a slab; a value kept for long keeps its slab. As much as Node allows itself for small buffers. */
const SLAB = 8 * 1024
/** Values longer than this get memory of their own. */
const SLAB_SHARE = SLAB / 4

const encoder = new TextEncoder()

export class PointReads {
  readonly #lookup: Lookup
  #slab = new Uint8Array(SLAB)
  #memory = this.#slab.buffer
  #used = 0

  constructor(lookup: Lookup) {
    this.#lookup = lookup
  }

  get(key: Bytes): Buffer | undefined {
    const length = this.#take(key)
    const lookup = this.#lookup
    if (!lookup.find(length, this.#slab, this.#used)) return undefined
    const size = lookup.valueLength
    const at = this.#used
    if (at + size > SLAB) return this.#again(length)
    this.#used = at + size
    return Buffer.from(this.#memory, at, size)
  }

  getRecord(key: Bytes): TreeRecord | undefined {
    const value = this.get(key)
    return value && { value, version: this.#lookup.recordVersion }
  }

  /** Copies the value to `target[at..]`, as much as fits; returns its length in bytes, -1 when the key is absent. */
  getInto(key: Bytes, target: Uint8Array, at: number): number {
    const lookup = this.#lookup
    return lookup.find(this.#take(key), target, at) ? lookup.valueLength : -1
  }

  /** Brings the key into the lookup's buffer; returns its length. */
  #take(key: Bytes): number {
    const bytes = this.#lookup.key
    if (typeof key === 'string') {
      const { read, written } = encoder.encodeInto(key, bytes)
      if (read < key.length || written > MAX_USER_KEY) throw keyTooLong(Buffer.byteLength(key))
      return written
    }
    assertKey(key)
    bytes.set(key)
    return key.length
  }

  /** The value did not fit what is left of the slab: as {@link get}, from a new slab or into a buffer of its own. */
  #again(length: number): Buffer | undefined {
    const lookup = this.#lookup
    for (;;) {
      const size = lookup.valueLength
      if (size > SLAB_SHARE) {
        const own = Buffer.allocUnsafeSlow(size)
        if (!lookup.find(length, own, 0)) return undefined
        if (lookup.valueLength <= size) return own.subarray(0, lookup.valueLength)
      } else {
        this.#slab = new Uint8Array(SLAB)
        this.#memory = this.#slab.buffer
        this.#used = 0
        if (!lookup.find(length, this.#slab, 0)) return undefined
        if (lookup.valueLength <= SLAB_SHARE) {
          this.#used = lookup.valueLength
          return Buffer.from(this.#memory, 0, this.#used)
        }
      }
    }
  }
}
