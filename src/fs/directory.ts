/**
 * readdir: a listing streams from the tree with constant memory. Each name of a directory has a record under the
 * directory's ino and the name's cookie, in the order in which names were given; the cookie is the offset that continues
 * behind it. So a listing needs no handle and no path: any worker goes on from any offset in one descent, whatever was
 * removed or renamed meanwhile, and a name that stays is listed exactly once. Offset 0 begins at `.`, 1 at `..`.
 *
 * A name that comes to be during a listing is not in it, else who makes a name for each one that he reads would never
 * come to the end: a hint in shared memory says where the last listing of a directory that began at offset 0 ends.
 */
import { HoltError } from '../errors.ts'
import { MAX_NAME } from '../limits.ts'
import type { FsContext } from './context.ts'
import { wide } from './dirent.ts'
import { ENOENT, ENOTDIR } from './errno.ts'
import { ATTR_SIZE, DT_DIR, InodeRecord } from './inode.ts'
import { ENTRY_KEY, entryCookie, entryKey, SLASH } from './keys.ts'
import { ENTRY_NAME, ENTRY_TYPE } from './listing.ts'
import type { MetadataCursor } from './metadata.ts'
import { type DirectorySink, NO_ATTRIBUTES } from './operations.ts'

/** First offset that is an entry's cookie. */
const FIRST_COOKIE = 3
const DOT = Uint8Array.of(0x2e)
const DOT_DOT = Uint8Array.of(0x2e, 0x2e)
/** Bytes of an entry's key that all entries of one directory share. */
const DIRECTORY_KEY = 9

export class Directories {
  readonly #context: FsContext
  readonly #cursor: MetadataCursor
  readonly #record = new InodeRecord()
  readonly #attr = new Uint8Array(ATTR_SIZE)
  readonly #after = new Uint8Array(ENTRY_KEY)
  readonly #name = new Uint8Array(MAX_NAME)

  constructor(context: FsContext) {
    this.#context = context
    this.#cursor = context.metadata.cursor()
  }

  readdir(ino: number, offset: number, sink: DirectorySink): number {
    const record = this.#record
    if (!this.#context.readInode(ino, record)) return -ENOENT
    if (!record.isDirectory) return -ENOTDIR
    if (record.nlink === 0) return -ENOENT
    const { listings, counters } = this.#context
    if (offset === 0) listings.begin(ino, counters.cookiesUsed)
    for (let relative = offset; relative < 2; relative++) {
      if (relative === 1 && !this.#context.readInode(record.parent, record)) return -ENOENT
      record.copyAttr(this.#attr, 0)
      const name = relative === 0 ? DOT : DOT_DOT
      if (!sink.add(record.ino, DT_DIR, relative + 1, name, name.length, this.#attr, 0)) return 0
    }
    this.#stream(ino, offset, listings.end(ino), sink)
    return 0
  }

  /** Adds entries until the sink is full or the listing ends. */
  #stream(ino: number, offset: number, end: number, sink: DirectorySink): void {
    const cursor = this.#cursor
    const after = this.#after
    const afterLength = entryKey(after, ino, offset)
    cursor.seek(after, DIRECTORY_KEY, after, offset < FIRST_COOKIE ? 0 : afterLength, -1, false)
    const name = this.#name
    const wanted = sink.plus ? this.#context.listings.wanted(ino) : 0
    let given = 0
    while (cursor.next()) {
      const cookie = entryCookie(cursor.key)
      if (cookie >= end) break
      const { value } = cursor
      const entry = wide(value, 0)
      const isKnown = given < wanted
      if (isKnown) {
        if (!this.#context.readInode(entry, this.#record)) continue
        this.#record.copyAttr(this.#attr, 0)
      }
      const length = cursor.valueLength - ENTRY_NAME
      if (cursor.keyLength !== ENTRY_KEY || !takeName(value, length, name)) {
        throw new HoltError('HOLT_CORRUPT_DATA', `the listing of directory ${ino} holds what is no entry`)
      }
      if (!sink.add(entry, value[ENTRY_TYPE], cookie, name, length, this.#attr, isKnown ? 0 : NO_ATTRIBUTES)) break
      if (isKnown) given++
    }
    if (given > 0) this.#context.listings.gave(ino, given)
  }
}

/** Copies the name of an entry of a listing; false when it is none that a directory can have. */
function takeName(value: Uint8Array, length: number, name: Uint8Array): boolean {
  if (length < 1 || length > MAX_NAME) return false
  for (let i = 0; i < length; i++) {
    const byte = value[ENTRY_NAME + i]
    if (byte === SLASH || byte === 0) return false
    name[i] = byte
  }
  return name[0] !== DOT[0] || length > 2 || (length === 2 && name[1] !== DOT[0])
}
