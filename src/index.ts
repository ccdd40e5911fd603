/** The package's public surface. */

export type { AtomicBatch } from './engine/atomic.ts'
export { attachStore as openShared, type StoreHandle } from './engine/attach.ts'
export type { Bytes } from './engine/key-value.ts'
export type { LoadEntry, LoadSummary } from './engine/load.ts'
export type { TreeRecord } from './engine/point-reads.ts'
export { renderPrometheus } from './engine/prometheus.ts'
export type { BorrowedEntry, Range, RangeEntry, RangeOptions } from './engine/range.ts'
export type { TreeStatistics } from './engine/statistics.ts'
export { openStore, type Store, type StoreOptions } from './engine/store.ts'
export { Tree } from './engine/tree.ts'
export type { View } from './engine/view.ts'
export type { PrefixRecord } from './engine/walker/longest-prefix.ts'
export { type Applied, HoltError, type HoltErrorCode } from './errors.ts'
export { type MountOptions, mount } from './fs/embedded-mount.ts'
export type { Durability } from './journal/durability.ts'

import { openStore, type StoreOptions } from './engine/store.ts'
import type { Tree } from './engine/tree.ts'

/** Opens a store and returns its tree; `tree.close()` closes the store. Without a directory it lives in memory. */
export function openTree(directory?: string, options: StoreOptions = {}): Tree {
  return openStore(directory, options).tree
}
