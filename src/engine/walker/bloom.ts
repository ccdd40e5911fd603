/**
 * The bloom filter of a routed frame, over the key bytes of its leaves below the frame's root node. It answers "surely
 * not there" or "maybe", never wrongly the former (I38).
 *
 * A key is hashed byte by byte (FNV-1a, 32 bits), so that a walk of the tree carries the state along instead of the key.
 * The bit positions follow from the finished hash by double hashing (Kirsch and Mitzenmacher 2006).
 */
import { align8 } from '../layout.ts'

/** Bits a key, and bits that each sets: about 1 in 120 absent keys is taken for maybe there. */
const BITS_A_KEY = 10
export const BLOOM_HASHES = 7

/** The state of no bytes. */
export const HASH_START = 0x811c9dc5 | 0

export function hashByte(state: number, byte: number): number {
  return Math.imul(state ^ byte, 0x01000193)
}

/** The state after `bytes[at .. end)` too. */
export function hashBytes(state: number, bytes: Uint8Array, at: number, end: number): number {
  for (let i = at; i < end; i++) state = Math.imul(state ^ bytes[i], 0x01000193)
  return state
}

/** Bytes of a filter for so many keys. */
export function bloomSize(keys: number): number {
  return align8(Math.ceil((keys * BITS_A_KEY) / 8))
}

/** Spreads the state over all bits (the finalizer of MurmurHash3). */
function finish(state: number): number {
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return state ^ (state >>> 16)
}

/** Adds the key with this state to the filter `u8[at .. at + size)`. */
export function bloomAdd(u8: Uint8Array, at: number, size: number, state: number): void {
  let hash = finish(state)
  const step = finish(hash ^ HASH_START) | 1
  for (let i = 0; i < BLOOM_HASHES; i++, hash = (hash + step) | 0) {
    const bit = (hash >>> 0) % (size * 8)
    u8[at + (bit >> 3)] |= 1 << (bit & 7)
  }
}

/** Whether the key may be one of those that were added, each with `hashes` bits. */
export function bloomMayHold(u8: Uint8Array, at: number, size: number, hashes: number, state: number): boolean {
  let hash = finish(state)
  const step = finish(hash ^ HASH_START) | 1
  for (let i = 0; i < hashes; i++, hash = (hash + step) | 0) {
    const bit = (hash >>> 0) % (size * 8)
    if ((u8[at + (bit >> 3)] & (1 << (bit & 7))) === 0) return false
  }
  return true
}
