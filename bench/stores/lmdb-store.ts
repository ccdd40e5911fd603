/**
 * LMDB through `lmdb`, with the fastest setting whose commits survive the death of the process: a writable map and no
 * sync (commits stay in the page cache). Bytes in, bytes out, no cache of decoded objects.
 */
import { renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import {
  type BenchRecord,
  type BenchStore,
  endOf,
  LOAD_BATCH,
  type RecordPair,
  sumOfKeys,
  sumOfRecords,
} from './store.ts'

interface Range {
  start: Buffer
  end: Buffer
  limit?: number
}

interface Database {
  getBinary(key: Buffer): Buffer | undefined
  getBinaryFast(key: Buffer): Buffer | undefined
  putSync(key: Buffer, value: Buffer, options?: { append: boolean }): boolean
  removeSync(key: Buffer): boolean
  transactionSync<T>(change: () => T): T
  getRange(range: Range): Iterable<BenchRecord>
  getKeys(range: Range): Iterable<Buffer>
  backup(path: string, compact: boolean): Promise<void>
  close(): Promise<void>
}

const { open }: { open(options: object): Database } = createRequire(import.meta.url)('lmdb')
/** Address space for the map, in bytes; enough for every size that the benchmark has. */
const MAP_SIZE = 4 * 2 ** 30
const SLASH = 0x2f

export function openLmdb(directory: string): BenchStore {
  const path = join(directory, 'data.mdb')
  const db = open({
    path,
    encoding: 'binary',
    keyEncoding: 'binary',
    compression: false,
    cache: false,
    mapSize: MAP_SIZE,
    noSync: true,
    overlappingSync: false,
    useWritemap: true,
  })
  return new LmdbStore(db, path)
}

class LmdbStore implements BenchStore {
  readonly #db: Database
  readonly #path: string
  #compacted = false

  constructor(db: Database, path: string) {
    this.#db = db
    this.#path = path
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.#db.getBinary(key)
  }

  peek(key: Buffer): number {
    const value = this.#db.getBinaryFast(key)
    return value === undefined ? -1 : value.length + value[0]
  }

  put(key: Buffer, value: Buffer): undefined {
    this.#db.putSync(key, value)
  }

  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): undefined {
    this.#db.transactionSync(() => {
      for (let i = from; i < to; i++) this.#db.putSync(keys[i], valueAt(i))
    })
  }

  delete(key: Buffer): undefined {
    this.#db.removeSync(key)
  }

  list(prefix: Buffer, limit: number): BenchRecord[] {
    const found: BenchRecord[] = []
    for (const entry of this.#db.getRange({ start: prefix, end: endOf(prefix), limit })) found.push(entry)
    return found
  }

  listKeys(prefix: Buffer, limit: number): Buffer[] {
    const found: Buffer[] = []
    for (const key of this.#db.getKeys({ start: prefix, end: endOf(prefix), limit })) found.push(key)
    return found
  }

  scan(prefix: Buffer, limit: number): number {
    return sumOfRecords(this.list(prefix, limit))
  }

  scanKeys(prefix: Buffer, limit: number): number {
    return sumOfKeys(this.listKeys(prefix, limit))
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

  rename(from: Buffer, to: Buffer): undefined {
    this.#db.transactionSync(() => this.#move(from, to))
  }

  renamePrefix(from: Buffer, to: Buffer): undefined {
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

  load(records: Iterable<RecordPair>): undefined {
    const iterator = records[Symbol.iterator]()
    let last = false
    while (!last) {
      this.#db.transactionSync(() => {
        for (let n = 0; n < LOAD_BATCH; n++) {
          const { done, value } = iterator.next()
          last = done === true
          if (last) break
          this.#db.putSync(value[0], value[1], { append: true })
        }
      })
    }
  }

  /** The compacted copy that LMDB makes takes the place of the file when that is closed. */
  async compact(): Promise<void> {
    await this.#db.backup(`${this.#path}.compacted`, true)
    this.#compacted = true
  }

  async close(): Promise<void> {
    await this.#db.close()
    if (!this.#compacted) return
    rmSync(this.#path)
    renameSync(`${this.#path}.compacted`, this.#path)
  }
}
