/**
 * What is timed on one open engine. Each operation does its thing once, over the shared dataset, and checks what it gets
 * back; a wrong answer throws. Only where a store answers with a promise does an operation return one: synchronous
 * engines run a plain loop. {@link verify} compares the whole store with the dataset.
 */
import { type Dataset, FILES_PER_DIRECTORY, fillValue, MOVED, MOVED_BACK, ROOT, VALUE_BYTES } from './dataset.ts'
import { KeyWindow } from './key-window.ts'
import type { Answer, BenchRecord, BenchStore, Done } from './stores/store.ts'

export interface Operation {
  step: () => Done
  /** What the table counts; else one a step. */
  unitsAStep?: number
  /** Steps between two looks at the clock. */
  chunk: number
}

const BATCH = 100
const LISTED_DIRECTORIES = 8
/** The steps of the metadata mix: g get, u update, l list, d list of sub-directories, c create and delete, r rename. */
const MIX = 'gugldgcgugrglugdgcug'

const rootPrefix = Buffer.from(ROOT)
const moved = Buffer.from(MOVED)
const movedBack = Buffer.from(MOVED_BACK)

export class EngineOperations {
  readonly #dataset: Dataset
  readonly #store: BenchStore
  readonly #window: KeyWindow
  readonly #value = Buffer.alloc(VALUE_BYTES)
  #mixed = 0

  constructor(dataset: Dataset, store: BenchStore) {
    this.#dataset = dataset
    this.#store = store
    this.#window = new KeyWindow(dataset)
  }

