/**
 * The key that a frame notes in its header: what the keys of all its records begin with. Nothing reads it but salvage, for
 * a frame to which no way leads any more. It is noted where a blob is made, by whoever knows the way, and goes along when the
 * frame is rebuilt; renamePrefix moves whole frames without touching them, so it may be the name of before.
 */
import { MAX_KEY, MAX_PREFIX } from '../limits.ts'
import { H_CRC, H_KEY, H_KEY_LENGTH, PREFIX_BYTES, PREFIX_LENGTH } from './layout.ts'
import type { Pool } from './pool.ts'
import { nodeAt } from './walker/node.ts'

/** Longer ones are not noted. */
const MOST = H_CRC - H_KEY

/** Notes `key[0..length]` in the frame at `base`. */
export function noteFrameKey(pool: Pool, base: number, key: Uint8Array, length: number): void {
  if (length > MOST) {
    pool.u16[(base + H_KEY_LENGTH) >> 1] = 0
    return
  }
  pool.u16[(base + H_KEY_LENGTH) >> 1] = length + 1
  for (let i = 0; i < length; i++) pool.u8[base + H_KEY + i] = key[i]
}

/** What the frame at `base` notes; undefined when it does not know. The root's is empty. */
export function frameKey(pool: Pool, base: number): Uint8Array | undefined {
  const length = pool.u16[(base + H_KEY_LENGTH) >> 1] - 1
  if (length < 0 || length > MOST) return undefined
  return pool.u8.slice(base + H_KEY, base + H_KEY + length)
}

/** The frame at `to` is to hold what that at `from` holds. */
export function copyFrameKey(pool: Pool, from: number, to: number): void {
  const length = pool.u16[(from + H_KEY_LENGTH) >> 1]
  pool.u16[(to + H_KEY_LENGTH) >> 1] = length
  for (let i = 0; i + 1 < length && i < MOST; i++) pool.u8[to + H_KEY + i] = pool.u8[from + H_KEY + i]
}

/** Nodes of one frame by list index, the root first: where each hangs, the index of the one above, the byte it hangs by. */
export interface ListedNodes {
  readonly hangAt: Int32Array
  readonly parent: Int32Array
  /** -1 below a Prefix, whose edge leads to it. */
  readonly edgeByte: Int16Array
}

/** Where a key is put together, from its end on. */
const key = new Uint8Array(MAX_KEY + MAX_PREFIX)

/**
 * Notes in the frame at `child` what leads to the listed node `i` of the frame at `base`; with `through`, also the edge of
 * that node, a Prefix.
 */
export function noteKeyBelow(
  pool: Pool,
  base: number,
  { hangAt, parent, edgeByte }: ListedNodes,
  i: number,
  child: number,
  through: boolean,
): void {
  let at = through ? prependEdge(pool, nodeAt(pool, base, hangAt[i]), key.length) : key.length
  for (; i > 0 && at >= MAX_PREFIX; i = parent[i]) {
    if (edgeByte[i] >= 0) key[--at] = edgeByte[i]
    else at = prependEdge(pool, nodeAt(pool, base, hangAt[parent[i]]), at)
  }
  const above = frameKey(pool, base)
  if (i > 0 || above === undefined || above.length > at) return
  at -= above.length
  key.set(above, at)
  noteFrameKey(pool, child, key.subarray(at), key.length - at)
}

/** Puts the edge of a Prefix before what begins at `at`; returns where it begins then. */
function prependEdge(pool: Pool, node: number, at: number): number {
  const length = pool.u8[node + PREFIX_LENGTH]
  for (let i = 0; i < length; i++) key[at - length + i] = pool.u8[node + PREFIX_BYTES + i]
  return at - length
}
