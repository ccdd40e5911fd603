/**
 * What the engine benchmark asks of a store. Every change is one transaction that survives the death of the process.
 * What an engine can only do asynchronously, it answers with a promise, and the measurement awaits it.
 */

export interface BenchRecord {
  key: Uint8Array
  value: Uint8Array
}

export type RecordPair = readonly [key: Buffer, value: Buffer]

export type Answer<T> = T | Promise<T>
/** Acknowledged on return, or when the promise is resolved. */
export type Done = undefined | Promise<void>

export interface BenchStore {
  /** The value, the caller's to keep. */
  get(key: Buffer): Uint8Array | undefined
  /** The first byte plus the length of the value, by the fastest way that the store has to look at a value; -1 when absent. */
  peek(key: Buffer): number
  put(key: Buffer, value: Buffer): Done
  /** All in one transaction: `keys[from .. to)` with the values that `valueAt` fills into one buffer. */
  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): Done
  delete(key: Buffer): Done
  list(prefix: Buffer, limit: number): Answer<BenchRecord[]>
  listKeys(prefix: Buffer, limit: number): Answer<Uint8Array[]>
  /** The sum of the last byte of each key and the first of each value, by the fastest way to look at a range. */
  scan(prefix: Buffer, limit: number): Answer<number>
  /** The sum of the last byte of each key. */
  scanKeys(prefix: Buffer, limit: number): Answer<number>
  /** The names below `prefix` up to the next `/`, from the one after `after` on. */
  listDirectories(prefix: Buffer, after: Buffer, limit: number): Answer<Uint8Array[]>
  /** The record is there, and none at `to`. */
  rename(from: Buffer, to: Buffer): Done
  renamePrefix(from: Buffer, to: Buffer): Done
  /** Fills the empty store, in key order, by its fastest way. The iterator uses the pair and its buffers again. */
  load(records: Iterable<RecordPair>): Done
  /** Makes the store as small as it can be; it counts once it is closed. Absent where a store has no such call. */
  compact?(): Done
  close(): Promise<void>
}

export type OpenStore = (directory: string) => Answer<BenchStore>

/** Bytes that each engine with a cache of its own may cache: enough for everything here. */
export const CACHE_BYTES = 512 << 20

/** Records of one transaction while a store without a bulk load is filled. */
export const LOAD_BATCH = 1000

/** The least key greater than every key with this prefix, for prefixes that do not end in 0xff. */
export function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1]++
  return end
}

export function sumOfKeys(keys: Uint8Array[]): number {
  let sum = 0
  for (const key of keys) sum += key[key.length - 1]
  return sum
}

export function sumOfRecords(records: BenchRecord[]): number {
  let sum = 0
  for (const { key, value } of records) sum += key[key.length - 1] + value[0]
  return sum
}
