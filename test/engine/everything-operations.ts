/**
 * The changes that the threads of everything.test.ts and killed-store.test.ts make: they follow from a seed, the thread
 * and what it holds, so that their count alone says what a thread has done. Its own keys nobody else changes; counters
 * and accounts are everybody's, and what a change does to them commutes with what the others do.
 */
import { seededRandom } from '../support/random.ts'
import type { Model } from './model.ts'

export const THREADS = 4
export const COUNTERS = 3
export const ACCOUNTS = 40
export const MONEY = 1000

/** Directories in which every thread has a subtree. */
const DIRECTORIES = 9
/** Keys of a thread at high and low tide, and changes from one tide to the next. */
const MOST_KEYS = 700
const TIDE = 1500

export type Change =
  | { is: 'put'; key: string; value: Buffer }
  | { is: 'delete'; key: string }
  | { is: 'batch'; puts: [key: string, value: Buffer][]; deletes: string[] }
  | { is: 'rename'; from: string; to: string }
  | { is: 'rename subtree'; from: string; to: string }
  | { is: 'load'; entries: [key: string, value: Buffer][] }
  | { is: 'raise'; counter: number }
  | { is: 'transfer'; from: number; to: number; amount: number }

/** The subtree of a thread in a directory; those of one directory lie side by side. */
export function subtree(directory: number, thread: number): string {
  return `home/${'d'.repeat(1 + (directory % 3))}${directory}/${thread}/`
}

/** What a thread holds, from all records below `home/`. */
export function isOf(thread: number, key: string): boolean {
  return key.split('/')[2] === String(thread)
}

export function counterKey(i: number): string {
  return `all/counter-${i}`
}

export function accountKey(i: number): string {
  return `all/accounts/${String(i * 7).padStart(4, '0')}`
}

/** A number, as the values of counters and accounts hold it, with a filling that follows from it. */
export function numberValue(n: number): Buffer {
  const value = Buffer.alloc(8 + (Math.abs(n) % 5) * 300, n & 255)
  value.writeInt32LE(n, 0)
  value.writeInt32LE(value.length, 4)
  return value
}

/** Throws when the bytes are not those of a number's value. */
export function numberOf(value: Buffer): number {
  const n = value.readInt32LE(0)
  if (!value.equals(numberValue(n))) throw new Error(`torn value of number ${n}`)
  return n
}

/** What all threads share. */
export class Common {
  readonly counters: number[] = Array(COUNTERS).fill(0)
  readonly accounts: number[] = Array(ACCOUNTS).fill(MONEY)

  apply(change: Change): void {
    if (change.is === 'raise') this.counters[change.counter]++
    if (change.is !== 'transfer') return
    this.accounts[change.from] -= change.amount
    this.accounts[change.to] += change.amount
  }

  copy(): Common {
    const copy = new Common()
    copy.counters.splice(0, COUNTERS, ...this.counters)
    copy.accounts.splice(0, ACCOUNTS, ...this.accounts)
    return copy
  }
}

/** Makes a thread's own change to its model; what is everybody's is left to {@link Common}. */
export function applyOwn(model: Model, change: Change): void {
  if (change.is === 'put') model.put(change.key, change.value, 0)
  else if (change.is === 'delete') model.delete(change.key)
  else if (change.is === 'batch') {
    for (const [key, value] of change.puts) model.put(key, value, 0)
    for (const key of change.deletes) model.delete(key)
  } else if (change.is === 'rename') {
    const record = model.get(change.from)!
    model.delete(change.from)
    model.put(change.to, record.value, 0)
  } else if (change.is === 'rename subtree') model.renamePrefix(change.from, change.to)
  else if (change.is === 'load') for (const [key, value] of change.entries) model.put(key, value, 0)
}

/** The changes of one thread, from a seed and from what `model` holds when each is asked for. */
export class Changes {
  readonly #thread: number
  readonly #model: Model
  readonly #random: () => number
  #count = 0

  constructor(thread: number, seed: number, model: Model) {
    this.#thread = thread
    this.#model = model
    this.#random = seededRandom(seed * THREADS + thread)
  }

  #int(n: number): number {
    return Math.floor(this.#random() * n)
  }

  /** The next change; it is possible, and the caller makes it to the model before asking again. */
  next(): Change {
    const isFlood = Math.floor(this.#count++ / TIDE) % 2 === 0
    const pick = this.#int(1000)
    if (pick < 150) return { is: 'raise', counter: this.#int(COUNTERS) }
    if (pick < 300) return this.#transfer()
    if (this.#model.size < 20) return { is: 'put', key: this.#key(), value: this.#value() }
    if (pick < 310) return this.#load()
    if (pick < 330) return this.#renameSubtree()
    if (pick < 350) return this.#sweep()
    if (pick < 450) return this.#batch()
    if (pick < 520) return { is: 'rename', from: this.#known(), to: this.#key() }
    const shrinks = this.#model.size > MOST_KEYS ? 0.9 : isFlood ? 0.2 : 0.8
    if (this.#random() < shrinks) return { is: 'delete', key: this.#known() }
    return { is: 'put', key: this.#int(3) === 0 ? this.#known() : this.#key(), value: this.#value() }
  }

  #transfer(): Change {
    const from = this.#int(ACCOUNTS)
    return { is: 'transfer', from, to: (from + 1 + this.#int(ACCOUNTS - 1)) % ACCOUNTS, amount: this.#int(200) - 100 }
  }

  #load(): Change {
    const below = `${subtree(this.#int(DIRECTORIES), this.#thread)}n${this.#int(20)}`
    const count = this.#int(8) === 0 ? 500 : this.#int(60)
    const at = (i: number) => `${below}/${String(i * (1 + (count % 3))).padStart(4, '0')}`
    return { is: 'load', entries: Array.from({ length: count + 1 }, (_, i) => [at(i), this.#value()]) }
  }

  /** Moves a subtree to where there is none; else it is a put. */
  #renameSubtree(): Change {
    const from = this.#known().split('/').slice(0, 3).join('/')
    const first = this.#int(DIRECTORIES)
    for (let i = 0; i < DIRECTORIES; i++) {
      const to = subtree((first + i) % DIRECTORIES, this.#thread)
      if (this.#model.keysBelow(to).length === 0) return { is: 'rename subtree', from: `${from}/`, to }
    }
    return this.#sweep()
  }

  /** Removes a subtree, or what of it fits in a batch. */
  #sweep(): Change {
    const below = this.#known().split('/').slice(0, 3).join('/')
    return { is: 'batch', puts: [], deletes: this.#model.keysBelow(`${below}/`).slice(0, 300) }
  }

  #batch(): Change {
    const deletes = Array.from({ length: this.#int(8) }, () => this.#known())
    const puts = new Map<string, Buffer>()
    for (let i = this.#int(10); i >= 0; i--) puts.set(this.#key(), this.#value())
    for (const key of deletes) puts.delete(key)
    return { is: 'batch', puts: [...puts], deletes }
  }

  #known(): string {
    return this.#model.keyAt(this.#int(this.#model.size))
  }

  #key(): string {
    const name = `${subtree(this.#int(DIRECTORIES), this.#thread)}n${this.#int(150)}`
    const pick = this.#int(20)
    if (pick === 0) return `${name}${'-and-more'.repeat(this.#int(40))}`
    if (pick < 4) return `${name}/${this.#int(9)}`
    return name
  }

  #value(): Buffer {
    const pick = this.#int(100)
    const length = this.#int(pick === 0 ? 60_000 : pick < 20 ? 8000 : 700)
    return Buffer.alloc(length, this.#int(256))
  }
}
