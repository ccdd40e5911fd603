/**
 * What the parts of the repair share: the inodes of the volume as they are known by now, numbers to give out, the changes on
 * their way to the tree, and what is told to the user. Changes are committed in batches: what was changed is read back only
 * after {@link RepairState.flush}.
 */
import { HoltError } from '../errors.ts'
import { MAX_NAME } from '../limits.ts'
import type { Problem } from './check.ts'
import { type CounterBounds, encodeCounterBounds, readCounterBounds } from './counters.ts'
import { Dirent } from './dirent.ts'
import { DATA_FILE, DATA_NONE, InodeRecord, S_IFDIR } from './inode.ts'
import { COUNTERS_KEY, NO_KEY, NS_INODE, NUMBER_KEY, numberKey } from './keys.ts'
import { Listing } from './listing.ts'
import type { Metadata, MetadataCursor } from './metadata.ts'

/** What the repair remembers of an inode. */
export interface Known {
  /** File type bits of the mode. */
  type: number
  nlink: number
  size: number
  kind: number
  dataId: number
  xattrs: number
  mode: number
  /** Directories: ino of the parent. */
  parent: number
  /** Names found so far, and subdirectories. */
  names: number
  subdirectories: number
  isOrphan: boolean
}

/** Bytes of changes after which they are committed. */
const BATCH_BYTES = 256 * 1024
/** Numbers left out behind the highest one seen where the counters are lost: some may have been given out since. */
const GAP = 1024

interface Change {
  key: Uint8Array
  /** Undefined: the record goes. */
  value: Uint8Array | undefined
}

export class RepairState {
  readonly metadata: Metadata
  readonly inodes = new Map<number, Known>()
  /** No number in use is as high. */
  nextIno: number
  nextCookie: number
  nextDataId: number
  /** No path is longer, in bytes. */
  longestPath: number
  readonly #bounds: CounterBounds
  readonly record = new InodeRecord()
  readonly cursor: MetadataCursor
  readonly #report: (problem: Problem) => void
  readonly #progress: (what: string, done: number) => void
  readonly #owner: { uid: number; gid: number }
  readonly #key = new Uint8Array(NUMBER_KEY)
  readonly #changes: Change[] = []
  #bytes = 0
  #walked = 0
  /** Losses whose files get a path when their name is met. */
  readonly #notes = new Map<number, Problem>()
  readonly #mended = new Map<string, number>()

  constructor(
    metadata: Metadata,
    report: (problem: Problem) => void,
    progress: (what: string, done: number) => void,
    owner: { uid: number; gid: number },
  ) {
    this.metadata = metadata
    this.cursor = metadata.cursor()
    this.#report = report
    this.#progress = progress
    this.#owner = owner
    this.#bounds = boundsOf(metadata)
    const { ino, cookie, dataId, longestPath } = this.#bounds
    this.nextIno = ino
    this.nextCookie = cookie
    this.nextDataId = dataId
    this.longestPath = longestPath
  }

