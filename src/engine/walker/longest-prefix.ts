/**
 * The record with the longest key that is a prefix of a given key: one descent without locks. What ends on the way is
 * noted, and copied before its frame is left, so that a pool of few frames serves a path through many. The answer holds
 * for one moment: when the last frame has been read, the frame of the record is seen unchanged too, and no subtree was
 * renamed meanwhile. (Frames between them hold no such record, and were unchanged when the next one was entered, I3.)
 */
import { HoltError } from '../../errors.ts'
import { FRAME_SHIFT, MAX_VALUE } from '../../limits.ts'
import type { Gate } from '../gate.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  BLOB_RUN,
  H_ROOT,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  NODE4,
  NODE256,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  ROOT_BLOB,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { C_RENAMES, C_TICK } from '../shared.ts'
import { bufferOf, commonLength, copyBytes } from './bytes.ts'
import { findChild, leafValueLength, leafVersion } from './node.ts'
import { LiveResidency, type Residency } from './residency.ts'

/** Conflicts after which a descent holds the gate, where nothing changes. */
const PATIENCE = 8

/** Outcomes of a descent. */
const DONE = 0
const CONFLICT = 1
const MALFORMED = 2

export interface PrefixRecord {
  key: Buffer
  value: Buffer
  version: number
}

export class LongestPrefix {
  /** The record noted last: length of its key, and once it is copied its value and version. */
  #keyLength = 0
  #value = new Uint8Array(0)
  #valueLength = 0
  #recordVersion = 0

  readonly #pool: Pool
  readonly #gate: Gate
  readonly #residency: Residency
  /** The frame at hand. */
  #slot = 0
  #version = 0
  /** The leaf of the record noted last, 0 when it was copied; its frame; -1: there is none yet. */
  #leaf = 0
  #leafSlot = -1
  #leafFrameVersion = 0

  constructor(pool: Pool, gate: Gate, residency: Residency = new LiveResidency(pool, gate)) {
    this.#pool = pool
    this.#gate = gate
    this.#residency = residency
  }

