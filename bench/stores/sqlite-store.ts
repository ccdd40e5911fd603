/**
 * SQLite through `better-sqlite3`: a write-ahead log that is never synced, one table without row ids, prepared
 * statements. An exclusive lock keeps the index of the log in the heap; small pages make what one change writes to the log
 * short; and the log is copied back seldom.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import {
  type BenchRecord,
  type BenchStore,
  CACHE_BYTES,
  endOf,
  LOAD_BATCH,
  type RecordPair,
  sumOfKeys,
} from './store.ts'

interface Statement {
  run(...values: unknown[]): { changes: number }
  get(...values: unknown[]): unknown
  all(...values: unknown[]): unknown[]
  pluck(): Statement
  raw(): Statement
}

interface Database {
  pragma(text: string): unknown
  exec(sql: string): void
  prepare(sql: string): Statement
  close(): void
}

const SqliteDatabase: new (path: string) => Database = createRequire(import.meta.url)('better-sqlite3')

const LIST = 'SELECT k AS key, v AS value FROM records WHERE k >= ? AND k < ? ORDER BY k LIMIT ?'

/** Each step seeks the first key that is not below the name found by the step before. */
const LIST_DIRECTORIES = `
  WITH RECURSIVE names(name, n) AS (
    SELECT (SELECT substr(k, 1, @skip + instr(substr(k, @skip + 1), x'2f')) FROM records
            WHERE k >= @start AND k < @end ORDER BY k LIMIT 1), 1
    UNION ALL
    SELECT (SELECT substr(k, 1, @skip + instr(substr(k, @skip + 1), x'2f')) FROM records
            WHERE k >= CAST(substr(name, 1, length(name) - 1) || x'30' AS BLOB) AND k < @end ORDER BY k LIMIT 1), n + 1
    FROM names WHERE name IS NOT NULL AND n < @limit
  )
  SELECT name FROM names WHERE name IS NOT NULL`

export function openSqlite(directory: string): BenchStore {
  const db = new SqliteDatabase(join(directory, 'data.db'))
  db.pragma('page_size = 2048')
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = OFF')
  db.pragma('wal_autocheckpoint = 8000')
  db.pragma(`cache_size = -${CACHE_BYTES / 1024}`)
  db.pragma('mmap_size = 1073741824')
  db.pragma('temp_store = MEMORY')
  db.exec('CREATE TABLE IF NOT EXISTS records (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID')
  return new SqliteStore(db)
}

class SqliteStore implements BenchStore {
  readonly #db: Database
  readonly #begin: Statement
  readonly #commit: Statement
  readonly #get: Statement
  readonly #put: Statement
  readonly #delete: Statement
  readonly #list: Statement
  readonly #listRows: Statement
  readonly #listKeys: Statement
  readonly #directories: Statement
  readonly #rename: Statement
  readonly #renamePrefix: Statement

  constructor(db: Database) {
    this.#db = db
    this.#begin = db.prepare('BEGIN')
    this.#commit = db.prepare('COMMIT')
    this.#get = db.prepare('SELECT v FROM records WHERE k = ?').pluck()
    this.#put = db.prepare('INSERT INTO records VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v')
    this.#delete = db.prepare('DELETE FROM records WHERE k = ?')
    this.#list = db.prepare(LIST)
    this.#listRows = db.prepare(LIST).raw()
    this.#listKeys = db.prepare('SELECT k FROM records WHERE k >= ? AND k < ? ORDER BY k LIMIT ?').pluck()
    this.#directories = db.prepare(LIST_DIRECTORIES).pluck()
    this.#rename = db.prepare('UPDATE records SET k = ? WHERE k = ?')
    this.#renamePrefix = db.prepare(
      'UPDATE records SET k = CAST(@to || substr(k, @skip + 1) AS BLOB) WHERE k >= @from AND k < @end',
    )
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.#get.get(key) as Buffer | undefined
  }

  peek(key: Buffer): number {
    const value = this.#get.get(key) as Buffer | undefined
    return value === undefined ? -1 : value.length + value[0]
  }

  put(key: Buffer, value: Buffer): undefined {
    this.#put.run(key, value)
  }

  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): undefined {
    this.#begin.run()
    for (let i = from; i < to; i++) this.#put.run(keys[i], valueAt(i))
    this.#commit.run()
  }

  delete(key: Buffer): undefined {
    this.#delete.run(key)
  }

  list(prefix: Buffer, limit: number): BenchRecord[] {
    return this.#list.all(prefix, endOf(prefix), limit) as BenchRecord[]
  }

  listKeys(prefix: Buffer, limit: number): Buffer[] {
    return this.#listKeys.all(prefix, endOf(prefix), limit) as Buffer[]
  }

  scan(prefix: Buffer, limit: number): number {
    let sum = 0
    for (const [key, value] of this.#listRows.all(prefix, endOf(prefix), limit) as [Buffer, Buffer][]) {
      sum += key[key.length - 1] + value[0]
    }
    return sum
  }

  scanKeys(prefix: Buffer, limit: number): number {
    return sumOfKeys(this.listKeys(prefix, limit))
  }

  listDirectories(prefix: Buffer, after: Buffer, limit: number): Uint8Array[] {
    return this.#directories.all({
      skip: prefix.length,
      start: endOf(after),
      end: endOf(prefix),
      limit,
    }) as Buffer[]
  }

  rename(from: Buffer, to: Buffer): undefined {
    if (this.#rename.run(to, from).changes !== 1) throw new Error('rename: no such record')
  }

  renamePrefix(from: Buffer, to: Buffer): undefined {
    const { changes } = this.#renamePrefix.run({ from, to, skip: from.length, end: endOf(from) })
    if (changes === 0) throw new Error('renamePrefix: nothing there')
  }

  load(records: Iterable<RecordPair>): undefined {
    let staged = 0
    this.#begin.run()
    for (const [key, value] of records) {
      this.#put.run(key, value)
      if (++staged % LOAD_BATCH !== 0) continue
      this.#commit.run()
      this.#begin.run()
    }
    this.#commit.run()
  }

  compact(): undefined {
    this.#db.exec('VACUUM')
  }

  async close(): Promise<void> {
    this.#db.close()
  }
}
