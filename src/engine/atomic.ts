/** Batches of guards and changes: what `tree.atomic` passes to its function. */
import { HoltError } from '../errors.ts'
import type { Batch } from './batch.ts'
import { asKey, asValue, type Bytes } from './key-value.ts'
import type { Tree } from './tree.ts'
import type { Lookup } from './walker/lookup.ts'

/** What an atomic function may do; nothing happens before it returns. */
export interface AtomicBatch {
  put(key: Bytes, value: Bytes): void
  delete(key: Bytes): void
  /** Guard: the key is absent. */
  putIfAbsent(key: Bytes, value: Bytes): void
  /** Guard: the record has this version. */
  compareAndPut(key: Bytes, version: number, value: Bytes): void
  /** Guard: the record has this version; 0: the key is absent. */
  assertVersion(key: Bytes, version: number): void
  /** Guard: no key starts with the prefix. */
  assertPrefixEmpty(prefix: Bytes): void
  /** Guard: `from` exists and, unless `replace`, `to` does not. */
  rename(from: Bytes, to: Bytes, options?: { replace?: boolean }): void
  /** Guard: some key starts with `from`, none with `to`. Throws HOLT_INVALID when this batch has written below `to`. */
  renamePrefix(from: Bytes, to: Bytes): void
}

/** The batch that an atomic function fills: checks its guards at once, under the gate, and stages its changes. */
export class Staging implements AtomicBatch {
  /** False when a guard failed. */
  held = true
  readonly #tree: Tree
  readonly #batch: Batch
  readonly #lookup: Lookup
  readonly #isEmptyBelow: (prefix: Uint8Array, length: number) => boolean

  constructor(tree: Tree, batch: Batch, lookup: Lookup, isEmptyBelow: (prefix: Uint8Array, length: number) => boolean) {
    this.#tree = tree
    this.#batch = batch
    this.#lookup = lookup
    this.#isEmptyBelow = isEmptyBelow
  }

  put(key: Bytes, value: Bytes): void {
    const k = asKey(key)
    const v = asValue(value)
    this.#tree.stagePut(k, k.length, v, 0, v.length)
  }

  delete(key: Bytes): void {
    const k = asKey(key)
    this.#tree.stageDelete(k, k.length)
  }

  putIfAbsent(key: Bytes, value: Bytes): void {
    this.assertVersion(key, 0)
    this.put(key, value)
  }

  compareAndPut(key: Bytes, version: number, value: Bytes): void {
    this.assertVersion(key, version)
    this.put(key, value)
  }

  assertVersion(key: Bytes, version: number): void {
    if (this.#versionOf(asKey(key)) !== version) this.held = false
  }

  assertPrefixEmpty(prefix: Bytes): void {
    const p = asKey(prefix)
    if (!this.#isEmptyBelow(p, p.length)) this.held = false
  }

  rename(from: Bytes, to: Bytes, options: { replace?: boolean } = {}): void {
    const f = asKey(from)
    const t = asKey(to)
    if (this.#versionOf(f) === 0) this.held = false
    if (options.replace !== true && !Buffer.from(f).equals(t) && this.#versionOf(t) !== 0) this.held = false
    this.#tree.stageRename(f, f.length, t, t.length)
  }

  renamePrefix(from: Bytes, to: Bytes): void {
    const f = Buffer.from(asKey(from))
    const t = Buffer.from(asKey(to))
    const shared = Math.min(f.length, t.length)
    if (f.subarray(0, shared).equals(t.subarray(0, shared))) {
      throw new HoltError('HOLT_INVALID', 'renamePrefix: one prefix is empty or starts with the other')
    }
    if (this.#batch.writesBelow(t)) {
      throw new HoltError('HOLT_INVALID', 'renamePrefix: the same batch has already written below the new prefix')
    }
    if (this.#isEmptyBelow(f, f.length) || !this.#isEmptyBelow(t, t.length)) this.held = false
    this.#tree.stageRenamePrefix(f, f.length, t, t.length)
  }

  #versionOf(key: Uint8Array): number {
    return this.#lookup.get(key, 0, key.length, undefined, 0) ? this.#lookup.recordVersion : 0
  }
}
