/** Gives a frame the routing layout: what `tree.compact()` and the maintenance of frames that nobody writes ask for. */
import { FRAME_SHIFT, MIN_ROUTED_BYTES } from '../../limits.ts'
import { H_DEAD, H_SEQ } from '../layout.ts'
import { type Pool, ROOT_BLOB } from '../pool.ts'
import { cloneRouted, isRouted, planRouting } from './route-layout.ts'
import { compact } from './spillover.ts'

/**
 * Rebuilds the frame in `slot` packed and routed, in another slot, which becomes its home and is returned; -1, and nothing
 * is changed, when that would gain nothing or would not fit. Under the gate, with the slots of a compaction reserved.
 */
export function route(pool: Pool, slot: number): number {
  if (pool.file === undefined || pool.blobOf[slot] === ROOT_BLOB) return -1
  const base = slot << FRAME_SHIFT
  if (isRouted(pool, slot) && pool.u32[(base + H_DEAD) >> 2] === 0) return -1
  if (!planRouting(pool, base)) return -1
  const home = compact(pool, slot, cloneRouted)
  pool.count('routings')
  return home
}

/**
 * Whether the frame in `slot` is worth a try of {@link route}: plain, not small, without a change that is not on disk, and
 * not changed since the record `coldSeq`. Looks only, needs no lock; what it says may be outdated.
 */
export function isRouteCandidate(pool: Pool, slot: number, coldSeq: number): boolean {
  const base = slot << FRAME_SHIFT
  const { u32 } = pool
  if (pool.blobOf[slot] <= ROOT_BLOB || pool.dirty[slot] !== 0 || isRouted(pool, slot)) return false
  return (
    pool.live(base) >= MIN_ROUTED_BYTES &&
    u32[(base + H_SEQ) >> 2] + u32[(base + H_SEQ + 4) >> 2] * 4294967296 <= coldSeq
  )
}
