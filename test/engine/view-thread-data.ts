/** What the threads of view-threads.test.ts agree on: accounts that money is moved between, and nothing else. */
import type { StoreHandle } from '../../src/index.ts'

export interface ViewThread {
  role: 'writer' | 'reader'
  seed: number
  milliseconds: number
  handle: StoreHandle
}

export const ACCOUNTS = 200
export const MONEY = 1000

/** The directory of an account changes when it is renamed; its name does not. */
export function accountOf(directory: number, i: number): string {
  return `bank-${directory}/branch-${i % 13}/account-${i}`
}

/** A balance, in a value of any length. */
export function balance(amount: number, length: number): Buffer {
  const value = Buffer.alloc(Math.max(8, length), amount & 255)
  value.writeInt32LE(amount, 0)
  return value
}
