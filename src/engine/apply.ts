/**
 * Applies the changes of one record to the tree, in order, under the gate. Deterministic: replaying a record on the
 * state that it was first applied to gives the same tree.
 */
import { HoltError } from '../errors.ts'
import { MAX_KEY, MAX_VALUE } from '../limits.ts'
import { CHANGE_DELETE, CHANGE_PUT, CHANGE_RENAME, CHANGE_RENAME_PREFIX, Change, RECORD_BATCH } from './batch.ts'
import { ExclusiveLatch } from './latch.ts'
import { RECORD_LOAD } from './load-chunk.ts'
import type { Pool } from './pool.ts'
import { C_LONGEST_KEY, C_RENAMES } from './shared.ts'
import { compareBytes } from './walker/bytes.ts'
import { ERASED, Erase } from './walker/erase.ts'
import { ANY_VERSION, Insert } from './walker/insert.ts'
import { OF_CHANGE } from './walker/item.ts'
import { PlaceChunk } from './walker/place-chunk.ts'
import { RenamePrefix } from './walker/rename-prefix.ts'
import type { RouteCache } from './walker/route-cache.ts'

export class Apply {
  readonly #pool: Pool
  readonly #insert: Insert
  readonly #erase: Erase
  readonly #renamePrefix: RenamePrefix
  readonly #value = new Uint8Array(MAX_VALUE)
  readonly #change = new Change()
  /** Made at the first load: its tables are large. */
  #placeChunk: PlaceChunk | undefined

  constructor(pool: Pool, routes?: RouteCache) {
    this.#pool = pool
    const latch = new ExclusiveLatch(pool)
    this.#insert = new Insert(pool, latch, routes)
    this.#erase = new Erase(pool, latch, routes)
    this.#renamePrefix = new RenamePrefix(pool, this.#insert, this.#erase)
  }

  /**
   * Applies the first `length` bytes of a record's body.
   * @throws HoltError HOLT_CORRUPT_WAL when they are not what the type says, HOLT_FORMAT for an unknown type
   */
  run(type: number, body: Uint8Array, length: number, seq: number): void {
    this.#pool.seq = seq
    if (type === RECORD_BATCH) this.#changes(body, length, seq)
    else if (type === RECORD_LOAD) {
      this.#placeChunk ??= new PlaceChunk(this.#pool, this.#insert)
      this.#placeChunk.run(body, length, seq)
    } else throw new HoltError('HOLT_FORMAT', `the write-ahead log holds record type ${type}: use a newer holtfs`)
  }

  #changes(body: Uint8Array, length: number, seq: number): void {
    const change = this.#change
    for (let at = 0; at < length; at = change.end) {
      if (!change.read(body, at, length)) {
        throw new HoltError('HOLT_CORRUPT_WAL', `record ${seq} of the write-ahead log does not hold changes`)
      }
      const { kind, key, keyLength, second, secondLength } = change
      switch (kind) {
        case CHANGE_PUT:
          this.#pool.noteKey(keyLength)
          this.#insert.put(body, key, keyLength, body, second, secondLength, OF_CHANGE, ANY_VERSION)
          break
        case CHANGE_DELETE:
          this.#erase.delete(body, key, keyLength, ANY_VERSION)
          break
        case CHANGE_RENAME:
          this.#pool.noteKey(secondLength)
          this.#rename(body, key, keyLength, second, secondLength)
          break
        case CHANGE_RENAME_PREFIX:
          this.#noteGrowth(secondLength - keyLength)
          this.#renamePrefix.run(body, key, keyLength, body, second, secondLength)
          break
        default:
          throw new HoltError('HOLT_CORRUPT_WAL', `record ${seq} of the write-ahead log holds change kind ${kind}`)
      }
    }
  }

  /** Keys of unknown length grow: any of them may have been the longest. */
  #noteGrowth(bytes: number): void {
    if (bytes > 0) this.#pool.noteKey(Math.min(MAX_KEY, this.#pool.control[C_LONGEST_KEY] + bytes))
  }

  #rename(body: Uint8Array, from: number, fromLength: number, to: number, toLength: number): void {
    if (compareBytes(body, from, fromLength, body, to, toLength) === 0) return
    const value = this.#value
    const { control } = this.#pool
    Atomics.add(control, C_RENAMES, 1)
    try {
      if (this.#erase.delete(body, from, fromLength, ANY_VERSION, value) !== ERASED) return
      this.#insert.put(body, to, toLength, value, 0, this.#erase.takenLength, OF_CHANGE, ANY_VERSION)
    } finally {
      Atomics.add(control, C_RENAMES, 1)
    }
  }
}
