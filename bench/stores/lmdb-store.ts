/**
 * LMDB through `lmdb`, with the fastest setting whose commits survive the death of the process: a writable map and no
 * sync (commits stay in the page cache). Bytes in, bytes out, no cache of decoded objects.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type BenchRecord, type BenchStore, endOf } from './store.ts'

interface Database {
  getBinary(key: Buffer): Buffer | undefined
  getBinaryFast(key: Buffer): Buffer | undefined
  putSync(key: Buffer, value: Buffer): boolean
  removeSync(key: Buffer): boolean
  transactionSync<T>(change: () => T): T
  getRange(range: { start: Buffer; end: Buffer; limit?: number }): Iterable<BenchRecord>
  getKeys(range: { start: Buffer; end: Buffer; limit?: number }): Iterable<Buffer>
  close(): Promise<void>
}

const { open }: { open(options: object): Database } = createRequire(import.meta.url)('lmdb')
/** Address space for the map, in bytes; enough for every size that the benchmark has. */
const MAP_SIZE = 4 * 2 ** 30
const SLASH = 0x2f

export function openLmdb(directory: string): BenchStore {
  return new LmdbStore(
    open({
      path: join(directory, 'data.mdb'),
      encoding: 'binary',
      keyEncoding: 'binary',
      compression: false,
      cache: false,
      mapSize: MAP_SIZE,
      noSync: true,
      overlappingSync: false,
      useWritemap: true,
    }),
  )
}

class LmdbStore implements BenchStore {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.#db.getBinary(key)
  }

  peek(key: Buffer): number {
    const value = this.#db.getBinaryFast(key)
    return value === undefined ? -1 : value.length + value[0]
  }

  put(key: Buffer, value: Buffer): void {
    this.#db.putSync(key, value)
  }

  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): void {
    this.#db.transactionSync(() => {
      for (let i = from; i < to; i++) this.#db.putSync(keys[i], valueAt(i))
    })
  }

  delete(key: Buffer): boolean {
    return this.#db.removeSync(key)
  }

  list(prefix: Buffer, limit: number): BenchRecord[] {
    const found: BenchRecord[] = []
    for (const entry of this.#db.getRange({ start: prefix, end: endOf(prefix), limit })) found.push(entry)
    return found
  }

  /** One seek a name: from each name found to the first key behind everything below it. */
  listDirectories(prefix: Buffer, after: Buffer, limit: number): Uint8Array[] {
    const found: Uint8Array[] = []
    const end = endOf(prefix)
    let start = endOf(after)
    while (found.length < limit) {
      let next: Buffer | undefined
      for (const key of this.#db.getKeys({ start, end, limit: 1 })) next = key
      if (next === undefined) break
      const cut = next.indexOf(SLASH, prefix.length)
      if (cut < 0) start = Buffer.concat([next, Buffer.alloc(1)])
      else {
        const name = Buffer.from(next.subarray(0, cut + 1))
        found.push(name)
        start = endOf(name)
      }
    }
    return found
  }

  rename(from: Buffer, to: Buffer): void {
    this.#db.transactionSync(() => this.#move(from, to))
  }

  renamePrefix(from: Buffer, to: Buffer): void {
    this.#db.transactionSync(() => {
      const keys = [...this.#db.getKeys({ start: from, end: endOf(from) })]
      for (const key of keys) this.#move(key, Buffer.concat([to, key.subarray(from.length)]))
    })
  }

  #move(from: Buffer, to: Buffer): void {
    const value = this.#db.getBinary(from)
    if (value === undefined) throw new Error('rename: no such record')
    this.#db.putSync(to, value)
    this.#db.removeSync(from)
  }

  async close(): Promise<void> {
    await this.#db.close()
  }
}
