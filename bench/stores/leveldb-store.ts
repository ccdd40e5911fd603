/**
 * LevelDB through `classic-level`: reads of one key are synchronous, everything else is a promise that the benchmark
 * awaits, one at a time. A write-ahead log that is written at each change and not synced; compressed as by default.
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
  put(key: Buffer, value: Buffer): Batch
  del(key: Buffer): Batch
  write(): Promise<void>
}

interface Range {
  gte: Buffer
  lt: Buffer
  limit?: number
}

interface Iterator<T> {
  seek(key: Buffer): void
  next(): Promise<T | undefined>
  nextv(count: number): Promise<T[]>
  close(): Promise<void>
}

interface Database {
  open(): Promise<void>
  getSync(key: Buffer): Buffer | undefined
  put(key: Buffer, value: Buffer): Promise<void>
  del(key: Buffer): Promise<void>
  batch(): Batch
  iterator(range: Range): Iterator<[Buffer, Buffer]>
  keys(range: Range): Iterator<Buffer>
  compactRange(from: Buffer, to: Buffer): Promise<void>
  close(): Promise<void>
}

const { ClassicLevel }: { ClassicLevel: new (directory: string, options: object) => Database } = createRequire(
  import.meta.url,
)('classic-level')

const SLASH = 0x2f
/** Bytes of changes kept in memory before they become a table: fewer tables, and a longer log to replay. */
const WRITE_BUFFER = 32 << 20

export async function openLeveldb(directory: string): Promise<BenchStore> {
  const db = new ClassicLevel(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    cacheSize: CACHE_BYTES,
    writeBufferSize: WRITE_BUFFER,
  })
  await db.open()
  return new LeveldbStore(db)
}

class LeveldbStore implements BenchStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  get(key: Buffer): Buffer | undefined {
    return this.#db.getSync(key)
  }

  peek(key: Buffer): number {
    const value = this.get(key)
    return value === undefined ? -1 : value.length + value[0]
  }

  put(key: Buffer, value: Buffer): Promise<void> {
    return this.#db.put(key, value)
  }

  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): Promise<void> {
    const batch = this.#db.batch()
    for (let i = from; i < to; i++) batch.put(keys[i], valueAt(i))
    return batch.write()
  }

  delete(key: Buffer): Promise<void> {
    return this.#db.del(key)
  }

  async list(prefix: Buffer, limit: number): Promise<BenchRecord[]> {
    const found = await this.#read(this.#db.iterator({ gte: prefix, lt: endOf(prefix), limit }), limit)
    return found.map(([key, value]) => ({ key, value }))
  }

  listKeys(prefix: Buffer, limit: number): Promise<Buffer[]> {
    return this.#read(this.#db.keys({ gte: prefix, lt: endOf(prefix), limit }), limit)
  }

  async #read<T>(iterator: Iterator<T>, limit: number): Promise<T[]> {
    const found = await iterator.nextv(limit)
    await iterator.close()
    return found
  }

  async scan(prefix: Buffer, limit: number): Promise<number> {
    return sumOfRecords(await this.list(prefix, limit))
  }

  async scanKeys(prefix: Buffer, limit: number): Promise<number> {
    return sumOfKeys(await this.listKeys(prefix, limit))
  }

  /** One seek a name, with one iterator. */
  async listDirectories(prefix: Buffer, after: Buffer, limit: number): Promise<Uint8Array[]> {
    const found: Uint8Array[] = []
    const iterator = this.#db.keys({ gte: endOf(after), lt: endOf(prefix) })
    while (found.length < limit) {
      const key = await iterator.next()
      if (key === undefined) break
      const cut = key.indexOf(SLASH, prefix.length)
      if (cut < 0) continue
      const name = key.subarray(0, cut + 1)
      found.push(name)
      if (found.length < limit) iterator.seek(endOf(name))
    }
    await iterator.close()
    return found
  }

  rename(from: Buffer, to: Buffer): Promise<void> {
    const value = this.get(from)
    if (value === undefined) throw new Error('rename: no such record')
    return this.#db.batch().put(to, value).del(from).write()
  }

  async renamePrefix(from: Buffer, to: Buffer): Promise<void> {
    const iterator = this.#db.iterator({ gte: from, lt: endOf(from) })
    const batch = this.#db.batch()
    let moved = 0
    for (;;) {
      const found = await iterator.nextv(LOAD_BATCH)
      if (found.length === 0) break
      for (const [key, value] of found) batch.put(Buffer.concat([to, key.subarray(from.length)]), value).del(key)
      moved += found.length
    }
    await iterator.close()
    if (moved === 0) throw new Error('renamePrefix: nothing there')
    await batch.write()
  }

  async load(records: Iterable<RecordPair>): Promise<void> {
    let batch = this.#db.batch()
    let staged = 0
    for (const [key, value] of records) {
      batch.put(key, value)
      if (++staged % LOAD_BATCH !== 0) continue
      await batch.write()
      batch = this.#db.batch()
    }
    await batch.write()
  }

  compact(): Promise<void> {
    return this.#db.compactRange(Buffer.from([0]), Buffer.from([0xff]))
  }

  async close(): Promise<void> {
    await this.#db.close()
  }
}
