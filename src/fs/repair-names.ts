/**
 * The part of the repair that is about names. Each is kept twice, as a dirent under its path and as a record of the listing
 * of its directory, and is made to be in both, or in neither where nothing is behind it. What has lost its name gets one below
 * /lost+found. The directories have their places already (repair-directories.ts).
 */
import { MAX_PATH } from '../limits.ts'
import { wide } from './dirent.ts'
import { S_IFDIR } from './inode.ts'
import {
  ALL_DIRENTS,
  ALL_ENTRIES,
  ENTRY_KEY,
  entryCookie,
  keyNumber,
  NS_ORPHAN,
  NUMBER_KEY,
  numberKey,
  SLASH,
} from './keys.ts'
import { ENTRY_NAME, ENTRY_TYPE } from './listing.ts'
import type { RepairContents } from './repair-contents.ts'
import type { RepairDirectories } from './repair-directories.ts'
import { isName, type Known, latin1, type RepairState, text } from './repair-state.ts'
import type { StoredNames } from './stored-names.ts'

/** Names whose dirents are remembered before they are committed. */
const MOST_TAKEN = 4096

export class RepairNames {
  readonly #state: RepairState
  readonly #stored: StoredNames
  readonly #contents: RepairContents
  readonly #directories: RepairDirectories
  /** Keys of the dirents that are staged and not committed yet, by path, with their cookies. */
  readonly #taken = new Map<string, number>()
  /** Paths of names that were told to be lost. */
  readonly #lost = new Set<string>()

  constructor(state: RepairState, stored: StoredNames, contents: RepairContents, directories: RepairDirectories) {
    this.#state = state
    this.#stored = stored
    this.#contents = contents
    this.#directories = directories
  }

