/** Batches of guards and changes: what `tree.atomic` passes to its function. */
import { HoltError } from '../errors.ts'
import { MAX_USER_KEY } from '../limits.ts'
import type { Batch } from './batch.ts'
import type { Changes } from './changes.ts'
import { asKey, asValue, asVersion, type Bytes, keyTooLong } from './key-value.ts'
import { REMOVED, StagedState, WRITTEN } from './staged-state.ts'
import type { Lookup } from './walker/lookup.ts'
import type { Scan } from './walker/scan.ts'

const NOTHING = new Uint8Array(0)

/**
 * What an atomic function may do; nothing happens before it returns, and nothing can be done after: HOLT_INVALID.
 *
 * Guards see the tree as the changes above them in the same batch leave it. A record that the batch has written has no
 * version yet: it is there, but no version matches it. Only what a renamePrefix of the batch moves, from and to, cannot
 * be asked for afterwards: HOLT_INVALID.
 */
export interface AtomicBatch {
  put(key: Bytes, value: Bytes): void
  delete(key: Bytes): void
  /** Guard: the key is absent. */
  putIfAbsent(key: Bytes, value: Bytes): void
  /** Guard: the record has this version; 0: the key is absent. */
  compareAndPut(key: Bytes, version: number, value: Bytes): void
  /** Guard: the record has this version. */
  deleteIfVersion(key: Bytes, version: number): void
  /** Guard: the record has this version; 0: the key is absent. */
  assertVersion(key: Bytes, version: number): void
  /** Guard: no key starts with the prefix. */
  assertPrefixEmpty(prefix: Bytes): void
  /** Guard: `from` exists and, unless `replace`, `to` does not. */
  rename(from: Bytes, to: Bytes, options?: { replace?: boolean }): void
  /**
   * Guard: some key starts with `from`, none with `to`. Throws HOLT_INVALID when one prefix is empty or starts with the
   * other, HOLT_KEY_TOO_LONG when a key would become longer than 4,096 bytes. To know that, the keys below `from` are
   * walked, but only when the longest key that the tree ever had would become too long.
   */
  renamePrefix(from: Bytes, to: Bytes): void
}

/** The version of a record that the batch itself has written: equal to none. */
const NOT_YET = Number.NaN

/** The batch that an atomic function fills: checks its guards at once, under the gate, and stages its changes. */
export class Staging implements AtomicBatch {
  /** False when a guard failed. */
  held = true
  readonly #changes: Changes
  readonly #lookup: Lookup
  readonly #probe: Scan
  readonly #staged: StagedState
  #ended = false

  constructor(changes: Changes, batch: Batch, lookup: Lookup, probe: Scan) {
    this.#changes = changes
    this.#lookup = lookup
    this.#probe = probe
    this.#staged = new StagedState(batch)
  }

  /** The function has returned: further calls throw. */
  end(): void {
    this.#ended = true
  }

  put(key: Bytes, value: Bytes): void {
    const k = this.#key(key)
    const v = asValue(value)
    this.#changes.stagePut(k, k.length, v, 0, v.length)
  }

  delete(key: Bytes): void {
    const k = this.#key(key)
    this.#changes.stageDelete(k, k.length)
  }

  putIfAbsent(key: Bytes, value: Bytes): void {
    this.assertVersion(key, 0)
    this.put(key, value)
  }

  compareAndPut(key: Bytes, version: number, value: Bytes): void {
    this.assertVersion(key, version)
    this.put(key, value)
  }

  deleteIfVersion(key: Bytes, version: number): void {
    this.assertVersion(key, version)
    if (version === 0) this.held = false
    this.delete(key)
  }

  assertVersion(key: Bytes, version: number): void {
    if (this.#versionOf(this.#key(key)) !== asVersion(version)) this.held = false
  }

  assertPrefixEmpty(prefix: Bytes): void {
    if (!this.#isEmptyBelow(this.#key(prefix))) this.held = false
  }

  rename(from: Bytes, to: Bytes, options: { replace?: boolean } = {}): void {
    const f = this.#key(from)
    const t = this.#key(to)
    if (this.#versionOf(f) === 0) this.held = false
    if (options.replace !== true && !Buffer.from(f).equals(t) && this.#versionOf(t) !== 0) this.held = false
    this.#changes.stageRename(f, f.length, t, t.length)
  }

  renamePrefix(from: Bytes, to: Bytes): void {
    const f = Buffer.from(this.#key(from))
    const t = Buffer.from(this.#key(to))
    const shared = Math.min(f.length, t.length)
    if (f.subarray(0, shared).equals(t.subarray(0, shared))) {
      throw new HoltError('HOLT_INVALID', 'renamePrefix: one prefix is empty or starts with the other')
    }
    if (this.#isEmptyBelow(f) || !this.#isEmptyBelow(t)) this.held = false
    if (this.held) this.#assertNamesFit(f, t.length - f.length)
    this.#changes.stageRenamePrefix(f, f.length, t, t.length)
  }

  /** No key that starts with the prefix may become too long when it grows by so many bytes. */
  #assertNamesFit(prefix: Uint8Array, growth: number): void {
    if (growth <= 0) return
    const staged = this.#staged.longestBelow(prefix)
    if (staged + growth > MAX_USER_KEY) throw keyTooLong(staged + growth)
    if (this.#changes.longestKey() + growth <= MAX_USER_KEY) return
    const probe = this.#probe
    probe.seek(prefix, prefix.length, NOTHING, 0, -1, true, true)
    while (probe.next()) if (probe.keyLength + growth > MAX_USER_KEY) throw keyTooLong(probe.keyLength + growth)
  }

  #key(key: Bytes): Uint8Array {
    if (this.#ended) throw new HoltError('HOLT_INVALID', 'the batch has ended with the function that it was made for')
    return asKey(key)
  }

  #versionOf(key: Uint8Array): number {
    const state = this.#staged.of(key)
    if (state === WRITTEN) return NOT_YET
    if (state === REMOVED) return 0
    return this.#lookup.get(key, 0, key.length, undefined, 0) ? this.#lookup.recordVersion : 0
  }

  #isEmptyBelow(prefix: Uint8Array): boolean {
    if (this.#staged.hasWrittenBelow(prefix)) return false
    const probe = this.#probe
    probe.seek(prefix, prefix.length, NOTHING, 0, -1, true, true)
    while (probe.next()) {
      const { bytes, keyAt, keyLength } = probe
      if (this.#staged.of(bytes.subarray(keyAt, keyAt + keyLength)) !== REMOVED) return false
    }
    return true
  }
}
