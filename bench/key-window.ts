/**
 * The keys that one measurement visits, as buffers made before the clock starts: a stretch of the shuffled order, a
 * different one each time. Buffers for every key of a large dataset would fill the heap and measure its collection.
 */
import type { Dataset } from './dataset.ts'

const MOST_KEYS = 100_000
const MOST_ABSENT = 30_000

export class KeyWindow {
  /** Record numbers, in the order of visit. */
  indexes: Uint32Array = new Uint32Array(0)
  /** Their keys. */
  keys: Buffer[] = []
  /** Absent keys: each next to the record `indexes[i]`. */
  absent: Buffer[] = []
  readonly #dataset: Dataset
  #from = 0
  #next = 0
  #nextAbsent = 0

  constructor(dataset: Dataset) {
    this.#dataset = dataset
  }

  /** Moves on to other keys, where there are more than one window holds. */
  advance(): void {
    const { order, count } = this.#dataset
    const size = Math.min(count, MOST_KEYS)
    this.#next = 0
    this.#nextAbsent = 0
    if (this.keys.length === count) return
    if (this.#from + size > count) this.#from = 0
    this.indexes = order.subarray(this.#from, this.#from + size)
    this.#from += size
    this.keys = Array.from(this.indexes, index => this.#dataset.keyOf(index))
    this.absent = this.keys.slice(0, MOST_ABSENT).map(key => Buffer.concat([key, Buffer.from('.new')]))
  }

  /** Place in the window of the record to visit next. */
  next(): number {
    if (this.#next === this.keys.length) this.#next = 0
    return this.#next++
  }

  /** Place in `absent` of the absent key to visit next. */
  nextAbsent(): number {
    if (this.#nextAbsent === this.absent.length) this.#nextAbsent = 0
    return this.#nextAbsent++
  }

  /** First place of `size` successive ones. */
  nextRun(size: number): number {
    if (this.#next + size > this.keys.length) this.#next = 0
    this.#next += size
    return this.#next - size
  }
}
