/**
 * Random operations: the same for the same seed and the same answers. Places are mostly near something where mistakes are made: the
 * beginning, the end, a page, the 8 KB that the tree keeps; sizes keep to one of a few ranges for a while.
 */
import { type Random, seededRandom } from '../support/random.ts'
import type { ModelFile } from './model-file.ts'
import { type FileName, isValid, type Kind, type Operation, operation, PAGE, WINDOW } from './operation.ts'

/** Greatest sizes, in bytes: around the tree's 8 KB, and far above; 3 MB are several requests. */
const LIMITS = [9000, 9000, 20_000, 20_000, 300_000, 300_000, 300_000, 3_000_000]
/** Operations between two changes of the greatest size. */
const PHASE = 50
/** How often a file is compared as a whole. */
const CHECKED = 0.6
/** How often the shared file is worked on, where there is one. */
const SHARED = 0.3
const TREE = 8192

/** Times in a hundred or so. */
const WEIGHTS: Record<Kind, number> = {
  write: 15,
  append: 6,
  'write-direct': 4,
  store: 6,
  'store-sync': 3,
  read: 8,
  'read-direct': 4,
  load: 6,
  truncate: 4,
  ftruncate: 6,
  allocate: 4,
  'allocate-keep': 3,
  punch: 6,
  zero: 4,
  'zero-keep': 3,
  copy: 8,
  holes: 2,
  fsync: 2,
  fdatasync: 1,
  drop: 3,
  reopen: 2,
  renew: 0.3,
}

export class Generator {
  readonly #random: Random
  readonly #files: Record<FileName, ModelFile>
  readonly #isShared: boolean
  readonly #kinds: [Kind, number][]
  #total = 0
  #limit = 0
  #count = 0

  /** @param without kinds that the target does not know */
  constructor(seed: number, files: Record<FileName, ModelFile>, isShared: boolean, without: readonly Kind[] = []) {
    this.#random = seededRandom(seed)
    this.#files = files
    this.#isShared = isShared
    this.#kinds = (Object.entries(WEIGHTS) as [Kind, number][]).filter(([kind]) => !without.includes(kind))
    for (const [, weight] of this.#kinds) this.#total += weight
  }

  next(): Operation {
    for (;;) {
      const op = this.#candidate()
      if (isValid(op)) return op
    }
  }

  #candidate(): Operation {
    if (this.#count++ % PHASE === 0) this.#limit = this.#pick(LIMITS)
    const kind = this.#kind()
    const file = this.#file()
    const limit = file === 's' ? WINDOW : this.#limit
    const isDirect = kind.endsWith('-direct')
    const at = isDirect ? PAGE * this.#below(limit / PAGE) : this.#place(file, limit)
    const length = isDirect ? PAGE * (1 + this.#below(8)) : this.#length(at, limit)
    const source = this.#file()
    const fields = { at, length, salt: this.#count, source, from: this.#place(source, this.#limit) }
    if (kind === 'append') fields.length = this.#pick([1, 100, PAGE, 9000])
    return operation(kind, file, { ...this.#needed(kind, fields), check: this.#random() < CHECKED })
  }

  #needed(kind: Kind, fields: Partial<Operation>): Partial<Operation> {
    const { at = 0, length = 0, salt = 0, from = 0, source = 'a' } = fields
    switch (kind) {
      case 'truncate':
      case 'ftruncate':
        return { at: this.#random() < 0.5 ? at : this.#pick([0, 1, TREE - 1, TREE, TREE + 1]) }
      case 'append':
        return { length, salt }
      case 'copy':
        return { at, length, from, source }
      case 'write':
      case 'write-direct':
      case 'store':
      case 'store-sync':
        return { at, length, salt }
      case 'holes':
      case 'fsync':
      case 'fdatasync':
      case 'drop':
      case 'reopen':
      case 'renew':
        return {}
      default:
        return { at, length }
    }
  }

  #kind(): Kind {
    let left = this.#random() * this.#total
    for (const [kind, weight] of this.#kinds) {
      left -= weight
      if (left < 0) return kind
    }
    return 'write'
  }

  #file(): FileName {
    if (this.#isShared && this.#random() < SHARED) return 's'
    return this.#random() < 0.5 ? 'a' : 'b'
  }

  #place(file: FileName, limit: number): number {
    const near = this.#pick([0, this.#files[file].size, PAGE * this.#below(limit / PAGE + 1), TREE, this.#below(limit)])
    const off = this.#pick([0, 0, 0, -1, 1, -this.#below(600), this.#below(600)])
    return Math.min(limit, Math.max(0, near + off))
  }

  #length(at: number, limit: number): number {
    const length = this.#pick([1, 10, 600, PAGE, TREE, TREE + 1, 20_000, limit])
    return Math.min(length, limit - at)
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]
  }
}
