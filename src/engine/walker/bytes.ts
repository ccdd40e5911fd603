/** Byte moves of the walkers: loops for the short runs that keys are, memcpy for long ones. No view is made for a short run. */

const LONG = 192

export function copyBytes(from: Uint8Array, at: number, target: Uint8Array, to: number, length: number): void {
  if (length > LONG) {
    target.set(from.subarray(at, at + length), to)
    return
  }
  for (let i = 0; i < length; i++) target[to + i] = from[at + i]
}

/** Length of the common run of `a[i..]` and `b[j..]`, at most `limit`. */
export function commonLength(a: Uint8Array, i: number, b: Uint8Array, j: number, limit: number): number {
  let n = 0
  while (n < limit && a[i + n] === b[j + n]) n++
  return n
}

/** Compares as unsigned bytes, shorter first: negative, 0 or positive. */
export function compareBytes(a: Uint8Array, i: number, n: number, b: Uint8Array, j: number, m: number): number {
  const shared = Math.min(n, m)
  const c = commonLength(a, i, b, j, shared)
  return c < shared ? a[i + c] - b[j + c] : n - m
}

/** Bytes up to which a loop fills a new Buffer faster than a call does. */
const SHORT = 40

/** The first `length` bytes of `source` as a Buffer of their own. */
export function bufferOf(source: Uint8Array, length: number): Buffer {
  const copy = Buffer.allocUnsafe(length)
  if (length > SHORT) copy.set(length === source.length ? source : source.subarray(0, length))
  else for (let i = 0; i < length; i++) copy[i] = source[i]
  return copy
}
