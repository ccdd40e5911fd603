/** What the threads of interleaved.test.ts agree on. */
import type { StoreHandle } from '../../src/index.ts'

export interface InterleavedThread {
  thread: number
  seed: number
  operations: number
  handle: StoreHandle
  schedule: SharedArrayBuffer
}

/** Keys of each thread, keys that all raise, keys that nobody changes. */
export const OWN = 12
export const COMMON = 2
export const STABLE = 30

export const THREADS = 4

export function part(thread: number): 'restructure' | 'change' {
  return thread === THREADS - 1 ? 'restructure' : 'change'
}

export function ownKey(thread: number, i: number): string {
  return `a/own-${thread}/${'x'.repeat(i % 3)}${String(i).padStart(2, '0')}`
}

export function sharedKey(i: number): string {
  return `a/common/${i}`
}

export function stableKey(i: number): string {
  return `a/stable/${i}`
}