  /** A copy of the record whose key is the longest one that the first `length` bytes of `key` begin with. */
  record(key: Uint8Array, length: number): PrefixRecord | undefined {
    if (!this.#find(key, length)) return undefined
    return {
      key: bufferOf(key, this.#keyLength),
      value: bufferOf(this.#value, this.#valueLength),
      version: this.#recordVersion,
    }
  }

  #find(key: Uint8Array, length: number): boolean {
    for (let attempt = 0; attempt < PATIENCE; attempt++) {
      const renames = Atomics.load(this.#pool.control, C_RENAMES)
      const outcome = (renames & 1) === 0 ? this.#descend(key, length) : CONFLICT
      if (outcome === DONE && this.#holds(renames)) return this.#leafSlot >= 0
      if (outcome === MALFORMED && this.#unchanged()) throw this.#damage()
      this.#pool.count('readRestarts')
    }
    const entered = this.#gate.enter()
    try {
      // Frames that this descent itself evicts do not matter: what was in them is still so.
      if (this.#descend(key, length) !== DONE) throw this.#damage()
      this.#copy()
      return this.#leafSlot >= 0
    } finally {
      this.#gate.leave(entered)
    }
  }

  #damage(): HoltError {
    return new HoltError('HOLT_CORRUPT_FRAME', `blob ${this.#pool.blobOf[this.#slot]} holds a malformed node`)
  }

  #unchanged(): boolean {
    return Atomics.load(this.#pool.version, this.#slot) === this.#version
  }

  /** Copies what was found, and tells whether all of it is to be believed. */
  #holds(renames: number): boolean {
    this.#copy()
    const { version, control } = this.#pool
    if (this.#leafSlot >= 0 && Atomics.load(version, this.#leafSlot) !== this.#leafFrameVersion) return false
    return this.#unchanged() && Atomics.load(control, C_RENAMES) === renames
  }

  #note(leaf: number, keyLength: number): void {
    this.#leaf = leaf
    this.#leafSlot = this.#slot
    this.#leafFrameVersion = this.#version
    this.#keyLength = keyLength
  }

  #copy(): void {
    const leaf = this.#leaf
    if (leaf === 0) return
    this.#leaf = 0
    const { u8, u16, u32 } = this.#pool
    const value = leaf + u16[(leaf + LEAF_KEY_START) >> 1] + u16[(leaf + LEAF_SUFFIX) >> 1]
    this.#valueLength = Math.min(leafValueLength(this.#pool, leaf), MAX_VALUE)
    if (this.#valueLength > this.#value.length) this.#value = new Uint8Array(2 * this.#valueLength)
    copyBytes(u8, value, this.#value, 0, this.#valueLength)
    this.#recordVersion = leafVersion(u32, leaf)
  }

  /** Enters the frame of a blob, from the one at hand unless it is the root; returns its base, or -1. */
  #enter(blob: number): number {
    const isRoot = blob === ROOT_BLOB
    const pool = this.#pool
    const residency = this.#residency
    let slot = residency.slotOf(blob)
    if (slot < 0) {
      this.#copy()
      slot = isRoot ? residency.fetchBelow(-1, 0, blob) : residency.fetchBelow(this.#slot, this.#version, blob)
      if (slot < 0) return -1
    }
    const version = Atomics.load(pool.version, slot)
    if ((version & 1) !== 0 || !residency.holds(slot, blob)) return -1
    if (!isRoot && !this.#unchanged()) return -1
    const tick = pool.control[C_TICK]
    if (pool.touch[slot] !== tick) pool.touch[slot] = tick
    this.#slot = slot
    this.#version = version
    return slot << FRAME_SHIFT
  }

  #descend(key: Uint8Array, end: number): number {
    const { u8, u16, u32 } = this.#pool
    this.#leaf = 0
    this.#leafSlot = -1
    let base = this.#enter(ROOT_BLOB)
    if (base < 0) return CONFLICT
    let ref = u16[(base + H_ROOT) >> 1]
    let at = 0
    while (ref !== 0) {
      const node = base + offsetOf(ref)
      const kind = u8[node]
      if (kind === LEAF) {
        const start = u16[(node + LEAF_KEY_START) >> 1]
        const suffix = u16[(node + LEAF_SUFFIX) >> 1]
        if (start < LEAF_HEAD) return MALFORMED
        const isPrefix = suffix <= end - at && commonLength(u8, node + start, key, at, suffix) === suffix
        if (isPrefix) this.#note(node, at + suffix)
        return DONE
      }
      if (kind === PREFIX || kind === BLOB) {
        const isBlob = kind === BLOB
        const length = u8[node + (isBlob ? BLOB_LENGTH : PREFIX_LENGTH)]
        const bytes = node + (isBlob ? BLOB_BYTES : PREFIX_BYTES)
        if (length === 0 && !isBlob) return MALFORMED
        if (length > end - at || commonLength(u8, bytes, key, at, length) < length) return DONE
        at += length
        if (isBlob) {
          // The child of a run crossing spells the byte that led to it once more.
          at -= u8[node + BLOB_RUN]
          base = this.#enter(u32[(node + BLOB_CHILD) >> 2])
          if (base < 0) return CONFLICT
        }
        ref = u16[(isBlob ? base + H_ROOT : node + PREFIX_CHILD) >> 1]
        continue
      }
      if (kind < NODE4 || kind > NODE256) return MALFORMED
      const terminal = u16[(node + INNER_TERMINAL) >> 1]
      if (terminal !== 0) {
        const leaf = base + offsetOf(terminal)
        if (u8[leaf] !== LEAF || u16[(leaf + LEAF_SUFFIX) >> 1] !== 0) return MALFORMED
        this.#note(leaf, at)
      }
      if (at === end) return DONE
      const refAt = findChild(this.#pool, node, key[at])
      if (refAt === 0) return DONE
      at++
      ref = u16[refAt >> 1]
    }
    return DONE
  }
}
