/** What the threads of threads.test.ts write: values that say whose they are, how often they were written, and how long. */
import assert from 'node:assert/strict'
import type { StoreHandle } from '../../src/index.ts'

export interface TreeThread {
  thread: number
  threads: number
  seed: number
  milliseconds: number
  handle: StoreHandle
}

/** Keys of each thread. */
export const COUNTERS = 300

/** Keys that all threads raise. */
export const COMMON = 5

export function commonKey(i: number): string {
  return `shared/common/${i}`
}

export function keyOf(thread: number, i: number): string {
  return `shared/${i % 23}/thread-${thread}/${i}`
}

/** Counter, length and the key, then a filling that follows from the counter. */
export function valueFor(key: string, counter: number, length: number): Buffer {
  const value = Buffer.alloc(length, counter & 255)
  value.writeUInt32LE(counter, 0)
  value.writeUInt32LE(length, 4)
  value.writeUInt8(key.length, 8)
  value.write(key, 9)
  return value
}

export function counterOf(value: Buffer): number {
  return value.readUInt32LE(0)
}

/** Throws when a value is not, byte for byte, one that was written under this key. */
export function assertIntact(key: string, value: Buffer): void {
  const whole = value.length > 8 && value.equals(valueFor(key, counterOf(value), value.length))
  assert.ok(
    whole && value.readUInt32LE(4) === value.length,
    `torn value of ${key}: ${value.subarray(0, 40).toString('hex')}`,
  )
}
