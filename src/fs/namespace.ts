/**
 * From a directory's ino to the prefix of its children's keys, rebuilt from the parent and name in inode records and
 * cached by ino.
 *
 * Two shared counts tell a reader without locks whether what it combined belongs together: directory renames (each
 * changes the prefixes of a whole subtree) and directory removals (after one, the path may belong to another
 * directory). A reader takes a token with {@link Namespace.enter}, resolves, reads, and believes the outcome only if
 * {@link Namespace.unchanged} still holds.
 */
import { HoltError } from '../errors.ts'
import { MAX_PATH } from '../limits.ts'
import { ENAMETOOLONG, ENOENT, ENOTDIR } from './errno.ts'
import { InodeRecord } from './inode.ts'
import { NS_INODE, NUMBER_KEY, numberKey, ROOT_INO, ROOT_PREFIX, SLASH } from './keys.ts'
import type { Metadata } from './metadata.ts'
import { type SharedState, W_REMOVALS, W_RENAMES_FINISHED, W_RENAMES_STARTED } from './shared.ts'

const MAX_CACHED = 8192

interface CachedPrefix {
  readonly prefix: Uint8Array
  /** The removals count at which the directory was last known to exist. */
  removals: number
}

export class Namespace {
  /** Minus the errno that explains why {@link prefixOf} returned undefined. */
  failure = 0
  readonly #metadata: Metadata
  readonly #words: Int32Array
  readonly #cache = new Map<number, CachedPrefix>()
  /** The rename count that the cache belongs to. */
  #renames = 0
  #removals = 0
  /** A rename count whose renames are all known to be applied. */
  #settled = 0
  readonly #key = new Uint8Array(NUMBER_KEY)
  readonly #record = new InodeRecord()

  constructor(metadata: Metadata, shared: SharedState) {
    this.#metadata = metadata
    this.#words = shared.words
  }

  /** Begins a read outside the exclusive section, after every directory rename that has started is applied. */
  enter(): void {
    const finished = Atomics.load(this.#words, W_RENAMES_FINISHED)
    this.enterExclusive()
    const started = this.#renames
    if (started === finished || started === this.#settled) return
    // A rename leaves the section as soon as it is applied, but counts as finished only when it is durable.
    this.#metadata.begin()
    this.#metadata.abort()
    this.#settled = started
  }

  /** Begins a read inside the exclusive section, where nothing moves. */
  enterExclusive(): void {
    const started = Atomics.load(this.#words, W_RENAMES_STARTED)
    this.#removals = Atomics.load(this.#words, W_REMOVALS)
    if (started === this.#renames) return
    this.#cache.clear()
    this.#renames = started
  }

  /** Whether no directory was moved or removed since {@link enter}. */
  unchanged(): boolean {
    return (
      Atomics.load(this.#words, W_RENAMES_STARTED) === this.#renames &&
      Atomics.load(this.#words, W_REMOVALS) === this.#removals
    )
  }

  /**
   * Prefix of the keys of the children of directory `ino`; undefined when it does not exist, is removed or is no
   * directory, with {@link failure} set.
   */
  prefixOf(ino: number): Uint8Array | undefined {
    if (ino === ROOT_INO) return ROOT_PREFIX
    const cached = this.#cache.get(ino)
    if (cached === undefined) return this.#rebuild(ino)
    if (cached.removals !== this.#removals) {
      if (!this.#readDirectory(ino)) return undefined
      cached.removals = this.#removals
    }
    return cached.prefix
  }

  /** As {@link prefixOf}, of a directory that the caller has just read inside the exclusive section: it exists. */
  prefixOfExisting(ino: number): Uint8Array | undefined {
    const cached = this.#cache.get(ino)
    if (cached === undefined) return this.prefixOf(ino)
    cached.removals = this.#removals
    return cached.prefix
  }

  /** Brackets the commit that moves a directory; `started` is called inside the section. */
  renameStarted(): void {
    Atomics.add(this.#words, W_RENAMES_STARTED, 1)
  }

  renameFinished(): void {
    Atomics.add(this.#words, W_RENAMES_FINISHED, 1)
  }

  /** To be called before and after the commit that removes a directory. */
  directoryRemoved(): void {
    Atomics.add(this.#words, W_REMOVALS, 1)
  }

  #rebuild(ino: number): Uint8Array | undefined {
    const chain: number[] = []
    const names: Uint8Array[] = []
    let above: Uint8Array | undefined
    let length = 0
    for (let at = ino; above === undefined; ) {
      if (!this.#readDirectory(at)) return undefined
      const { bytes, nameAt, nameLength, parent } = this.#record
      chain.push(at)
      names.push(bytes.slice(nameAt, nameAt + nameLength))
      length += nameLength + 1
      if (length > MAX_PATH + 1) return this.#tooDeep(ino)
      above = parent === ROOT_INO ? ROOT_PREFIX : this.#current(parent)
      at = parent
    }
    if (above.length + length > MAX_PATH + 2) return this.#tooDeep(ino)
    if (this.#cache.size + chain.length > MAX_CACHED) this.#cache.clear()
    for (let i = chain.length - 1; i >= 0; i--) {
      const prefix: Uint8Array = new Uint8Array(above.length + names[i].length + 1)
      prefix.set(above)
      prefix.set(names[i], above.length)
      prefix[prefix.length - 1] = SLASH
      this.#cache.set(chain[i], { prefix, removals: this.#removals })
      above = prefix
    }
    return above
  }

  /** The cached prefix of a directory that is not suspected of having been removed. */
  #current(ino: number): Uint8Array | undefined {
    const cached = this.#cache.get(ino)
    return cached !== undefined && cached.removals === this.#removals ? cached.prefix : undefined
  }

  /** A rename in mid-flight can show a loop or a path too long; a state that stays like this is damaged. */
  #tooDeep(ino: number): undefined {
    if (this.unchanged()) throw new HoltError('HOLT_CORRUPT_DATA', `inode ${ino}: its parents make no path`)
    this.failure = -ENAMETOOLONG
    return undefined
  }

  #readDirectory(ino: number): boolean {
    const length = this.#metadata.getInto(this.#key, numberKey(this.#key, NS_INODE, ino), this.#record.bytes, 0)
    if (length < 0) {
      this.failure = -ENOENT
      return false
    }
    this.#record.loaded(length)
    if (this.#record.isDirectory && this.#record.nlink > 0) return true
    this.failure = this.#record.isDirectory ? -ENOENT : -ENOTDIR
    return false
  }
}
