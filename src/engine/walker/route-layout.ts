/**
 * The routing layout of a frame: first everything but leaves, then a bloom filter over the leaves' keys, then, from the
 * next page on, the leaves, none of which touches more pages than its size needs. A cold lookup so reads the first part
 * once and then one page a record. Where the gaps would take too much (values of a good half of a page), leaves follow
 * each other without gaps, and some are read from two pages.
 *
 * Its exact size is planned before anything is copied. A frame stays plain that is small, that would not fit, or whose
 * routing region is no small part of it.
 */
import { DATA_START, FRAME_SHIFT, FRAME_SIZE, MIN_ROUTED_BYTES, PAGE_SIZE, SPILL_RESERVE } from '../../limits.ts'
import { copyFrameKey } from '../frame-key.ts'
import {
  BLOB,
  H_BLOOM,
  H_BLOOM_BYTES,
  H_BLOOM_HASHES,
  H_LEAVES,
  H_ROOT,
  H_SLACK,
  H_USED,
  INNER_TERMINAL,
  LEAF,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  refOf,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { BLOOM_HASHES, bloomAdd, bloomSize, HASH_START, hashByte, hashBytes } from './bloom.ts'
import { copyNode, MAX_NODES, packedSize, pushChildren, stack } from './clone.ts'
import { findChild, isRun, nextChild, nodeAt, runEnd } from './node.ts'

/** What the last {@link planRouting} found: the region's nodes end at `bloom`, the leaves begin at `leaves`. */
const plan = { bloom: 0, bloomBytes: 0, leaves: 0, end: 0, live: 0, hasGaps: false }

/** Gaps may take this part of the leaves' bytes. */
const MOST_GAPS = 1 / 8

/** Hash states beside the nodes on the clone's stack. */
const states = new Int32Array(MAX_NODES)

/** Where a leaf of `size` bytes goes that may begin at `at` or behind. */
function placeLeaf(at: number, size: number): number {
  const inPage = at & (PAGE_SIZE - 1)
  return pages(inPage + size) > pages(size) ? at - inPage + PAGE_SIZE : at
}

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE)
}

/** Whether the frame at `base` gains from the routing layout, and its packed copy has room in a frame. */
export function planRouting(pool: Pool, base: number): boolean {
  if (pool.space.live(base) < MIN_ROUTED_BYTES || pool.u16[(base + H_ROOT) >> 1] === 0) return false
  let inner = 0
  let live = 0
  let keys = 0
  let leaves = 0
  let withGaps = 0
  let top = 0
  stack[top++] = base + H_ROOT
  while (top > 0) {
    const node = nodeAt(pool, base, stack[--top])
    const size = packedSize(pool, node)
    live += size
    if (pool.u8[node] === LEAF) {
      keys++
      leaves += size
      withGaps = placeLeaf(withGaps, size) + size
    } else {
      inner += size
    }
    if (live > FRAME_SIZE) return false
    top = pushChildren(pool, base, node, top)
  }
  plan.live = live
  plan.bloom = DATA_START + inner
  plan.bloomBytes = bloomSize(keys)
  plan.leaves = pages(plan.bloom + plan.bloomBytes) * PAGE_SIZE
  const most = FRAME_SIZE - SPILL_RESERVE - plan.leaves
  plan.hasGaps = withGaps <= Math.min(most, leaves * (1 + MOST_GAPS))
  plan.end = plan.leaves + (plan.hasGaps ? withGaps : leaves)
  return keys > 0 && leaves <= most && plan.leaves * 2 <= plan.end
}

/** Copies the tree of the frame at `from`, which was planned last, into the formatted, empty frame at `to`. */
export function cloneRouted(pool: Pool, from: number, to: number): void {
  const { u8, u16, u32 } = pool
  copyFrameKey(pool, from, to)
  const bloom = to + plan.bloom
  let innerAt = to + DATA_START
  let leafAt = plan.leaves
  u8.fill(0, bloom, to + plan.leaves)
  let top = 0
  stack[top++] = from + H_ROOT
  stack[top++] = to + H_ROOT
  states[top >> 1] = HASH_START
  while (top > 0) {
    let state = states[top >> 1]
    const hangAt = stack[--top]
    const source = nodeAt(pool, from, stack[--top])
    const size = packedSize(pool, source)
    const kind = u8[source]
    if (kind === LEAF) {
      const at = plan.hasGaps ? placeLeaf(leafAt, size) : leafAt
      u8.fill(0, to + leafAt, to + at)
      leafAt = at + size
      copyNode(pool, source, to + at, size)
      u16[hangAt >> 1] = refOf(at)
      const suffix = source + u16[(source + LEAF_KEY_START) >> 1]
      state = hashBytes(state, u8, suffix, suffix + u16[(source + LEAF_SUFFIX) >> 1])
      bloomAdd(u8, bloom, plan.bloomBytes, state)
      continue
    }
    const copy = innerAt
    innerAt += size
    copyNode(pool, source, copy, size)
    u16[hangAt >> 1] = refOf(copy - to)
    if (kind === PREFIX) {
      const bytes = source + PREFIX_BYTES
      stack[top++] = source + PREFIX_CHILD
      stack[top++] = copy + PREFIX_CHILD
      states[top >> 1] = hashBytes(state, u8, bytes, bytes + u8[source + PREFIX_LENGTH])
    } else if (kind !== BLOB) {
      if (u16[(source + INNER_TERMINAL) >> 1] !== 0) {
        stack[top++] = source + INNER_TERMINAL
        stack[top++] = copy + INNER_TERMINAL
        states[top >> 1] = state
      }
      for (let byte = nextChild(pool, source, 0); byte < 256; byte = nextChild(pool, source, byte + 1)) {
        const child = findChild(pool, source, byte)
        const crossing = nodeAt(pool, from, child)
        if (isRun(pool, crossing)) {
          const bytes = packedSize(pool, crossing)
          copyNode(pool, crossing, innerAt, bytes)
          for (const end = runEnd(pool, source, byte); ; byte++) {
            u16[(copy + findChild(pool, source, byte) - source) >> 1] = refOf(innerAt - to)
            if (byte === end) break
          }
          innerAt += bytes
          continue
        }
        stack[top++] = child
        stack[top++] = copy + (child - source)
        states[top >> 1] = hashByte(state, byte)
      }
    }
  }
  if (innerAt !== bloom || leafAt !== plan.end) throw new Error('a routed frame is not as it was planned')
  u32[(to + H_USED) >> 2] = plan.end
  u32[(to + H_LEAVES) >> 2] = plan.leaves
  u32[(to + H_BLOOM) >> 2] = plan.bloom
  u32[(to + H_BLOOM_BYTES) >> 2] = plan.bloomBytes
  u32[(to + H_BLOOM_HASHES) >> 2] = BLOOM_HASHES
  u32[(to + H_SLACK) >> 2] = plan.end - DATA_START - plan.live
}

/** Whether the frame in `slot` has the routing layout. */
export function isRouted(pool: Pool, slot: number): boolean {
  return pool.u32[((slot << FRAME_SHIFT) + H_LEAVES) >> 2] !== 0
}