  /** Makes dirents and listings agree, and counts the names of every inode. */
  mend(): void {
    const state = this.#state
    state.walk(ALL_ENTRIES, 'listings', ({ key, keyLength, value, valueLength }) => {
      if (this.#keepsEntry(key, keyLength, value, valueLength)) return
      state.delete(key.subarray(0, keyLength))
      state.mend('names of no use removed from listings')
    })
    this.#taken.clear()
    state.walk(ALL_DIRENTS, 'names', ({ key, keyLength, value, valueLength }) => {
      if (this.#keepsDirent(key.slice(0, keyLength), value, valueLength)) return
      state.delete(key.subarray(0, keyLength))
      state.mend('names of no use removed')
    })
  }

  #keepsEntry(key: Uint8Array, keyLength: number, value: Uint8Array, valueLength: number): boolean {
    const state = this.#state
    const directory = keyNumber(key)
    const prefix = this.#directories.prefixOf(directory)
    if (keyLength !== ENTRY_KEY || valueLength < ENTRY_NAME || prefix === undefined) return false
    const cookie = entryCookie(key)
    const ino = wide(value, 0)
    const name = value.slice(ENTRY_NAME, valueLength)
    const path = Buffer.concat([prefix, name])
    if (!isName(name) || path.length > 1 + MAX_PATH) return false
    const known = this.#target(ino, value[ENTRY_TYPE] << 12, path)
    if (known === undefined) return false
    if (known.type === S_IFDIR) return this.#directories.cookieOf(ino) === cookie && known.parent === directory
    if (this.#directories.at(Buffer.concat([path, Uint8Array.of(SLASH)])) !== undefined) return false
    const taken = this.#taken.get(latin1(path))
    if (taken !== undefined) return taken === cookie
    const dirent = this.#stored.dirent(path)
    const isRight = dirent?.ino === ino && dirent.cookie === cookie && dirent.type << 12 === known.type
    if (!isRight) {
      // Another name of the same directory and letters: what its dirent names has it.
      if (dirent !== undefined && dirent.cookie !== cookie) {
        const { ino: other, type, cookie: otherCookie } = dirent
        if (state.inodes.has(other) && this.#stored.lists(directory, otherCookie, other, type << 12, name)) return false
      }
      state.putDirent(path, ino, known.type, cookie)
      this.#take(path, cookie)
      state.mend('names made again from listings')
    }
    if (value[ENTRY_TYPE] << 12 !== known.type) state.putEntry(directory, name, ino, known.type, cookie)
    known.names++
    state.named(ino, path.subarray(1))
    return true
  }

  /** The name is spoken for, though nothing is committed yet. */
  #take(path: Uint8Array, cookie: number): void {
    if (this.#taken.size === MOST_TAKEN) {
      this.#state.flush()
      this.#taken.clear()
    }
    this.#taken.set(latin1(path), cookie)
  }

  #keepsDirent(key: Uint8Array, value: Uint8Array, valueLength: number): boolean {
    const state = this.#state
    const nameAt = key.lastIndexOf(SLASH) + 1
    const name = key.subarray(nameAt)
    const directory = nameAt === 0 ? undefined : this.#directories.at(key.subarray(0, nameAt))
    const { ino, type, cookie } = this.#stored.decode(value, valueLength)
    if (directory === undefined || !isName(name)) return false
    if (this.#stored.lists(directory, cookie, ino, type << 12, name)) return true
    const known = this.#target(ino, type << 12, key)
    // A directory has been named, and a file that has all its names already has none that its directory does not list.
    if (known === undefined || known.type === S_IFDIR || known.names >= Math.max(1, known.nlink)) return false
    const used = cookie > 2 && !this.#stored.isListed(directory, cookie) ? cookie : state.nextCookie++
    if (used !== cookie || known.type !== type << 12) state.putDirent(key, ino, known.type, used)
    state.putEntry(directory, name, ino, known.type, used)
    state.flush()
    state.mend('names listed again')
    known.names++
    state.named(ino, key.subarray(1))
    return true
  }

  /** The inode that a name refers to, made again when only its bytes are left; undefined when it is lost. */
  #target(ino: number, type: number, key: Uint8Array): Known | undefined {
    const state = this.#state
    const known = state.inodes.get(ino)
    if (known !== undefined) return known
    const path = text(key.subarray(1))
    if (this.#contents.restore(ino, type)) {
      state.tell({
        code: 'RECREATED',
        ino,
        path,
        message: 'the inode was lost, its bytes are there: owner, mode and times are new',
      })
      return state.inodes.get(ino)
    }
    // Both kinds of a name's records may say so.
    const message = this.#contents.lostLinks.has(ino) ? 'the target of a symbolic link is lost' : 'its inode is lost'
    if (!this.#lost.has(path)) state.tell({ code: 'LOST_FILE', ino, path, message })
    this.#lost.add(path)
    return undefined
  }

  /** Gives inodes without a name one below lost+found, and makes link counts right. */
  mendInodes(): void {
    const state = this.#state
    const key = new Uint8Array(NUMBER_KEY)
    for (const [ino, known] of state.inodes) {
      if (known.isOrphan && known.names > 0) {
        known.isOrphan = false
        state.delete(key.subarray(0, numberKey(key, NS_ORPHAN, ino)))
        state.mend('files with a name that counted as removed')
      }
      if (known.names === 0 && !known.isOrphan) this.#addToLostFound(ino, `#${ino}`, 'its name is lost')
    }
    this.#contents.restoreNameless((ino, name, what) => this.#addToLostFound(ino, name, what))
    for (const [ino, { type, nlink, names, subdirectories, isOrphan }] of [...state.inodes]) {
      const right = isOrphan ? 0 : type === S_IFDIR ? 2 + subdirectories : names
      if (nlink === right) continue
      state.change(ino, record => {
        record.nlink = right
      })
      state.mend('link counts')
    }
    state.flush()
  }

  #addToLostFound(ino: number, name: string, what: string): void {
    const state = this.#state
    const known = state.inodes.get(ino) as Known
    const parent = this.#directories.lostFound()
    const cookie = state.nextCookie++
    const bytes = Buffer.from(name)
    const path = Buffer.concat([this.#directories.prefixOf(parent) as Uint8Array, bytes])
    state.putDirent(path, ino, known.type, cookie)
    state.putEntry(parent, bytes, ino, known.type, cookie)
    known.names = 1
    state.tell({ code: 'FOUND', ino, path: text(path.subarray(1)), message: what })
    state.named(ino, path.subarray(1))
  }
}
