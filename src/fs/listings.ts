/**
 * What is remembered of listings that began lately, in shared memory, by directory: where a listing ends, and how many
 * entries it has given attributes for. Only hints: of two directories that share a place the later one has it.
 */
import { F_LISTINGS, LISTING_FIELDS, LISTINGS, type SharedState } from './shared.ts'

/**
 * Entries of one listing that come with attributes as long as nobody asks for a name that came without. More would fill
 * the kernel with inodes that perhaps nobody wants.
 */
const WITH_ATTRIBUTES = 16_384

export class Listings {
  readonly #shared: SharedState

  constructor(shared: SharedState) {
    this.#shared = shared
  }

  /** A listing of `ino` begins; cookies from `end` on are not in it. */
  begin(ino: number, end: number): void {
    const { doubles } = this.#shared
    const at = place(ino)
    this.#shared.lock(ino)
    doubles[at] = ino
    doubles[at + 1] = end
    doubles[at + 2] = 0
    this.#shared.unlock(ino)
  }

  /** The first cookie behind the last listing of `ino` that began; infinity when that is not known any more. */
  end(ino: number): number {
    const { doubles } = this.#shared
    const at = place(ino)
    this.#shared.lock(ino)
    const end = doubles[at] === ino ? doubles[at + 1] : Number.POSITIVE_INFINITY
    this.#shared.unlock(ino)
    return end
  }

  /** How many more entries of the listing are to have attributes. */
  wanted(ino: number): number {
    const { doubles } = this.#shared
    const at = place(ino)
    return doubles[at] === ino ? WITH_ATTRIBUTES - doubles[at + 2] : WITH_ATTRIBUTES
  }

  /** So many entries had attributes. A count lost to another thread does no harm. */
  gave(ino: number, count: number): void {
    const { doubles } = this.#shared
    const at = place(ino)
    if (doubles[at] === ino) doubles[at + 2] += count
  }

  /** A name of `ino` was looked up: who lists it wants to know more of the entries. */
  lookedUp(ino: number): void {
    const { doubles } = this.#shared
    const at = place(ino)
    if (doubles[at] === ino && doubles[at + 2] !== 0) doubles[at + 2] = 0
  }
}

/** Where a directory's values are: its ino, the end, the count. The lock word of the ino guards the first two. */
function place(ino: number): number {
  return F_LISTINGS + LISTING_FIELDS * (ino % LISTINGS)
}
