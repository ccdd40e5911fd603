/** What the engine benchmark asks of a store. Every change is one transaction that survives the death of the process. */

export interface BenchRecord {
  key: Uint8Array
  value: Uint8Array
}

export interface BenchStore {
  /** The value, the caller's to keep. */
  get(key: Buffer): Uint8Array | undefined
  /** The first byte and the length of the value, by the fastest way that the store has to look at a value; -1 when absent. */
  peek(key: Buffer): number
  put(key: Buffer, value: Buffer): void
  /** All in one transaction: `keys[from .. to)` with the values that `valueAt` fills into one buffer. */
  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): void
  delete(key: Buffer): boolean
  list(prefix: Buffer, limit: number): BenchRecord[]
  /** The names below `prefix` up to the next `/`, from the one after `after` on. */
  listDirectories(prefix: Buffer, after: Buffer, limit: number): Uint8Array[]
  rename(from: Buffer, to: Buffer): void
  renamePrefix(from: Buffer, to: Buffer): void
  close(): Promise<void>
}

export type OpenStore = (directory: string) => BenchStore

/** The least key greater than every key with this prefix, for prefixes that do not end in 0xff. */
export function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1]++
  return end
}
