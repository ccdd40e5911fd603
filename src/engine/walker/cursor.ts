/**
 * A scan whose entries stand at the beginning of buffers of their own: `key` and `value` are valid until the next call.
 * What it promises is what {@link Scan} promises.
 */
import { MAX_KEY, MAX_VALUE } from '../../limits.ts'
import type { Gate } from '../gate.ts'
import type { Pool } from '../pool.ts'
import { copyBytes } from './bytes.ts'
import type { Residency } from './residency.ts'
import { Scan } from './scan.ts'

export class Cursor {
  /** The entry: its key; whether it stands for all keys below a rolled-up prefix; its value and version if not. */
  key: Uint8Array = new Uint8Array(MAX_KEY)
  keyLength = 0
  isPrefix = false
  readonly value = new Uint8Array(MAX_VALUE)
  valueLength = 0
  version = 0

  readonly #scan: Scan

  constructor(pool: Pool, gate: Gate, residency?: Residency) {
    this.#scan = new Scan(pool, gate, residency)
  }

  /** See {@link Scan.seek}. */
  seek(
    prefix: Uint8Array,
    prefixLength: number,
    after: Uint8Array,
    afterLength: number,
    delimiter = -1,
    rollup = true,
    keysOnly = false,
  ): void {
    this.#scan.seek(prefix, prefixLength, after, afterLength, delimiter, rollup, keysOnly)
  }

  /** Goes to the next entry; false at the end. */
  next(): boolean {
    const scan = this.#scan
    if (!scan.next()) return false
    const { bytes, keyAt, keyLength, valueAt, valueLength } = scan
    if (keyLength > this.key.length) this.key = new Uint8Array(2 * keyLength)
    copyBytes(bytes, keyAt, this.key, 0, keyLength)
    copyBytes(bytes, valueAt, this.value, 0, valueLength)
    this.keyLength = keyLength
    this.valueLength = valueLength
    this.isPrefix = scan.isPrefix
    this.version = scan.version
    return true
  }
}
