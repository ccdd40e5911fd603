/**
 * The children of an inner node in order of their bytes, by a place that needs no search to go on from: for Node4 and
 * Node16 an index into the sorted arrays, for Node48 and Node256 the byte from which to look.
 */
import {
  INNER_COUNT,
  NODE4,
  NODE4_CHILDREN,
  NODE4_KEYS,
  NODE16,
  NODE16_CHILDREN,
  NODE16_KEYS,
  NODE48,
  NODE48_CHILDREN,
  NODE48_INDEX,
  NODE256_CHILDREN,
} from '../layout.ts'
import type { Pool } from '../pool.ts'

/** Where there is no further child. */
export const NO_PLACE = -1

/** The place of the first child at or behind `place`, or NO_PLACE. */
export function childFrom(pool: Pool, node: number, place: number): number {
  const { u8, u16 } = pool
  const kind = u8[node]
  if (kind === NODE4) return place < u8[node + INNER_COUNT] && place < 4 ? place : NO_PLACE
  if (kind === NODE16) return place < u8[node + INNER_COUNT] && place < 16 ? place : NO_PLACE
  if (kind === NODE48) {
    while (place < 256 && u8[node + NODE48_INDEX + place] === 0) place++
  } else {
    while (place < 256 && u16[(node + NODE256_CHILDREN + place * 2) >> 1] === 0) place++
  }
  return place < 256 ? place : NO_PLACE
}

/** The byte of the child at `place`. */
export function byteAt(pool: Pool, node: number, place: number): number {
  const kind = pool.u8[node]
  return kind === NODE4 || kind === NODE16 ? pool.u8[node + NODE4_KEYS + place] : place
}

/** The reference of the child at `place`. */
export function refAt(pool: Pool, node: number, place: number): number {
  const { u8, u16 } = pool
  const kind = u8[node]
  if (kind === NODE4) return u16[(node + NODE4_CHILDREN + place * 2) >> 1]
  if (kind === NODE16) return u16[(node + NODE16_CHILDREN + place * 2) >> 1]
  if (kind === NODE48) return u16[(node + NODE48_CHILDREN + (u8[node + NODE48_INDEX + place] - 1) * 2) >> 1]
  return u16[(node + NODE256_CHILDREN + place * 2) >> 1]
}

/** The place of the first child whose byte is `byte` or greater, or NO_PLACE. */
export function childAtOrAfter(pool: Pool, node: number, byte: number): number {
  const kind = pool.u8[node]
  if (kind !== NODE4 && kind !== NODE16) return childFrom(pool, node, byte)
  let place = 0
  while (place < 16 && place < pool.u8[node + INNER_COUNT] && pool.u8[node + NODE4_KEYS + place] < byte) place++
  return childFrom(pool, node, place)
}

/** The last place of the run of children that share the reference of the one at `place`. */
export function runEndFrom(pool: Pool, node: number, place: number): number {
  const ref = refAt(pool, node, place)
  let last = place
  for (;;) {
    const next = childFrom(pool, node, last + 1)
    if (next !== last + 1 || refAt(pool, node, next) !== ref) return last
    last = next
  }
}

if (NODE4_KEYS !== NODE16_KEYS) throw new Error('the keys of Node4 and Node16 begin at different offsets')
