/**
 * The part of the repair that is about the tree of directories. A directory's own record says where it is, so the directories
 * are put together from these first; then every name, which is kept twice, as a dirent under its path and as a record of
 * the listing of its directory, is made to be in both. What has lost its place goes to /lost+found.
 */
import { MAX_PATH } from '../limits.ts'
import { Dirent, wide } from './dirent.ts'
import { S_IFDIR } from './inode.ts'
import {
  ALL_DIRENTS,
  ALL_ENTRIES,
  ENTRY_KEY,
  entryCookie,
  entryKey,
  keyNumber,
  NS_ORPHAN,
  NUMBER_KEY,
  numberKey,
  ROOT_INO,
  ROOT_PREFIX,
  SLASH,
} from './keys.ts'
import { ENTRY_NAME, ENTRY_TYPE } from './listing.ts'
import type { RepairContents } from './repair-contents.ts'
import { isName, type Known, type RepairState, text } from './repair-state.ts'

const LOST_FOUND = Buffer.from('lost+found')
const bytesOf = (name: string) => new Uint8Array(Buffer.from(name, 'latin1'))

/** Names whose dirents are remembered before they are committed. */
const MOST_TAKEN = 4096

interface Place {
  parent: number
  name: Uint8Array
}

export class RepairNames {
  readonly #state: RepairState
  readonly #contents: RepairContents
  /** Of each directory: the prefix of its children's keys, and the cookie of its own name. */
  readonly #prefixes = new Map<number, Uint8Array>()
  /** Directories that wait for a place. */
  readonly #homeless: number[] = []
  readonly #cookies = new Map<number, number>()
  /** Directories by that prefix. */
  readonly #byPrefix = new Map<string, number>()
  #lostFound = 0
  readonly #dirent = new Dirent()
  /** Keys of the dirents that are staged and not committed yet, by path, with their cookies. */
  readonly #taken = new Map<string, number>()
  readonly #entry = new Uint8Array(512)
  /** Paths of names that were told to be lost. */
  readonly #lost = new Set<string>()

  constructor(state: RepairState, contents: RepairContents) {
    this.#state = state
    this.#contents = contents
  }

