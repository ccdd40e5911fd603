/** Edges longer than one byte: Prefix chains and BlobNodes. The caller holds the frame for writing and checked the room. */
import { MAX_PREFIX } from '../../limits.ts'
import {
  BLOB,
  BLOB_BYTES,
  BLOB_CHILD,
  BLOB_LENGTH,
  blobSize,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  prefixSize,
  refOf,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { copyBytes } from './bytes.ts'

/** Bytes that {@link makeEdge} allocates for an edge of `length` bytes. */
export function edgeSize(length: number): number {
  const rest = length % MAX_PREFIX
  return Math.floor(length / MAX_PREFIX) * prefixSize(MAX_PREFIX) + (rest === 0 ? 0 : prefixSize(rest))
}

/** Hangs `child` below a chain of Prefix nodes that spells `bytes[at .. at + length)`; returns the topmost reference. */
export function makeEdge(
  pool: Pool,
  base: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  child: number,
): number {
  let end = at + length
  while (end > at) {
    const n = Math.min(MAX_PREFIX, end - at)
    const node = base + pool.space.allocate(base, prefixSize(n))
    pool.u8[node] = PREFIX
    pool.u8[node + PREFIX_LENGTH] = n
    pool.u16[(node + PREFIX_CHILD) >> 1] = child
    end -= n
    copyBytes(bytes, end, pool.u8, node + PREFIX_BYTES, n)
    child = refOf(node - base)
  }
  return child
}

/** Bytes that {@link makeCrossing} allocates. */
export function crossingSize(length: number): number {
  const inline = Math.min(length, MAX_PREFIX)
  return blobSize(inline) + edgeSize(length - inline)
}

/** An edge that ends in a BlobNode for `blob`; the last bytes of the edge are inline in it. */
export function makeCrossing(
  pool: Pool,
  base: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  blob: number,
): number {
  const inline = Math.min(length, MAX_PREFIX)
  const node = base + pool.space.allocate(base, blobSize(inline))
  pool.u8[node] = BLOB
  pool.u8[node + BLOB_LENGTH] = inline
  pool.u16[(node + 2) >> 1] = 0
  pool.u32[(node + BLOB_CHILD) >> 2] = blob
  copyBytes(bytes, at + length - inline, pool.u8, node + BLOB_BYTES, inline)
  return makeEdge(pool, base, bytes, at, length - inline, refOf(node - base))
}
