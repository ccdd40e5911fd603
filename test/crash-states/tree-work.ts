/** A workload on a tree: each step is carried out, done to a model that knows nothing of the tree, and noted. */
import type { StoreOptions } from '../../src/engine/store.ts'
import type { Tree } from '../../src/engine/tree.ts'
import type { Random } from '../support/random.ts'
import { History } from './history.ts'
import type { MemoryStorage } from './memory-storage.ts'
import { type Records, recordText, TreeLife } from './tree-life.ts'

interface Outcome {
  /** Instead of what the durability promises: everything up to this seq. */
  promised?: number
}

export class TreeWork {
  readonly history: History<Records>
  readonly random: Random
  readonly #directory: string
  readonly #storage: MemoryStorage
  readonly #options: StoreOptions
  #life: TreeLife
  #values = 0
  /** Values by key, with the seq that wrote them. */
  #records = new Map<string, { value: string; version: number }>()

  constructor(directory: string, storage: MemoryStorage, options: StoreOptions, random: Random) {
    this.#directory = directory
    this.#storage = storage
    this.#options = options
    this.random = random
    this.history = new History(options.durability !== 'async')
    this.#life = new TreeLife(directory, storage, options)
    this.#note('open', {})
  }

  get tree(): Tree {
    return this.#life.tree
  }

  get keys(): string[] {
    return [...this.#records.keys()]
  }

  /** A value that no other step writes to the same key. */
  put(key: string, size: number): void {
    const value = this.#value(size)
    const version = this.tree.put(bytes(key), bytes(value))
    this.#records.set(key, { value, version })
    this.#note(`put ${key}`, {})
  }

  delete(key: string): void {
    this.tree.delete(bytes(key))
    this.#records.delete(key)
    this.#note(`delete ${key}`, {})
  }

  rename(from: string, to: string): void {
    this.tree.rename(bytes(from), bytes(to), { replace: true })
    const { value } = this.#records.get(from)!
    this.#records.set(to, { value, version: this.tree.lastSeq() })
    this.#records.delete(from)
    this.#note(`rename ${from} ${to}`, {})
  }

  renamePrefix(from: string, to: string): void {
    if (!this.tree.renamePrefix(bytes(from), bytes(to))) throw new Error(`cannot rename ${from} to ${to}`)
    for (const [key, record] of [...this.#records]) {
      if (!key.startsWith(from)) continue
      this.#records.delete(key)
      this.#records.set(to + key.slice(from.length), record)
    }
    this.#note(`renamePrefix ${from} ${to}`, {})
  }

  /** One batch: puts, deletes, and perhaps a subtree that is renamed. */
  batch(puts: [key: string, size: number][], deletes: string[], prefix?: [from: string, to: string]): void {
    const values = puts.map(([key, size]) => [key, this.#value(size)])
    this.tree.atomic(batch => {
      for (const [key, value] of values) batch.put(bytes(key), bytes(value))
      for (const key of deletes) batch.delete(bytes(key))
      if (prefix !== undefined) batch.renamePrefix(bytes(prefix[0]), bytes(prefix[1]))
    })
    const version = this.tree.lastSeq()
    for (const [key, value] of values) this.#records.set(key, { value, version })
    for (const key of deletes) this.#records.delete(key)
    if (prefix !== undefined) {
      for (const [key, record] of [...this.#records]) {
        if (!key.startsWith(prefix[0])) continue
        this.#records.delete(key)
        this.#records.set(prefix[1] + key.slice(prefix[0].length), record)
      }
    }
    this.#note(`batch of ${puts.length} puts, ${deletes.length} deletes`, {})
  }

  /** One chunk of a bulk load. */
  load(keys: string[], size: number): void {
    const value = 'l'.repeat(size)
    const { version } = this.tree.load(keys.map(key => [bytes(key), bytes(value)]))
    for (const key of keys) this.#records.set(key, { value, version })
    this.#note(`load of ${keys.length}`, {})
  }

  sync(): void {
    this.tree.sync()
    this.#note('sync', { promised: this.tree.lastSeq() })
  }

  /** A round promises what was there when it began. */
  checkpoint(): void {
    const promised = this.tree.lastSeq()
    this.tree.checkpoint()
    this.#note('checkpoint', { promised })
  }

  compact(): void {
    this.tree.compact()
    this.#note('compact', {})
  }

  /** Runs `steps` at the n-th such call on a file of that name from now on: as another thread might, in the middle of a step. */
  during(call: string, name: string, nth: number, steps: () => void): void {
    let left = nth
    this.#storage.before = (called, on) => {
      if (called !== call || on !== name || --left > 0) return
      this.#storage.before = () => {}
      steps()
    }
  }

  /** Closes the store and opens it again. */
  reopen(): void {
    this.#life.end()
    this.#note('close', { promised: this.history.steps.at(-1)!.seq })
    this.#begin()
  }

  /** The process dies, and the next one opens the store. What nobody has handed to the kernel, it is given before. */
  kill(): void {
    this.tree.flush()
    this.#storage.kill(() => this.#life.end())
    this.#begin()
  }

  end(): void {
    this.#life.end()
    this.#note('close', { promised: this.history.steps.at(-1)!.seq })
  }

  #value(size: number): string {
    this.#values = (this.#values + 1) % 256
    return String.fromCharCode(this.#values).repeat(size)
  }

  #begin(): void {
    this.#life = new TreeLife(this.#directory, this.#storage, this.#options)
    this.#note('open', {})
  }

  #note(what: string, { promised }: Outcome): void {
    const { steps } = this.history
    const isClosed = what === 'close'
    const seq = isClosed ? steps.at(-1)!.seq : this.tree.lastSeq()
    const seen: Records = new Map()
    for (const [key, { value, version }] of this.#records) seen.set(key, recordText(version, value))
    const isSafe = this.#options.durability === 'sync' && what !== 'open'
    steps.push({ what, seq, seen, promised: promised ?? (isSafe ? seq : 0), synced: 0 })
    this.#storage.mark(steps.length)
  }
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
