/** Verifies that the records from which directories are listed are those of the names there, and no others. */
import { MAX_NAME } from '../limits.ts'
import { type Dirent, wide } from './dirent.ts'
import { ENTRY_KEY, entryKey } from './keys.ts'
import { ENTRY_NAME, ENTRY_TYPE } from './listing.ts'
import type { Metadata } from './metadata.ts'

export class CheckListings {
  readonly #metadata: Metadata
  readonly #key = new Uint8Array(ENTRY_KEY)
  readonly #value = new Uint8Array(ENTRY_NAME + MAX_NAME)
  /** By directory: names that are listed, less the records there are. Directories that agree are not kept. */
  readonly #missing = new Map<number, number>()

  constructor(metadata: Metadata) {
    this.#metadata = metadata
  }

  /** Whether `directory` lists `name` as its dirent says. To be called for every dirent. */
  holds(directory: number, dirent: Dirent, name: Uint8Array): boolean {
    const length = this.#metadata.getInto(this.#key, entryKey(this.#key, directory, dirent.cookie), this.#value, 0)
    if (length < 0) return false
    this.#add(directory, 1)
    const same = Buffer.compare(this.#value.subarray(ENTRY_NAME, Math.max(length, ENTRY_NAME)), name) === 0
    return same && wide(this.#value, 0) === dirent.ino && this.#value[ENTRY_TYPE] === dirent.type
  }

  /** To be called for every record of a listing. */
  count(directory: number): void {
    this.#add(directory, -1)
  }

  /** Reports directories that list more than they hold; to be called last. */
  compare(report: (directory: number, message: string) => void): void {
    for (const [directory, missing] of this.#missing) {
      report(directory, `the directory lists ${-missing} more names than it has`)
    }
  }

  #add(directory: number, count: number): void {
    const sum = (this.#missing.get(directory) ?? 0) + count
    if (sum === 0) this.#missing.delete(directory)
    else this.#missing.set(directory, sum)
  }
}
