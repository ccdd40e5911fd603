/** What the threads of scan-threads.test.ts have in common. */
import assert from 'node:assert/strict'
import type { StoreHandle } from '../../src/index.ts'

export interface ScanThread {
  seed: number
  /** Is 1 when it shall end. */
  stop: Int32Array
  handle: StoreHandle
}

/** Records that always exist. */
export const LASTING = 6000

export function keyOf(i: number): string {
  return `scan/${String(i % 60).padStart(2, '0')}/${String(i).padStart(5, '0')}`
}

/** The key, a number, and a filling that follows from both. */
export function valueFor(key: string, n: number, length: number): Buffer {
  const value = Buffer.alloc(key.length + 4 + length, (n + key.length) & 255)
  value.write(key)
  value.writeUInt32LE(n, key.length)
  return value
}

export function assertWhole(key: string, value: Uint8Array): void {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  const whole = valueFor(key, bytes.readUInt32LE(key.length), bytes.length - key.length - 4)
  assert.ok(bytes.equals(whole), `torn value of ${key}`)
}
