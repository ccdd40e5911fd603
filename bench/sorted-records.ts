/**
 * All records of a dataset in key order, for filling a store. One pair and few buffers are used again and again, so that
 * the time of a load holds next to nothing of the cost of making its records.
 */
import { type Dataset, FILES_PER_DIRECTORY, fileName, fillValue, VALUE_BYTES } from './dataset.ts'
import type { RecordPair } from './stores/store.ts'

export class SortedRecords implements Iterable<RecordPair> {
  readonly #dataset: Dataset

  constructor(dataset: Dataset) {
    this.#dataset = dataset
  }

  [Symbol.iterator](): Iterator<RecordPair> {
    return new SortedIterator(this.#dataset)
  }
}

class SortedIterator implements Iterator<RecordPair> {
  readonly #dataset: Dataset
  readonly #result: { done: boolean; value: [Buffer, Buffer] }
  /** The directories below MOVED come first in key order and last in number. */
  #directory: number
  #file = FILES_PER_DIRECTORY

  constructor(dataset: Dataset) {
    this.#dataset = dataset
    this.#result = { done: false, value: [Buffer.alloc(0), Buffer.alloc(VALUE_BYTES)] }
    this.#directory = dataset.count / FILES_PER_DIRECTORY - 1
  }

  next(): IteratorResult<RecordPair> {
    const result = this.#result
    if (this.#file === FILES_PER_DIRECTORY && !this.#nextDirectory()) {
      result.done = true
      return result as IteratorResult<RecordPair>
    }
    const [key, value] = result.value
    const tens = (this.#file / 10) | 0
    key[key.length - 2] = 0x30 + tens
    key[key.length - 1] = 0x30 + this.#file - tens * 10
    fillValue(value, this.#directory * FILES_PER_DIRECTORY + this.#file++, 0)
    return result as IteratorResult<RecordPair>
  }

  #nextDirectory(): boolean {
    const { count, total } = this.#dataset
    const shared = count / FILES_PER_DIRECTORY
    if (this.#directory === shared - 1 && this.#result.value[0].length > 0) return false
    this.#directory = this.#directory === total / FILES_PER_DIRECTORY - 1 ? 0 : this.#directory + 1
    this.#result.value[0] = Buffer.from(this.#dataset.directoryName(this.#directory) + fileName(0), 'latin1')
    this.#file = 0
    return true
  }
}
