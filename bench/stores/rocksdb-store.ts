/**
 * RocksDB through the synchronous calls of `@nxtedition/rocksdb` (its methods with an underscore; the public ones are
 * asynchronous): a write-ahead log that is written at each change and not synced, no compression, a block cache as large
 * as the other engines' caches.
 */
import { createRequire } from 'node:module'
import {
  type BenchRecord,
  type BenchStore,
  CACHE_BYTES,
  endOf,
  LOAD_BATCH,
  type RecordPair,
  sumOfKeys,
  sumOfRecords,
} from './store.ts'

interface Batch {
  _put(key: Buffer, value: Buffer): void
  _del(key: Buffer): void
  _clear(): void
  _writeSync(): void
}

interface Rows {
  /** Key, value, key, value, … */
  rows: Buffer[]
}

interface Iterator {
  _seekSync(key: Buffer): void
  _nextvSync(count: number): Rows
  _closeSync(): void
}

interface Database {
  open(options: object): Promise<void>
  _getManySync(keys: Buffer[], options?: object): (Buffer | undefined)[]
  _chainedBatch(): Batch
  _iterator(options: object): Iterator
  querySync(options: object): Rows
  close(): Promise<void>
}

const { RocksLevel }: { RocksLevel: new (directory: string) => Database } = createRequire(import.meta.url)(
  '@nxtedition/rocksdb',
)

const SLASH = 0x2f
const RANGE = { keyEncoding: 'buffer', valueEncoding: 'buffer', fillCache: true }

export async function openRocksdb(directory: string): Promise<BenchStore> {
  const db = new RocksLevel(directory)
  await db.open({
    createIfMissing: true,
    compression: false,
    walCompression: false,
    cacheSize: CACHE_BYTES,
  })
  return new RocksdbStore(db)
}

class RocksdbStore implements BenchStore {
  readonly #db: Database
  readonly #batch: Batch
  readonly #keys: Buffer[] = [Buffer.alloc(0)]

  constructor(db: Database) {
    this.#db = db
    this.#batch = db._chainedBatch()
  }

  get(key: Buffer): Buffer | undefined {
    this.#keys[0] = key
    return this.#db._getManySync(this.#keys)[0]
  }

  peek(key: Buffer): number {
    const value = this.get(key)
    return value === undefined ? -1 : value.length + value[0]
  }

  put(key: Buffer, value: Buffer): undefined {
    this.#batch._put(key, value)
    this.#write()
  }

  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): undefined {
    for (let i = from; i < to; i++) this.#batch._put(keys[i], valueAt(i))
    this.#write()
  }

  delete(key: Buffer): undefined {
    this.#batch._del(key)
    this.#write()
  }

  #write(): void {
    this.#batch._writeSync()
    this.#batch._clear()
  }

  list(prefix: Buffer, limit: number): BenchRecord[] {
    const { rows } = this.#db.querySync({ ...RANGE, gte: prefix, lt: endOf(prefix), limit })
    const found: BenchRecord[] = []
    for (let i = 0; i < rows.length; i += 2) found.push({ key: rows[i], value: rows[i + 1] })
    return found
  }

  listKeys(prefix: Buffer, limit: number): Buffer[] {
    const { rows } = this.#db.querySync({ ...RANGE, values: false, gte: prefix, lt: endOf(prefix), limit })
    const found: Buffer[] = []
    for (let i = 0; i < rows.length; i += 2) found.push(rows[i])
    return found
  }

  scan(prefix: Buffer, limit: number): number {
    return sumOfRecords(this.list(prefix, limit))
  }

  scanKeys(prefix: Buffer, limit: number): number {
    return sumOfKeys(this.listKeys(prefix, limit))
  }

  /** One seek a name, with one iterator. */
  listDirectories(prefix: Buffer, after: Buffer, limit: number): Uint8Array[] {
    const found: Uint8Array[] = []
    const iterator = this.#db._iterator({ ...RANGE, values: false, gte: endOf(after), lt: endOf(prefix) })
    while (found.length < limit) {
      const [key] = iterator._nextvSync(1).rows
      if (key === undefined) break
      const cut = key.indexOf(SLASH, prefix.length)
      if (cut < 0) continue
      const name = key.subarray(0, cut + 1)
      found.push(name)
      if (found.length < limit) iterator._seekSync(endOf(name))
    }
    iterator._closeSync()
    return found
  }

  rename(from: Buffer, to: Buffer): undefined {
    const value = this.get(from)
    if (value === undefined) throw new Error('rename: no such record')
    this.#batch._put(to, value)
    this.#batch._del(from)
    this.#write()
  }

  renamePrefix(from: Buffer, to: Buffer): undefined {
    const { rows } = this.#db.querySync({ ...RANGE, gte: from, lt: endOf(from) })
    if (rows.length === 0) throw new Error('renamePrefix: nothing there')
    for (let i = 0; i < rows.length; i += 2) {
      this.#batch._put(Buffer.concat([to, rows[i].subarray(from.length)]), rows[i + 1])
      this.#batch._del(rows[i])
    }
    this.#write()
  }

  load(records: Iterable<RecordPair>): undefined {
    let staged = 0
    for (const [key, value] of records) {
      this.#batch._put(key, value)
      if (++staged % LOAD_BATCH === 0) this.#write()
    }
    if (staged % LOAD_BATCH !== 0) this.#write()
  }

  async close(): Promise<void> {
    await this.#db.close()
  }
}
