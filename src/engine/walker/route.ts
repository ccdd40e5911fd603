/** Gives a frame the routing layout, for whoever is in the gate: what `tree.compact()` asks for. */
import { FRAME_SHIFT } from '../../limits.ts'
import { H_DEAD } from '../layout.ts'
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
