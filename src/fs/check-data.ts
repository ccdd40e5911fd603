/**
 * The part of the check that compares the host files below `data/` with the inodes that refer to them.
 */
import type { DataFiles } from './data-files.ts'

export class DataReport {
  readonly #data: DataFiles
  readonly #problem: (code: string, message: string, ino: number) => void
  /** Data id to the ino that refers to it. */
  readonly #owners = new Map<number, number>()
  readonly #retired = new Set<number>()

  constructor(data: DataFiles, problem: (code: string, message: string, ino: number) => void) {
    this.#data = data
    this.#problem = problem
  }

  /** Inode `ino` has its bytes in data file `id`. */
  referenced(id: number, ino: number): void {
    const other = this.#owners.get(id)
    if (other !== undefined) this.#problem('DATA_SHARED', `data file ${name(id)} belongs to inode ${other} too`, ino)
    this.#owners.set(id, ino)
  }

  /** Data file `id` is in the making or waits for its removal. */
  retired(id: number): void {
    this.#retired.add(id)
    const owner = this.#owners.get(id)
    if (owner !== undefined) this.#problem('DATA_RETIRED', `data file ${name(id)} is to be removed`, owner)
  }

  /** Compares what was noted with the host; ids at or above `bound` were never given out. */
  compare(bound: number): void {
    const missing = new Map(this.#owners)
    for (const id of this.#data.ids()) {
      missing.delete(id)
      if (!this.#owners.has(id) && !this.#retired.has(id)) {
        this.#problem('DATA_UNREFERENCED', `no inode refers to data file ${name(id)}`, 0)
      }
    }
    for (const [id, ino] of missing) this.#problem('DATA_MISSING', `data file ${name(id)} does not exist`, ino)
    for (const [id, ino] of this.#owners) {
      if (id >= bound) this.#problem('COUNTER_DATA', `data file ${name(id)} is above the counter`, ino)
    }
  }
}

function name(id: number): string {
  return id.toString(16).padStart(8, '0')
}
