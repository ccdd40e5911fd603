/**
 * The records from which directories are listed: one a name, under the directory's ino and the name's cookie
 * (keys.ts). Staged in the commit that makes or removes the dirent, so the two always agree.
 *
 *   0 ino u64   8 type u8 (DT_*)   9 the name
 */
import { MAX_NAME } from '../limits.ts'
import { DIRENT_COOKIE, type Dirent } from './dirent.ts'
import { ENTRY_KEY, entryKey } from './keys.ts'
import type { Metadata } from './metadata.ts'

export const ENTRY_TYPE = 8
export const ENTRY_NAME = 9

export class Listing {
  readonly #metadata: Metadata
  readonly #key = new Uint8Array(ENTRY_KEY)
  readonly #value = new Uint8Array(ENTRY_NAME + MAX_NAME)

  constructor(metadata: Metadata) {
    this.#metadata = metadata
  }

  stagePut(directory: number, name: Uint8Array, dirent: Dirent): void {
    const value = this.#value
    for (let i = 0; i < DIRENT_COOKIE; i++) value[i] = dirent.bytes[i]
    value[ENTRY_TYPE] = dirent.type
    for (let i = 0; i < name.length; i++) value[ENTRY_NAME + i] = name[i]
    const length = entryKey(this.#key, directory, dirent.cookie)
    this.#metadata.stagePut(this.#key, length, value, 0, ENTRY_NAME + name.length)
  }

  stageRemoval(directory: number, cookie: number): void {
    this.#metadata.stageDelete(this.#key, entryKey(this.#key, directory, cookie))
  }
}
