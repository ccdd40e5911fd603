/**
 * What is measured on one engine. Each operation runs a number of times over the shared dataset and checks what it gets
 * back; a wrong answer throws. {@link verify} compares the whole store with the dataset.
 */
import { type Dataset, FILES_PER_DIRECTORY, fillValue, MOVED, MOVED_BACK, ROOT, VALUE_BYTES } from './dataset.ts'
import type { BenchRecord, BenchStore } from './stores/store.ts'

/** Records of one transaction while a store is filled. */
const LOAD_BATCH = 1000
const BATCH = 100
const LISTED_DIRECTORIES = 100
const rootPrefix = Buffer.from(ROOT)
const moved = Buffer.from(MOVED)
const movedBack = Buffer.from(MOVED_BACK)

/** Runs `count` times; returns how many units of the operation (what the table counts) that were. */
type Operation = (count: number) => number

export class EngineOperations {
  readonly dataset: Dataset
  readonly #store: BenchStore
  readonly #value = Buffer.alloc(VALUE_BYTES)
  #cursor = 0
  #absentCursor = 0

  constructor(dataset: Dataset, store: BenchStore) {
    this.dataset = dataset
    this.#store = store
  }

  /** Name and how many runs are timed together. */
  readonly operations: Record<string, { run: Operation; chunk: number }> = {
    get: { run: count => this.#get(count), chunk: 2000 },
    'get, value not copied out': { run: count => this.#peek(count), chunk: 2000 },
    'get of an absent key': { run: count => this.#getAbsent(count), chunk: 2000 },
    'put over an existing record': { run: count => this.#put(count), chunk: 200 },
    'put, 100 in a transaction, each': { run: count => this.#putBatch(count), chunk: 5 },
    'create and delete a record': { run: count => this.#createDelete(count), chunk: 100 },
    'list 100 records of a directory': { run: count => this.#list(count), chunk: 50 },
    'list 100 sub-directories': { run: count => this.#listDirectories(count), chunk: 20 },
    'rename a record': { run: count => this.#rename(count), chunk: 100 },
    'rename a prefix with 10,000 records': { run: count => this.#renamePrefix(count), chunk: 1 },
  }

  /** Fills an empty store in key order. */
  static load(dataset: Dataset, store: BenchStore): void {
    const value = Buffer.alloc(VALUE_BYTES)
    const fill = (keys: Buffer[], first: number) => {
      for (let i = 0; i < keys.length; i += LOAD_BATCH) {
        store.putAll(keys, i, Math.min(i + LOAD_BATCH, keys.length), index => {
          fillValue(value, first + index, 0)
          return value
        })
      }
    }
    fill(dataset.keys, 0)
    fill(dataset.movedKeys, dataset.count)
  }

  #next(): number {
    if (this.#cursor === this.dataset.count) this.#cursor = 0
    return this.dataset.order[this.#cursor++]
  }

  #nextAbsent(): number {
    if (this.#absentCursor === this.dataset.absent.length) this.#absentCursor = 0
    return this.#absentCursor++
  }

  #get(count: number): number {
    const { keys } = this.dataset
    for (let n = 0; n < count; n++) {
      const index = this.#next()
      const value = this.#store.get(keys[index])
      if (value === undefined || value.length !== VALUE_BYTES || value[0] !== (index & 0xff)) throw wrong('get')
    }
    return count
  }

  #peek(count: number): number {
    const { keys } = this.dataset
    for (let n = 0; n < count; n++) {
      const index = this.#next()
      if (this.#store.peek(keys[index]) !== VALUE_BYTES + (index & 0xff)) throw wrong('peek')
    }
    return count
  }

  #getAbsent(count: number): number {
    const { absent } = this.dataset
    for (let n = 0; n < count; n++) {
      if (this.#store.get(absent[this.#nextAbsent()]) !== undefined) throw wrong('get of an absent key')
    }
    return count
  }

  #put(count: number): number {
    const { keys, generations } = this.dataset
    for (let n = 0; n < count; n++) {
      const index = this.#next()
      fillValue(this.#value, index, ++generations[index])
      this.#store.put(keys[index], this.#value)
    }
    return count
  }

  #putBatch(count: number): number {
    const { keys, generations, order } = this.dataset
    const chosen: Buffer[] = []
    for (let n = 0; n < count; n++) {
      if (this.#cursor + BATCH > order.length) this.#cursor = 0
      const first = this.#cursor
      this.#cursor += BATCH
      for (let i = 0; i < BATCH; i++) chosen[i] = keys[order[first + i]]
      this.#store.putAll(chosen, 0, BATCH, i => {
        const index = order[first + i]
        fillValue(this.#value, index, ++generations[index])
        return this.#value
      })
    }
    return count * BATCH
  }

  #createDelete(count: number): number {
    const { absent } = this.dataset
    fillValue(this.#value, 0, 0)
    for (let n = 0; n < count; n++) {
      const key = absent[this.#nextAbsent()]
      this.#store.put(key, this.#value)
      if (!this.#store.delete(key)) throw wrong('delete')
    }
    return count
  }

  #list(count: number): number {
    const { directories } = this.dataset
    for (let n = 0; n < count; n++) {
      const directory = Math.floor(this.#next() / FILES_PER_DIRECTORY)
      const found = this.#store.list(directories[directory], FILES_PER_DIRECTORY)
      const last = directory * FILES_PER_DIRECTORY + FILES_PER_DIRECTORY - 1
      if (found.length !== FILES_PER_DIRECTORY || !this.#holds(found[FILES_PER_DIRECTORY - 1], last))
        throw wrong('list')
    }
    return count
  }

  #holds(record: BenchRecord, index: number): boolean {
    fillValue(this.#value, index, this.dataset.generations[index])
    const key =
      index < this.dataset.count ? this.dataset.keys[index] : this.dataset.movedKeys[index - this.dataset.count]
    return key.equals(record.key) && this.#value.equals(record.value)
  }

  /** Starts behind a directory from the first half, so that as many follow as are asked for. */
  #listDirectories(count: number): number {
    const sorted = this.#sortedDirectories
    const limit = Math.min(LISTED_DIRECTORIES, sorted.length >> 1)
    for (let n = 0; n < count; n++) {
      const at = this.#next() % (sorted.length - limit)
      const found = this.#store.listDirectories(rootPrefix, sorted[at], limit)
      if (found.length !== limit || !sorted[at + limit].equals(found[limit - 1])) throw wrong('list of directories')
    }
    return count
  }

  get #sortedDirectories(): Buffer[] {
    this.#sorted ??= this.dataset.directories.toSorted(Buffer.compare)
    return this.#sorted
  }
  #sorted: Buffer[] | undefined

  /** There and back: two renames. */
  #rename(count: number): number {
    const { absent, keys, order } = this.dataset
    for (let n = 0; n < count; n++) {
      const at = this.#nextAbsent()
      this.#store.rename(keys[order[at]], absent[at])
      this.#store.rename(absent[at], keys[order[at]])
    }
    return 2 * count
  }

  #renamePrefix(count: number): number {
    for (let n = 0; n < count; n++) {
      this.#store.renamePrefix(moved, movedBack)
      this.#store.renamePrefix(movedBack, moved)
    }
    return 2 * count
  }

  /** Compares every record with the dataset. */
  verify(store: BenchStore): void {
    const { dataset } = this
    const found = store.list(Buffer.from('/'), dataset.count + dataset.movedKeys.length + 1)
    const expected = dataset.keys.concat(dataset.movedKeys).map((key, index) => ({ key, index }))
    expected.sort((a, b) => Buffer.compare(a.key, b.key))
    if (found.length !== expected.length) throw wrong(`number of records: ${found.length} for ${expected.length}`)
    for (let i = 0; i < found.length; i++) if (!this.#holds(found[i], expected[i].index)) throw wrong('record')
  }
}

function wrong(what: string): Error {
  return new Error(`wrong answer: ${what}`)
}
