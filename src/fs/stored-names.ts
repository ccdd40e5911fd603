/** Names as the tree holds them, whole or not, for the repair: what is committed, not what is on its way. */
import { Dirent, wide } from './dirent.ts'
import { ENTRY_KEY, entryKey } from './keys.ts'
import { ENTRY_NAME, ENTRY_TYPE } from './listing.ts'
import type { Metadata } from './metadata.ts'

export class StoredNames {
  readonly #metadata: Metadata
  readonly #dirent = new Dirent()
  readonly #value = new Uint8Array(512)
  readonly #key = new Uint8Array(ENTRY_KEY)

  constructor(metadata: Metadata) {
    this.#metadata = metadata
  }

  /** The dirent in a value, valid until the next is asked for; all 0 where it is none. */
  decode(value: Uint8Array, length: number): Dirent {
    if (length === this.#dirent.bytes.length) this.#dirent.decode(value, length)
    else this.#dirent.set(0, 0, 0)
    return this.#dirent
  }

  /** As {@link decode}, for what is under `key`; undefined when nothing is. */
  dirent(key: Uint8Array): Dirent | undefined {
    const length = this.#metadata.getInto(key, key.length, this.#value, 0)
    return length < 0 ? undefined : this.decode(this.#value, length)
  }

  /** The ino that the dirent under `key` has; 0 when there is none. */
  inoAt(key: Uint8Array): number {
    return this.dirent(key)?.ino ?? 0
  }

  /** Whether the listing of `directory` has anything under `cookie`. */
  isListed(directory: number, cookie: number): boolean {
    return this.#entry(directory, cookie) >= 0
  }

  /** Whether the listing of `directory` has this name under `cookie`. */
  lists(directory: number, cookie: number, ino: number, type: number, name: Uint8Array): boolean {
    const value = this.#value
    const length = this.#entry(directory, cookie)
    if (length !== ENTRY_NAME + name.length) return false
    if (wide(value, 0) !== ino || value[ENTRY_TYPE] << 12 !== type) return false
    return Buffer.compare(value.subarray(ENTRY_NAME, length), name) === 0
  }

  #entry(directory: number, cookie: number): number {
    return this.#metadata.getInto(this.#key, entryKey(this.#key, directory, cookie), this.#value, 0)
  }
}
