/**
 * A filesystem over a store whose host calls fail: opened, killed, closed and opened again over one medium, with operations
 * by path that throw {@link Refused} for an errno, and a picture of all that a user can see.
 */
import { openStore, type Store } from '../../src/engine/store.ts'
import { HoltError } from '../../src/errors.ts'
import { errnoOf } from '../../src/fs/fuse/failure.ts'
import { FailingStorage } from '../support/failing-storage.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import type { PowerCutStorage } from '../support/power-cut-storage.ts'

/** Small, so that short work rotates segments. */
const SEGMENT = 12_000
const POOL = 4 << 20

/** An operation has answered minus this errno. */
export class Refused extends Error {
  readonly errno: number

  constructor(errno: number) {
    super(`errno ${errno}`)
    this.errno = errno
  }
}

export interface Seen {
  /** All but the bytes: type and mode, owner, links, size, device, extended attributes. */
  metadata: string
  bytes: Buffer
}

/** What a user sees, by path; records of the tree outside the filesystem by key, behind `tree:`. */
export type Picture = ReadonlyMap<string, Seen>

export class Volume {
  readonly directory: string
  readonly medium: PowerCutStorage
  /** The host calls of the process at hand. */
  storage: FailingStorage
  #store: Store | undefined
  #fixture: FsFixture | undefined

  constructor(directory: string, medium: PowerCutStorage, storage = new FailingStorage(medium)) {
    this.directory = directory
    this.medium = medium
    this.storage = storage
  }

  // --- processes ---

  /** As a server starts. */
  open(readOnly = false): void {
    if (this.#store !== undefined) return
    const options = { storage: this.storage, background: false, poolBytes: POOL, segmentBytes: SEGMENT, readOnly }
    const store = opened(() => openStore(this.directory, options))
    try {
      this.#fixture = new FsFixture(store.tree, this.storage, this.directory, readOnly)
      if (!readOnly) this.#fixture.fs.collectOrphans()
      this.#store = store
    } catch (error) {
      abandon(store)
      throw error
    }
  }

  /** As a server ends. The store counts as closed even when that fails. */
  close(): void {
    const store = this.#store
    if (store === undefined) return
    this.#store = undefined
    try {
      this.#fixture!.data.close()
    } finally {
      store.close()
    }
  }

  /** The process ends at once; the next one has `storage`, over the same medium or what is left of it. */
  kill(storage = new FailingStorage(this.medium)): void {
    this.storage.die()
    if (this.#store !== undefined) abandon(this.#store)
    this.#store = undefined
    this.storage = storage
  }

  /** The volume after a power cut at this moment, in which everything that was not synced is gone. */
  afterPowerCut(): Volume {
    return new Volume(this.directory, this.medium.crash())
  }

  get isOpen(): boolean {
    return this.#store !== undefined
  }

  get tree() {
    this.open()
    return this.#store!.tree
  }

  get fixture(): FsFixture {
    this.open()
    return this.#fixture!
  }

  // --- operations ---

  ino(path: string): number {
    return this.attributes(path).ino
  }

  attributes(path: string): Attributes {
    const { fixture } = this
    let found = allowed(fixture.getattr(ROOT))
    for (const name of path.split('/')) if (name !== '') found = allowed(fixture.lookup(found.ino, name))
    return found
  }

  /** Parent and name of a path. */
  place(path: string): [number, string] {
    const cut = path.lastIndexOf('/')
    return [cut < 0 ? ROOT : this.ino(path.slice(0, cut)), path.slice(cut + 1)]
  }

  // --- looking ---

  picture(): Picture {
    const paused = this.storage
    paused.isPaused = true
    try {
      const picture = new Map<string, Seen>()
      this.#look('', ROOT, picture, new Map())
      for (const entry of this.tree.range({ prefix: 'z' })) {
        if (entry.commonPrefix !== undefined) continue
        picture.set(`tree:${entry.key.toString('latin1')}`, { metadata: '', bytes: entry.value })
      }
      return picture
    } finally {
      paused.isPaused = false
    }
  }

  #look(path: string, ino: number, picture: Map<string, Seen>, firstPaths: Map<number, string>): void {
    const { fixture } = this
    const { mode, uid, gid, nlink, size, rdev } = allowed(fixture.getattr(ino))
    const isDirectory = (mode & 0o170000) === 0o040000
    const bytes = (mode & 0o170000) === 0o100000 ? allowed(fixture.read(ino, 0, size + 1)) : Buffer.alloc(0)
    const target = (mode & 0o170000) === 0o120000 ? fixture.readlink(ino) : ''
    const same = firstPaths.get(ino) ?? path
    firstPaths.set(ino, same)
    const names = fixture.listxattr(ino)
    const xattrs = names.map(name => `${name}=${allowed(fixture.getxattr(ino, name)).toString('hex')}`)
    const fields = [mode.toString(8), uid, gid, nlink, isDirectory ? 0 : size, rdev, target, same, ...xattrs]
    picture.set(path === '' ? '.' : path, { metadata: fields.join(' '), bytes })
    if (!isDirectory) return
    for (const name of fixture.list(ino)) {
      const child = path === '' ? name : `${path}/${name}`
      this.#look(child, allowed(fixture.lookup(ino, name)).ino, picture, firstPaths)
    }
  }

  /** What the two checks find; data files without an owner are left out where a lost record may be the cause. */
  problems(mayLeak: boolean): string[] {
    this.storage.isPaused = true
    const found = [...this.tree.check().problems, ...this.fixture.check()]
    this.storage.isPaused = false
    return found.flatMap(({ code, message }) => (mayLeak && code === 'DATA_UNREFERENCED' ? [] : `${code} ${message}`))
  }
}

export function allowed<T>(answer: number | T): T {
  if (typeof answer === 'number' && answer < 0) throw new Refused(-answer)
  return answer as T
}

/** The errno that a caller of the mount would get; throws on what is a mistake of the program. */
export function errnoFor(error: unknown): number {
  return error instanceof Refused ? error.errno : -errnoOf(error)
}

/** What opening a store throws is an error of its own, with a code, whatever the host said. */
function opened(open: () => Store): Store {
  try {
    return open()
  } catch (error) {
    if (error instanceof HoltError) throw error
    throw new Error(`openStore has thrown ${error}`, { cause: error })
  }
}

function abandon(store: Store): void {
  try {
    store.close()
  } catch {
    // Its process is gone.
  }
}
