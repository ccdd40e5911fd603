/**
 * Moves a subtree whose nodes lie side by side: its bytes are copied as they are, then every reference in it grows by the
 * same number. Only inner nodes are written again, so this costs a fraction of a deep copy (`clone.ts`).
 */
import { HoltError } from '../../errors.ts'
import {
  INNER_COUNT,
  INNER_TERMINAL,
  NODE4,
  NODE4_CHILDREN,
  NODE16,
  NODE16_CHILDREN,
  NODE48,
  NODE48_CHILDREN,
  NODE256,
  NODE256_CHILDREN,
  offsetOf,
  PREFIX,
  PREFIX_CHILD,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { stack } from './clone.ts'

/**
 * Adds `by`, in units of 8 bytes, to the references of the subtree `ref`, whose bytes have been copied so much further in the
 * frame at `base`, or from another frame; returns its own new reference.
 */
export function shiftSubtree(pool: Pool, base: number, ref: number, by: number): number {
  if (by === 0) return ref
  const { u8 } = pool
  const root = base + offsetOf(ref + by)
  let top = 0
  if (hasChildren(u8[root])) stack[top++] = root
  while (top > 0) {
    const node = stack[--top]
    switch (u8[node]) {
      case PREFIX:
        top = shift(pool, base, node + PREFIX_CHILD, 1, by, top)
        continue
      case NODE4:
        top = shift(pool, base, node + NODE4_CHILDREN, u8[node + INNER_COUNT], by, top)
        break
      case NODE16:
        top = shift(pool, base, node + NODE16_CHILDREN, u8[node + INNER_COUNT], by, top)
        break
      case NODE48:
        top = shift(pool, base, node + NODE48_CHILDREN, 48, by, top)
        break
      case NODE256:
        top = shift(pool, base, node + NODE256_CHILDREN, 256, by, top)
        break
      default:
        throw new HoltError('HOLT_CORRUPT_FRAME', 'a frame holds a node of a kind that does not exist')
    }
    top = shift(pool, base, node + INNER_TERMINAL, 1, by, top)
  }
  return ref + by
}

/** Adds `by` to the `n` references at `at`, of which 0 is none, and puts those of nodes that have some on {@link stack}. */
function shift(pool: Pool, base: number, at: number, n: number, by: number, top: number): number {
  const { u8, u16 } = pool
  for (let i = at >> 1, end = i + n; i < end; i++) {
    const ref = u16[i]
    if (ref === 0) continue
    u16[i] = ref + by
    const child = base + offsetOf(ref + by)
    if (hasChildren(u8[child])) stack[top++] = child
  }
  return top
}

function hasChildren(kind: number): boolean {
  return kind === PREFIX || (kind >= NODE4 && kind <= NODE256)
}