  /** Gives every directory a place, those too whose record is lost and of which a name or a listing tells. */
  mendDirectories(): void {
    const state = this.#state
    const places = this.#survey()
    state.beginNumbers()
    if (state.inodes.get(ROOT_INO)?.type !== S_IFDIR) this.#makeRoot()
    for (const [ino, place] of places) this.#makeDirectory(ino, place)
    const children = new Map<number, number[]>()
    for (const [ino, known] of state.inodes) {
      if (known.type !== S_IFDIR || ino === ROOT_INO) continue
      // One that was removed while somebody had it open has no place.
      if (known.isOrphan && known.nlink === 0) continue
      const siblings = children.get(known.parent)
      if (siblings === undefined) children.set(known.parent, [ino])
      else siblings.push(ino)
    }
    this.#hang(ROOT_INO, ROOT_PREFIX, children)
    this.#house(children)
    for (const ino of [...children.values()].flat()) {
      const known = state.inodes.get(ino) as Known
      // The top of what is cut off: nothing above it is a directory that could still be reached.
      const isTop = state.inodes.get(known.parent)?.type !== S_IFDIR
      if (!this.#prefixes.has(ino) && isTop) this.#toLostFound(ino, 'the directory above it is lost', children)
      this.#house(children)
    }
    for (const ino of [...children.values()].flat()) {
      if (!this.#prefixes.has(ino)) this.#toLostFound(ino, 'it lies in itself', children)
      this.#house(children)
    }
    this.#nameDirectories()
  }

  /** Finds directories that have no record but are spoken of; all numbers in use are noted on the way. */
  #survey(): Map<number, Place | undefined> {
    const state = this.#state
    const lost = new Map<number, Place | undefined>()
    const isLost = (ino: number) => ino > 0 && ino !== ROOT_INO && !state.inodes.has(ino)
    for (const { type, parent } of state.inodes.values())
      if (type === S_IFDIR && isLost(parent)) lost.set(parent, undefined)
    state.walk(ALL_ENTRIES, 'listings', ({ key, keyLength, value, valueLength }) => {
      if (keyLength !== ENTRY_KEY || valueLength < ENTRY_NAME) return
      const directory = keyNumber(key)
      const ino = wide(value, 0)
      state.noteIno(Math.max(directory, ino))
      state.noteCookie(entryCookie(key))
      if (isLost(directory) && !lost.has(directory)) lost.set(directory, undefined)
      if (value[ENTRY_TYPE] << 12 !== S_IFDIR || !isLost(ino)) return
      lost.set(ino, { parent: directory, name: value.slice(ENTRY_NAME, valueLength) })
    })
    state.walk(ALL_DIRENTS, 'names', ({ key, keyLength, value, valueLength }) => {
      const { ino, type, cookie } = this.#decode(value, valueLength)
      state.noteIno(ino)
      state.noteCookie(cookie)
      if (type << 12 !== S_IFDIR || !isLost(ino) || lost.get(ino) !== undefined) return
      const nameAt = key.lastIndexOf(SLASH, keyLength - 1) + 1
      const parent = nameAt <= ROOT_PREFIX.length ? ROOT_INO : this.#inoAt(key.slice(0, nameAt - 1))
      lost.set(ino, parent === 0 ? undefined : { parent, name: key.slice(nameAt, keyLength) })
    })
    return lost
  }

  #decode(value: Uint8Array, length: number): Dirent {
    if (length === this.#dirent.bytes.length) this.#dirent.decode(value, length)
    else this.#dirent.set(0, 0, 0)
    return this.#dirent
  }

  /** The ino that the committed dirent under `key` has; 0 when there is none. */
  #inoAt(key: Uint8Array): number {
    const dirent = new Dirent()
    const length = this.#state.metadata.getInto(key, key.length, dirent.bytes, 0)
    if (length !== dirent.bytes.length) return 0
    dirent.decode(dirent.bytes, length)
    return dirent.ino
  }

