/**
 * Shared memory that is used again: a store takes 140 MB of it, nearly all untouched, and to get and give that back for
 * each of many thousand stores takes longer than to recover them. Large SharedArrayBuffers made inside `withRecycledMemory` are zeros as any
 * others, and must not be used after it.
 */
import { koffi } from '../../src/journal/c-library.ts'

/** Smaller ones are made as ever. */
const LARGE = 1 << 20
const PAGE = 4096
const MADV_DONTNEED = 4

const Original = globalThis.SharedArrayBuffer
const free = new Map<number, SharedArrayBuffer[]>()

interface Calls {
  madvise: (address: number | bigint, length: number, advice: number) => number
}

let calls: Calls | undefined

function libc(): Calls {
  calls ??= {
    madvise: koffi().load(null).func('int madvise(uint64_t, size_t, int)') as unknown as Calls['madvise'],
  }
  return calls
}

export function withRecycledMemory<T>(work: () => T): T {
  if (process.platform !== 'linux') return work()
  const taken: SharedArrayBuffer[] = []
  globalThis.SharedArrayBuffer = new Proxy(Original, {
    construct(_, [length]: [number]) {
      if (!(length >= LARGE)) return new Original(length)
      const found = free.get(length)?.pop()
      if (found !== undefined) clear(found)
      const buffer = found ?? new Original(length)
      taken.push(buffer)
      return buffer
    },
  })
  try {
    return work()
  } finally {
    globalThis.SharedArrayBuffer = Original
    for (const buffer of taken) {
      const same = free.get(buffer.byteLength)
      if (same === undefined) free.set(buffer.byteLength, [buffer])
      else same.push(buffer)
    }
  }
}

/** Private memory of whole pages that is not needed comes back as zeros, and costs nothing until it is touched again. */
function clear(buffer: SharedArrayBuffer): void {
  const bytes = new Uint8Array(buffer)
  const address = Number(koffi().address(bytes))
  const head = (PAGE - (address % PAGE)) % PAGE
  const pages = Math.floor((bytes.length - head) / PAGE) * PAGE
  bytes.fill(0, 0, head)
  bytes.fill(0, head + pages)
  if (libc().madvise(address + head, pages, MADV_DONTNEED) !== 0) bytes.fill(0)
}
