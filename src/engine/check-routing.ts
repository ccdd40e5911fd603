/**
 * What the structure check asks of a routed frame beyond what it asks of all (I38): region, bloom filter and leaf pages
 * in their places and no node in another's, every key in the filter.
 */
import { DATA_START, PAGE_SIZE } from '../limits.ts'
import {
  BLOB,
  H_BLOOM,
  H_BLOOM_BYTES,
  H_BLOOM_HASHES,
  H_LEAVES,
  H_ROOT,
  H_USED,
  INNER_TERMINAL,
  LEAF,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
} from './layout.ts'
import type { Pool } from './pool.ts'
import { bloomMayHold, HASH_START, hashByte, hashBytes } from './walker/bloom.ts'
import { findChild, nextChild, nodeAt, nodeSize, runEnd } from './walker/node.ts'

/** What is wrong with the routing layout of the frame at `base`, whose nodes are known to make a tree; '' when nothing is. */
export function routingProblem(pool: Pool, base: number): string {
  const { u8, u16, u32 } = pool
  const leaves = u32[(base + H_LEAVES) >> 2]
  const bloom = u32[(base + H_BLOOM) >> 2]
  const size = u32[(base + H_BLOOM_BYTES) >> 2]
  const hashes = u32[(base + H_BLOOM_HASHES) >> 2]
  const used = u32[(base + H_USED) >> 2]
  if (leaves % PAGE_SIZE !== 0 || bloom < DATA_START || bloom + size > leaves || leaves > used || size === 0) {
    return `region to ${bloom}, filter of ${size} bytes, leaves from ${leaves}, ${used} bytes used`
  }
  if (u16[(base + H_ROOT) >> 1] === 0) return ''
  const walk = [{ refAt: base + H_ROOT, state: HASH_START }]
  for (let next = walk.pop(); next !== undefined; next = walk.pop()) {
    const node = nodeAt(pool, base, next.refAt)
    const at = node - base
    const end = at + nodeSize(pool, node)
    const kind = u8[node]
    if (kind === LEAF) {
      if (at < leaves) return `the leaf at ${at} is not among the leaf pages`
      const suffix = node + u16[(node + LEAF_KEY_START) >> 1]
      const state = hashBytes(next.state, u8, suffix, suffix + u16[(node + LEAF_SUFFIX) >> 1])
      if (!bloomMayHold(u8, base + bloom, size, hashes, state)) return `the filter lacks the key of the leaf at ${at}`
      continue
    }
    if (end > bloom) return `the node at ${at} is not in the routing region`
    if (kind === PREFIX) {
      const bytes = node + PREFIX_BYTES
      const state = hashBytes(next.state, u8, bytes, bytes + u8[node + PREFIX_LENGTH])
      walk.push({ refAt: node + PREFIX_CHILD, state })
    } else if (kind !== BLOB) {
      if (u16[(node + INNER_TERMINAL) >> 1] !== 0) walk.push({ refAt: node + INNER_TERMINAL, state: next.state })
      for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
        walk.push({ refAt: findChild(pool, node, byte), state: hashByte(next.state, byte) })
        byte = runEnd(pool, node, byte)
      }
    }
  }
  return ''
}
