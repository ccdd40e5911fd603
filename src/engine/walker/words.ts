/** Bytes compared and copied by words of 32 bits at any alignment. */

/**
 * Whether `n` bytes are the same. Up to three bytes behind them are read too, on both sides, and do not count; these must
 * be inside both buffers.
 */
export function sameBytes(a: DataView, i: number, b: DataView, j: number, n: number): boolean {
  const end = i + n
  for (; i + 4 <= end; i += 4, j += 4) if (a.getInt32(i, true) !== b.getInt32(j, true)) return false
  return i === end || (a.getInt32(i, true) ^ b.getInt32(j, true)) << ((4 - (end - i)) << 3) === 0
}

const LONG = 192

/** Copies `n` bytes from `source` (and `bytes`, which is the same memory) to another buffer. */
export function copyOut(
  source: Uint8Array,
  bytes: DataView,
  at: number,
  target: Uint8Array,
  to: number,
  n: number,
): void {
  if (n > LONG) {
    target.set(source.subarray(at, at + n), to)
    return
  }
  const end = at + n
  for (; at + 4 <= end; at += 4, to += 4) {
    const word = bytes.getInt32(at, true)
    target[to] = word
    target[to + 1] = word >> 8
    target[to + 2] = word >> 16
    target[to + 3] = word >> 24
  }
  for (; at < end; at++, to++) target[to] = source[at]
}

/** Copies `n` bytes, and up to three more, which the target has room for. */
export function copyWords(from: DataView, at: number, target: DataView, to: number, n: number): void {
  for (const end = at + n; at < end; at += 4, to += 4) target.setInt32(to, from.getInt32(at, true), true)
}
