/**
 * The part of the repair that puts the tree of directories together. A directory's own record says where it is; one whose
 * record is lost may still be spoken of by a name or a listing. What has lost its place goes to /lost+found, and so do files
 * (repair-names.ts). When all have a place, each is named there.
 */
import { MAX_PATH } from '../limits.ts'
import { wide } from './dirent.ts'
import { S_IFDIR } from './inode.ts'
import { ALL_DIRENTS, ALL_ENTRIES, ENTRY_KEY, entryCookie, keyNumber, ROOT_INO, ROOT_PREFIX, SLASH } from './keys.ts'
import { ENTRY_NAME, ENTRY_TYPE } from './listing.ts'
import { isName, type Known, latin1, type RepairState, text } from './repair-state.ts'
import type { StoredNames } from './stored-names.ts'

const LOST_FOUND = Buffer.from('lost+found')

interface Place {
  parent: number
  name: Uint8Array
}

export class RepairDirectories {
  readonly #state: RepairState
  readonly #stored: StoredNames
  /** Of each directory: the prefix of its children's keys, and the cookie of its own name. */
  readonly #prefixes = new Map<number, Uint8Array>()
  readonly #cookies = new Map<number, number>()
  /** Directories by that prefix. */
  readonly #byPrefix = new Map<string, number>()
  /** Directories that wait for a place. */
  readonly #homeless: number[] = []
  #lostFound = 0

  constructor(state: RepairState, stored: StoredNames) {
    this.#state = state
    this.#stored = stored
  }

  /** What the keys of a directory's children begin with; undefined when it has no place. */
  prefixOf(ino: number): Uint8Array | undefined {
    return this.#prefixes.get(ino)
  }

  /** The cookie of a directory's own name. */
  cookieOf(ino: number): number | undefined {
    return this.#cookies.get(ino)
  }

  /** The directory whose children's keys begin with `prefix`. */
  at(prefix: Uint8Array): number | undefined {
    return this.#byPrefix.get(latin1(prefix))
  }

  /** Gives every directory a place, those too whose record is lost and of which a name or a listing tells. */
  mend(): void {
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
      const { ino, type, cookie } = this.#stored.decode(value, valueLength)
      state.noteIno(ino)
      state.noteCookie(cookie)
      if (type << 12 !== S_IFDIR || !isLost(ino) || lost.get(ino) !== undefined) return
      const nameAt = key.lastIndexOf(SLASH, keyLength - 1) + 1
      const parent = nameAt <= ROOT_PREFIX.length ? ROOT_INO : this.#stored.inoAt(key.slice(0, nameAt - 1))
      lost.set(ino, parent === 0 ? undefined : { parent, name: key.slice(nameAt, keyLength) })
    })
    return lost
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
    const named = new Set(inos.filter(ino => this.#stored.inoAt(Buffer.concat([above, this.#ownName(ino)])) === ino))
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
    const parent = this.lostFound()
    const name = Buffer.from(`#${ino}`)
    state.change(ino, record => record.setPlace(parent, name))
    const prefix = Buffer.concat([this.#prefixes.get(parent) as Uint8Array, name, Uint8Array.of(SLASH)])
    state.tell({ code: 'FOUND', ino, path: text(prefix.subarray(1, -1)), message: `a directory: ${why}` })
    this.#hang(ino, prefix, children)
  }

  /** The directory for what has lost its place; made when it is first needed. */
  lostFound(): number {
    if (this.#lostFound !== 0) return this.#lostFound
    const state = this.#state
    for (let name: Uint8Array = LOST_FOUND; ; name = Buffer.concat([name, Buffer.from('~')])) {
      const prefix = Buffer.concat([ROOT_PREFIX, name, Uint8Array.of(SLASH)])
      const there = this.#byPrefix.get(latin1(prefix)) ?? 0
      if (there !== 0) {
        this.#lostFound = there
        return there
      }
      if (this.#stored.inoAt(prefix.subarray(0, -1)) !== 0) continue
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
    const there = this.#stored.dirent(key)
    const isRight = there?.ino === ino && there.type << 12 === S_IFDIR
    const cookie = isRight ? there.cookie : state.nextCookie++
    if (!isRight) {
      state.putDirent(key, ino, S_IFDIR, cookie)
      state.mend('directories named again')
    }
    if (!isRight || !this.#stored.lists(known.parent, cookie, ino, S_IFDIR, name)) {
      state.putEntry(known.parent, name, ino, S_IFDIR, cookie)
      if (isRight) state.mend('names listed again')
    }
    this.#cookies.set(ino, cookie)
    known.names = 1
    const parent = state.inodes.get(known.parent)
    if (parent !== undefined) parent.subdirectories++
  }
}