  /** Visits all records of a namespace in key order. */
  walk(prefix: Uint8Array, what: string, visit: (cursor: MetadataCursor) => void): void {
    const { cursor } = this
    cursor.seek(prefix, prefix.length, NO_KEY, 0, -1, false)
    while (cursor.next()) {
      if ((++this.#walked & 1023) === 0) this.#progress(what, this.#walked)
      visit(cursor)
    }
    this.flush()
  }

  // --- changes ---

  put(key: Uint8Array, value: Uint8Array): void {
    this.#stage({ key: key.slice(), value: value.slice() }, key.length + value.length)
  }

  delete(key: Uint8Array): void {
    this.#stage({ key: key.slice(), value: undefined }, key.length)
  }

  #stage(change: Change, bytes: number): void {
    this.#changes.push(change)
    this.#bytes += bytes + 8
    if (this.#bytes > BATCH_BYTES) this.flush()
  }

  /** Commits all changes so far. */
  flush(): void {
    if (this.#changes.length === 0) return
    const { metadata } = this
    metadata.begin()
    for (const { key, value } of this.#changes) {
      if (value === undefined) metadata.stageDelete(key, key.length)
      else metadata.stagePut(key, key.length, value, 0, value.length)
    }
    metadata.commit()
    this.#changes.length = 0
    this.#bytes = 0
  }

  // --- inodes ---

  /** Reads an inode record into {@link record}; false when there is none that can be used. Only what is committed is seen. */
  load(ino: number): boolean {
    const { record } = this
    const length = this.metadata.getInto(this.#key, numberKey(this.#key, NS_INODE, ino), record.bytes, 0)
    return length >= 0 && this.accept(ino, length)
  }

  /** Whether {@link record} holds `length` bytes of inode `ino`. */
  accept(ino: number, length: number): boolean {
    const { record } = this
    try {
      record.loaded(length)
    } catch (error) {
      if (error instanceof HoltError) return false
      throw error
    }
    return record.ino === ino && (!record.isDirectory || length >= record.nameAt + record.nameLength)
  }

  /** Stages {@link record}. */
  store(): void {
    this.put(
      this.#key.subarray(0, numberKey(this.#key, NS_INODE, this.record.ino)),
      this.record.bytes.subarray(0, this.record.length),
    )
  }

  /** Takes note of {@link record}. */
  know(): Known {
    const { record } = this
    const { ino, type, nlink, size, dataId, xattrs, mode } = record
    const parent = record.isDirectory ? record.parent : 0
    const kind = record.dataKind
    const known = {
      type,
      nlink,
      size,
      kind,
      dataId,
      xattrs,
      mode,
      parent,
      names: 0,
      subdirectories: 0,
      isOrphan: false,
    }
    this.inodes.set(ino, known)
    this.noteIno(ino)
    if (kind === DATA_FILE && dataId >= this.nextDataId) this.nextDataId = dataId + 1
    return known
  }

  /** Changes an inode, in the tree and in what is known of it. */
  change(ino: number, change: (record: InodeRecord) => void): void {
    this.flush()
    if (!this.load(ino)) return
    const before = this.inodes.get(ino)
    change(this.record)
    this.store()
    const { names = 0, subdirectories = 0, isOrphan = false } = before ?? {}
    Object.assign(this.know(), { names, subdirectories, isOrphan })
  }

  /** A new inode record for something whose own is lost: nobody but its owner may use it. */
  make(ino: number, type: number): Known {
    const { record } = this
    record.reset(ino, type | (type === S_IFDIR ? 0o700 : 0o600))
    record.uid = this.#owner.uid
    record.gid = this.#owner.gid
    const seconds = Math.floor(Date.now() / 1000)
    record.setAtime(seconds, 0)
    record.setMtime(seconds, 0)
    record.setCtime(seconds, 0)
    record.setBtime(seconds, 0)
    if (type === S_IFDIR) record.setPlace(0, new Uint8Array(0))
    return this.know()
  }

  /** Gives up the bytes of a file, which are lost. */
  empty(ino: number, message: string): void {
    this.change(ino, record => {
      record.dataKind = DATA_NONE
      record.size = 0
      record.blocks = 0
    })
    this.#notes.set(ino, { code: 'LOST_CONTENT', ino, message })
  }

  noteIno(ino: number): void {
    if (ino >= this.nextIno) this.nextIno = ino + 1
  }

  noteCookie(cookie: number): void {
    if (cookie >= this.nextCookie) this.nextCookie = cookie + 1
  }

  /** From here on numbers may be given out: all that are in use have been noted. */
  beginNumbers(): void {
    const { ino, cookie, dataId } = this.#bounds
    if (this.nextIno <= ino && this.nextCookie <= cookie && this.nextDataId <= dataId) return
    this.nextIno += GAP
    this.nextCookie += GAP
    this.nextDataId += GAP
  }

  /** Makes the counters agree with the numbers that are in use. */
  storeCounters(): void {
    const { ino, cookie, dataId, longestPath } = this.#bounds
    if (
      this.nextIno === ino &&
      this.nextCookie === cookie &&
      this.nextDataId === dataId &&
      this.longestPath <= longestPath
    )
      return
    const bounds = {
      ino: this.nextIno,
      cookie: this.nextCookie,
      dataId: this.nextDataId,
      longestPath: this.longestPath,
    }
    this.put(COUNTERS_KEY, encodeCounterBounds(bounds))
    this.mend('counters')
  }

  // --- names ---

  readonly #dirent = new Dirent()
  readonly #listing = new Listing({
    stagePut: (key: Uint8Array, keyLength: number, value: Uint8Array, _at: number, length: number) =>
      this.put(key.subarray(0, keyLength), value.subarray(0, length)),
  } as Metadata)

  /** Stages the dirent under its key. */
  putDirent(key: Uint8Array, ino: number, type: number, cookie: number): void {
    this.#dirent.set(ino, type >> 12, cookie)
    this.put(key, this.#dirent.bytes)
    if (key.length - 1 > this.longestPath) this.longestPath = key.length - 1
  }

  /** Stages the record by which a directory lists a name. */
  putEntry(directory: number, name: Uint8Array, ino: number, type: number, cookie: number): void {
    this.#dirent.set(ino, type >> 12, cookie)
    this.#listing.stagePut(directory, name, this.#dirent)
  }

  // --- what is told ---

  tell(problem: Problem): void {
    this.#report(problem)
  }

  /** A name of `ino` is found: what was noted of it can be told. */
  named(ino: number, path: Uint8Array): void {
    if (this.#notes.size === 0) return
    const note = this.#notes.get(ino)
    if (note === undefined) return
    this.#notes.delete(ino)
    this.tell({ ...note, path: text(path) })
  }

  /** Something small was put right, one of many. */
  mend(what: string): void {
    this.#mended.set(what, (this.#mended.get(what) ?? 0) + 1)
  }

  /** Tells what is left to tell. */
  conclude(): void {
    for (const note of this.#notes.values()) this.tell(note)
    for (const [what, count] of this.#mended) this.tell({ code: 'MENDED', message: `${what}: ${count}` })
  }
}

/** The counters, those of a new volume where they are lost. */
function boundsOf(metadata: Metadata): CounterBounds {
  const none = { ino: 2, cookie: 3, dataId: 1, longestPath: 0 }
  try {
    return readCounterBounds(metadata) ?? none
  } catch (error) {
    if (error instanceof HoltError && error.code === 'HOLT_CORRUPT_DATA') return none
    throw error
  }
}

/** Whether a name can be one. */
export function isName(name: Uint8Array): boolean {
  if (name.length === 0 || name.length > MAX_NAME || name.includes(0x2f) || name.includes(0)) return false
  return !(name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e)))
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}

/** Bytes as a key of a map. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
