/**
 * Which files in the tree may have bytes that a power cut must not take. When such a file outgrows the tree, its new
 * data file has to be on the medium before the commit that gives up the copy in the tree. Most files grow at once,
 * before any sync has covered their first bytes, and need not wait: this is what is remembered here, of the files that
 * began lately. Whatever is not remembered may have been promised.
 */
import type { Metadata } from './metadata.ts'
import { F_INLINE, INLINE_ENTRIES, type SharedState } from './shared.ts'

export class InlinePromises {
  readonly #metadata: Metadata
  readonly #doubles: Float64Array

  constructor(metadata: Metadata, shared: SharedState) {
    this.#metadata = metadata
    this.#doubles = shared.doubles
  }

  /** Inside the exclusive section, before the commit that gives an empty file its first bytes in the tree. */
  began(ino: number): void {
    const at = F_INLINE + 2 * (ino % INLINE_ENTRIES)
    this.#doubles[at] = ino
    this.#doubles[at + 1] = this.#metadata.durableSeq()
  }

  /** Whether a sync may have covered bytes that the file has in the tree. The caller holds the inode's lock. */
  mayHold(ino: number): boolean {
    const at = F_INLINE + 2 * (ino % INLINE_ENTRIES)
    const durable = this.#doubles[at + 1]
    // Read in this order: an entry that another file takes over meanwhile is not mistaken for this one's.
    return this.#doubles[at] !== ino || durable !== this.#metadata.durableSeq()
  }
}
