/**
 * What the filesystem asks of a metadata store: ordered keys, lock-free reads, one exclusive section for changes. The
 * engine's tree satisfies it as it is; nothing above this interface may know which store it is talking to.
 */

export interface Metadata {
  /**
   * Copies the value to `target[at..]` (as much as fits) and returns its length, -1 when absent. Lock-free; may be
   * called with or without {@link begin}, and never sees changes that are only staged.
   */
  getInto(key: Uint8Array, keyLength: number, target: Uint8Array, at: number): number
  /** A reusable cursor; keep one per purpose. */
  cursor(): MetadataCursor
  /**
   * Enters the exclusive section: until {@link commit} or {@link abort} no other thread changes the tree. Throws
   * HOLT_READ_ONLY or HOLT_FAILED, then nothing was entered. Never nest. Keep it short: no data-file I/O inside.
   */
  begin(): void
  /**
   * The four stage calls copy what they are given. Staged changes become visible and are logged together, in staging
   * order, by {@link commit}.
   */
  stagePut(key: Uint8Array, keyLength: number, value: Uint8Array, valueAt: number, valueLength: number): void
  stageDelete(key: Uint8Array, keyLength: number): void
  /** One record; replaces an existing `to`. */
  stageRename(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void
  /** Every key that starts with `from`; nothing may exist under `to`; does nothing when there is no such key. */
  stageRenamePrefix(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void
  /**
   * Applies and logs as one record, leaves the exclusive section (also when it throws), waits for the chosen
   * durability and returns the record's seq.
   */
  commit(): number
  /** Leaves the exclusive section, nothing applied. */
  abort(): void
  /** Waits until everything committed so far is on the medium. */
  sync(): void
  durableSeq(): number
}

/** Walks keys in byte order; `key` and `value` are the cursor's own buffers, valid until the next call on it. */
export interface MetadataCursor {
  readonly key: Uint8Array
  keyLength: number
  readonly value: Uint8Array
  valueLength: number
  /** The entry is a rolled-up common prefix (its key ends with the delimiter) and has no value. */
  isPrefix: boolean
  /**
   * Positions before the first key that starts with `prefix` and is greater than `after` (a full key; `afterLength` 0
   * means from the start). `delimiter` is a byte, or -1. With a delimiter, `rollup` false skips common prefixes.
   */
  seek(
    prefix: Uint8Array,
    prefixLength: number,
    after: Uint8Array,
    afterLength: number,
    delimiter: number,
    rollup: boolean,
  ): void
  next(): boolean
}
