/** The engines that are compared, ours first. A module is loaded only where its engine is opened. */
import type { OpenStore } from './store.ts'

export const ENGINES: Record<string, () => Promise<OpenStore>> = {
  holtfs: async () => (await import('./holtfs-store.ts')).openHoltfs,
  lmdb: async () => (await import('./lmdb-store.ts')).openLmdb,
  sqlite: async () => (await import('./sqlite-store.ts')).openSqlite,
  leveldb: async () => (await import('./leveldb-store.ts')).openLeveldb,
  rocksdb: async () => (await import('./rocksdb-store.ts')).openRocksdb,
}