  #makeRoot(): void {
    const state = this.#state
    state.make(ROOT_INO, S_IFDIR)
    state.record.mode = S_IFDIR | 0o755
    state.record.setPlace(ROOT_INO, new Uint8Array(0))
    state.know()
    state.store()
    state.tell({
      code: 'RECREATED',
      path: '/',
      ino: ROOT_INO,
      message: 'the record of the root directory was lost: owner and mode are new',
    })
  }

  #makeDirectory(ino: number, place: Place | undefined): void {
    const state = this.#state
    state.make(ino, S_IFDIR)
    if (place !== undefined && isName(place.name)) state.record.setPlace(place.parent, place.name)
    state.know()
    state.store()
    state.tell({ code: 'RECREATED', ino, message: 'the record of a directory was lost: owner and mode are new' })
  }

  /** Gives the directories below `top`, whose children's keys begin with `prefix`, their paths. */
  #hang(top: number, prefix: Uint8Array, children: Map<number, number[]>): void {
    const state = this.#state
    state.flush()
    this.#place(top, prefix)
    const queue = [top]
    for (let at = 0; at < queue.length; at++) {
      const parent = queue[at]
      const above = this.#prefixes.get(parent) as Uint8Array
      for (const ino of this.#inOrder(children.get(parent) ?? [], above)) {
        if (this.#prefixes.has(ino)) continue
        const name = this.#ownName(ino)
        const own = new Uint8Array(above.length + name.length + 1)
        own.set(above)
        own.set(name, above.length)
        own[own.length - 1] = SLASH
        if (!isName(name) || own.length > MAX_PATH || this.#byPrefix.has(latin1(own))) {
          this.#homeless.push(ino)
          continue
        }
        this.#place(ino, own)
        queue.push(ino)
      }
    }
  }

  /** Finds a place for directories that cannot be where they say. */
  #house(children: Map<number, number[]>): void {
    for (let ino = this.#homeless.pop(); ino !== undefined; ino = this.#homeless.pop()) {
      this.#toLostFound(ino, 'another directory has its name, or its path is too long', children)
    }
  }

  /** Of two directories of one name, that one first which the dirent names. */
  #inOrder(inos: number[], above: Uint8Array): number[] {
    if (inos.length < 2) return inos
    const named = new Set(inos.filter(ino => this.#inoAt(Buffer.concat([above, this.#ownName(ino)])) === ino))
    return [...inos].sort((a, b) => Number(named.has(b)) - Number(named.has(a)))
  }

  #ownName(ino: number): Uint8Array {
    const { record } = this.#state
    if (!this.#state.load(ino)) return new Uint8Array(0)
    return record.bytes.slice(record.nameAt, record.nameAt + record.nameLength)
  }

  #place(ino: number, prefix: Uint8Array): void {
    this.#prefixes.set(ino, prefix)
    this.#byPrefix.set(latin1(prefix), ino)
  }

  #toLostFound(ino: number, why: string, children: Map<number, number[]>): void {
    const state = this.#state
    const parent = this.#lostFoundIno()
    const name = bytesOf(`#${ino}`)
    state.change(ino, record => record.setPlace(parent, name))
    const prefix = Buffer.concat([this.#prefixes.get(parent) as Uint8Array, name, Uint8Array.of(SLASH)])
    state.tell({ code: 'FOUND', ino, path: text(prefix.subarray(1, -1)), message: `a directory: ${why}` })
    this.#hang(ino, prefix, children)
  }

  /** The directory for what has lost its place; made when it is first needed. */
  #lostFoundIno(): number {
    if (this.#lostFound !== 0) return this.#lostFound
    const state = this.#state
    for (let name: Uint8Array = LOST_FOUND; ; name = Buffer.concat([name, Buffer.from('~')])) {
      const prefix = Buffer.concat([ROOT_PREFIX, name, Uint8Array.of(SLASH)])
      const there = this.#byPrefix.get(latin1(prefix)) ?? 0
      if (there !== 0) {
        this.#lostFound = there
        return there
      }
      if (this.#inoAt(prefix.subarray(0, -1)) !== 0) continue
      const ino = state.nextIno++
      state.make(ino, S_IFDIR)
      state.record.setPlace(ROOT_INO, name)
      state.know()
      state.store()
      state.flush()
      this.#lostFound = ino
      this.#place(ino, prefix)
      if (this.#cookies.size > 0) this.#nameDirectory(ino, prefix)
      return ino
    }
  }

  /** Sees to it that every directory is named where it is. */
  #nameDirectories(): void {
    for (const [ino, prefix] of this.#prefixes) this.#nameDirectory(ino, prefix)
    this.#state.flush()
  }

  #nameDirectory(ino: number, prefix: Uint8Array): void {
    const state = this.#state
    const known = state.inodes.get(ino) as Known
    if (ino === ROOT_INO) {
      known.names = 1
      this.#cookies.set(ino, 0)
      return
    }
    const key = prefix.subarray(0, prefix.length - 1)
    const name = key.subarray(key.lastIndexOf(SLASH) + 1)
    const length = state.metadata.getInto(key, key.length, this.#entry, 0)
    const { ino: there, type, cookie: present } = this.#decode(this.#entry, length)
    const isRight = there === ino && type << 12 === S_IFDIR
    const cookie = isRight ? present : state.nextCookie++
    if (!isRight) {
      state.putDirent(key, ino, S_IFDIR, cookie)
      state.mend('directories named again')
    }
    if (!isRight || !this.#lists(known.parent, cookie, ino, S_IFDIR, name)) {
      state.putEntry(known.parent, name, ino, S_IFDIR, cookie)
      if (isRight) state.mend('names listed again')
    }
    this.#cookies.set(ino, cookie)
    known.names = 1
    const parent = state.inodes.get(known.parent)
    if (parent !== undefined) parent.subdirectories++
  }

  /** Whether the committed listing of `directory` has this name under `cookie`. */
  #lists(directory: number, cookie: number, ino: number, type: number, name: Uint8Array): boolean {
    const key = new Uint8Array(ENTRY_KEY)
    const length = this.#state.metadata.getInto(key, entryKey(key, directory, cookie), this.#entry, 0)
    if (length !== ENTRY_NAME + name.length) return false
    if (wide(this.#entry, 0) !== ino || this.#entry[ENTRY_TYPE] << 12 !== type) return false
    return Buffer.compare(this.#entry.subarray(ENTRY_NAME, length), name) === 0
  }

  /** Makes dirents and listings agree, and counts the names of every inode. */
  mendNames(): void {
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
    const prefix = this.#prefixes.get(directory)
    if (keyLength !== ENTRY_KEY || valueLength < ENTRY_NAME || prefix === undefined) return false
    const cookie = entryCookie(key)
    const ino = wide(value, 0)
    const name = value.slice(ENTRY_NAME, valueLength)
    const path = Buffer.concat([prefix, name])
    if (!isName(name) || path.length > 1 + MAX_PATH) return false
    const known = this.#target(ino, value[ENTRY_TYPE] << 12, path)
    if (known === undefined) return false
    if (known.type === S_IFDIR) return this.#cookies.get(ino) === cookie && known.parent === directory
    if (this.#byPrefix.has(`${latin1(path)}/`)) return false
    const taken = this.#taken.get(latin1(path))
    if (taken !== undefined) return taken === cookie
    const length = state.metadata.getInto(path, path.length, this.#entry, 0)
    const dirent = length < 0 ? undefined : this.#decode(this.#entry, length)
    const isRight = dirent?.ino === ino && dirent.cookie === cookie && dirent.type << 12 === known.type
    if (!isRight) {
      // Another name of the same directory and letters: what its dirent names has it.
      if (dirent !== undefined && dirent.cookie !== cookie) {
        const { ino: other, type, cookie: otherCookie } = dirent
        if (state.inodes.has(other) && this.#lists(directory, otherCookie, other, type << 12, name)) return false
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
    const directory = nameAt === 0 ? undefined : this.#byPrefix.get(latin1(key.subarray(0, nameAt)))
    const { ino, type, cookie } = this.#decode(value, valueLength)
    if (directory === undefined || !isName(name)) return false
    if (this.#lists(directory, cookie, ino, type << 12, name)) return true
    const known = this.#target(ino, type << 12, key)
    // A directory has been named, and a file that has all its names already has none that its directory does not list.
    if (known === undefined || known.type === S_IFDIR || known.names >= Math.max(1, known.nlink)) return false
    const ownKey = new Uint8Array(ENTRY_KEY)
    const isFree = state.metadata.getInto(ownKey, entryKey(ownKey, directory, cookie), this.#entry, 0) < 0
    const used = isFree && cookie > 2 ? cookie : state.nextCookie++
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
      if (known.names === 0 && !known.isOrphan) this.addToLostFound(ino, `#${ino}`, 'its name is lost')
    }
    this.#contents.restoreNameless((ino, name, what) => this.addToLostFound(ino, name, what))
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

  addToLostFound(ino: number, name: string, what: string): void {
    const state = this.#state
    const known = state.inodes.get(ino) as Known
    const parent = this.#lostFoundIno()
    const cookie = state.nextCookie++
    const path = Buffer.concat([this.#prefixes.get(parent) as Uint8Array, bytesOf(name)])
    state.putDirent(path, ino, known.type, cookie)
    state.putEntry(parent, bytesOf(name), ino, known.type, cookie)
    known.names = 1
    state.tell({ code: 'FOUND', ino, path: text(path.subarray(1)), message: what })
    state.named(ino, path.subarray(1))
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