  /** By name, in the order of the table. */
  readonly operations: Record<string, Operation> = {
    'get, an owned copy': { step: () => this.#get(), chunk: 2000 },
    'get, borrowed': { step: () => this.#peek(), chunk: 2000 },
    'get of a missing key': { step: () => this.#getMissing(), chunk: 2000 },
    'put, overwrite': { step: () => this.#put(), chunk: 200 },
    '100 puts in one batch, each': { step: () => this.#putBatch(), unitsAStep: BATCH, chunk: 5 },
    '50 % get, 50 % put': { step: () => this.#getAndPut(), unitsAStep: 2, chunk: 100 },
    'create + delete': { step: () => this.#createDelete(), chunk: 100 },
    'list 100 records, owned copies': { step: () => this.#list(), chunk: 50 },
    'list 100 records, borrowed': { step: () => this.#scan(), chunk: 50 },
    'list 100 keys, owned copies': { step: () => this.#listKeys(), chunk: 50 },
    'list 100 keys, borrowed': { step: () => this.#scanKeys(), chunk: 50 },
    'list 8 sub-directories': { step: () => this.#listDirectories(), chunk: 50 },
    'rename there and back': { step: () => this.#rename(), chunk: 50 },
    'metadata mix': { step: () => this.#mix(), chunk: MIX.length },
    'rename of a prefix with 10 k entries': { step: () => this.#renamePrefix(), unitsAStep: 2, chunk: 1 },
  }

  /** Chooses other keys for the next measurement. */
  prepare(): void {
    this.#window.advance()
  }

  #get(): undefined {
    const at = this.#window.next()
    const value = this.#store.get(this.#window.keys[at])
    if (value === undefined || value.length !== VALUE_BYTES) throw wrong('get')
    if (value[0] !== (this.#window.indexes[at] & 0xff)) throw wrong('get')
  }

  #peek(): undefined {
    const at = this.#window.next()
    const found = this.#store.peek(this.#window.keys[at])
    if (found !== VALUE_BYTES + (this.#window.indexes[at] & 0xff)) throw wrong('borrowed get')
  }

  #getMissing(): undefined {
    if (this.#store.peek(this.#window.absent[this.#window.nextAbsent()]) !== -1) throw wrong('get of a missing key')
  }

  #put(): Done {
    const at = this.#window.next()
    return this.#store.put(this.#window.keys[at], this.#changed(this.#window.indexes[at]))
  }

  #putBatch(): Done {
    const first = this.#window.nextRun(BATCH)
    return this.#store.putAll(this.#window.keys, first, first + BATCH, at => this.#changed(this.#window.indexes[at]))
  }

  #getAndPut(): Done {
    this.#peek()
    return this.#put()
  }

  #createDelete(): Done {
    const key = this.#window.absent[this.#window.nextAbsent()]
    fillValue(this.#value, 0, 0)
    const created = this.#store.put(key, this.#value)
    return created === undefined ? this.#store.delete(key) : created.then(() => this.#store.delete(key))
  }

  #list(): Done {
    const directory = this.#nextDirectory()
    return after(this.#store.list(this.#dataset.directories[directory], FILES_PER_DIRECTORY), found => {
      this.#checkLast(found, directory)
    })
  }

  #scan(): Done {
    const directory = this.#nextDirectory()
    return after(this.#store.scan(this.#dataset.directories[directory], FILES_PER_DIRECTORY), sum => {
      if (sum !== KEY_SUM + valueSum(directory)) throw wrong('borrowed list')
    })
  }

  #listKeys(): Done {
    const directory = this.#nextDirectory()
    return after(this.#store.listKeys(this.#dataset.directories[directory], FILES_PER_DIRECTORY), found => {
      const prefix = this.#dataset.directories[directory]
      if (found.length !== FILES_PER_DIRECTORY || !prefix.equals(found[0].subarray(0, prefix.length)))
        throw wrong('list of keys')
    })
  }

  #scanKeys(): Done {
    const directory = this.#nextDirectory()
    return after(this.#store.scanKeys(this.#dataset.directories[directory], FILES_PER_DIRECTORY), sum => {
      if (sum !== KEY_SUM) throw wrong('borrowed list of keys')
    })
  }

  /** Those behind any directory but the last ones, so that as many follow as are asked for. */
  #listDirectories(): Done {
    const { directories } = this.#dataset
    const from = this.#nextDirectory() % (directories.length - LISTED_DIRECTORIES)
    return after(this.#store.listDirectories(rootPrefix, directories[from], LISTED_DIRECTORIES), found => {
      const last = directories[from + LISTED_DIRECTORIES]
      if (found.length !== LISTED_DIRECTORIES || !last.equals(found[LISTED_DIRECTORIES - 1]))
        throw wrong('list of sub-directories')
    })
  }

  #rename(): Done {
    const at = this.#window.nextAbsent()
    const key = this.#window.keys[at]
    const other = this.#window.absent[at]
    const there = this.#store.rename(key, other)
    return there === undefined ? this.#store.rename(other, key) : there.then(() => this.#store.rename(other, key))
  }

  #mix(): Done {
    switch (MIX[this.#mixed++ % MIX.length]) {
      case 'g':
        return this.#peek()
      case 'u':
        return this.#put()
      case 'l':
        return this.#scan()
      case 'd':
        return this.#listDirectories()
      case 'c':
        return this.#createDelete()
      default:
        return this.#rename()
    }
  }

  #renamePrefix(): Done {
    const there = this.#store.renamePrefix(moved, movedBack)
    if (there === undefined) return this.#store.renamePrefix(movedBack, moved)
    return there.then(() => this.#store.renamePrefix(movedBack, moved))
  }

  /** The record's next value, in a buffer that is used again. */
  #changed(index: number): Buffer {
    fillValue(this.#value, index, ++this.#dataset.generations[index])
    return this.#value
  }

  #nextDirectory(): number {
    return Math.floor(this.#window.indexes[this.#window.next()] / FILES_PER_DIRECTORY)
  }

  #checkLast(found: BenchRecord[], directory: number): void {
    const last = directory * FILES_PER_DIRECTORY + FILES_PER_DIRECTORY - 1
    if (found.length !== FILES_PER_DIRECTORY || !this.#holds(found[FILES_PER_DIRECTORY - 1], last)) throw wrong('list')
  }

  #holds(record: BenchRecord, index: number): boolean {
    fillValue(this.#value, index, this.#dataset.generations[index])
    return this.#dataset.keyOf(index).equals(record.key) && this.#value.equals(record.value)
  }

  /** Compares every record with the dataset, and finds no others in its directories. */
  async verify(): Promise<void> {
    const directories = this.#dataset.total / FILES_PER_DIRECTORY
    for (let directory = 0; directory < directories; directory++) {
      const prefix = Buffer.from(this.#dataset.directoryName(directory)!)
      const found = await this.#store.list(prefix, FILES_PER_DIRECTORY + 1)
      if (found.length !== FILES_PER_DIRECTORY) throw wrong(`${found.length} records in ${prefix}`)
      for (let file = 0; file < FILES_PER_DIRECTORY; file++) {
        if (!this.#holds(found[file], directory * FILES_PER_DIRECTORY + file))
          throw wrong(`record ${file} in ${prefix}`)
      }
    }
  }
}

/** Sum of the last bytes of the keys of one directory: ten times each digit. */
const KEY_SUM = 10 * (10 * 0x30 + 45)

/** Sum of the first bytes of the values of one directory. */
function valueSum(directory: number): number {
  let sum = 0
  for (let file = 0; file < FILES_PER_DIRECTORY; file++) sum += (directory * FILES_PER_DIRECTORY + file) & 0xff
  return sum
}

function after<T>(answer: Answer<T>, check: (value: T) => void): Done {
  if (answer instanceof Promise) return answer.then(check)
  check(answer)
  return undefined
}

function wrong(what: string): Error {
  return new Error(`wrong answer: ${what}`)
}
