/**
 * What the groups of operations of one FileSystem share: the store, the data files, counters, the clock, key building,
 * and the exclusive section with its one rule that it is always left. One object a thread.
 */
import { HoltError } from '../errors.ts'
import { MAX_INLINE, MAX_NAME } from '../limits.ts'
import { AccessLists } from './access-lists.ts'
import { Clock } from './clock.ts'
import { Counters } from './counters.ts'
import type { DataFiles } from './data-files.ts'
import type { Dirent } from './dirent.ts'
import { DIRENT_SIZE } from './dirent.ts'
import { EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR } from './errno.ts'
import { InlinePromises } from './inline-promises.ts'
import type { InodeRecord } from './inode.ts'
import { direntKey, KEY_BUFFER, NO_KEY, NS_INLINE, NS_INODE, NS_ORPHAN, NUMBER_KEY, numberKey, SLASH } from './keys.ts'
import { Listing } from './listing.ts'
import { Listings } from './listings.ts'
import type { Metadata } from './metadata.ts'
import { Namespace } from './namespace.ts'
import { Receipts } from './receipts.ts'
import { type FsShared, SharedState, W_RESERVE_GIVEN_UP } from './shared.ts'
import { XattrRecords } from './xattr-records.ts'

const OUTSIDE = 0
const INSIDE = 1
const COMMITTING = 2

/** Kinds of orphans: had a name (an empty mark); never had one, and the kernel has not or has been seen to know it. */
export const NO_ORPHAN = -1
export const ORPHAN_LOST_NAME = 0
export const ORPHAN_UNSEEN = 1
export const ORPHAN_SEEN = 2

const DOT = 0x2e

export class FsContext {
  readonly metadata: Metadata
  readonly data: DataFiles
  readonly shared: SharedState
  readonly readOnly: boolean
  readonly clock: Clock
  readonly counters: Counters
  readonly namespace: Namespace
  readonly listing: Listing
  readonly listings: Listings
  readonly inlinePromises: InlinePromises
  readonly xattrs: XattrRecords
  readonly acls: AccessLists
  readonly receipts: Receipts
  readonly #key = new Uint8Array(KEY_BUFFER)
  readonly #numberKey = new Uint8Array(NUMBER_KEY)
  readonly #orphan = new Uint8Array(1)
  readonly #emptiness
  #state = OUTSIDE

  constructor(metadata: Metadata, data: DataFiles, shared: FsShared, readOnly: boolean) {
    this.metadata = metadata
    this.data = data
    this.shared = new SharedState(shared)
    this.readOnly = readOnly
    this.clock = new Clock(this.shared)
    this.counters = new Counters(metadata, this.shared)
    this.namespace = new Namespace(metadata, this.shared)
    this.listing = new Listing(metadata)
    this.listings = new Listings(this.shared)
    this.inlinePromises = new InlinePromises(metadata, this.shared)
    this.xattrs = new XattrRecords(metadata)
    this.acls = new AccessLists(this.xattrs)
    this.receipts = new Receipts(metadata)
    this.#emptiness = metadata.cursor()
  }

  /** Whether this thread's changes may use the last space of the host: they free some (reserve.ts). */
  freesSpace = false

  /**
   * Enters the exclusive section. The caller's body stands in `try { return context.conclude(…) } finally
   * { context.leave() }`.
   */
  enter(): void {
    if (Atomics.load(this.shared.words, W_RESERVE_GIVEN_UP) === 1 && !this.freesSpace) {
      throw new HoltError('HOLT_FULL', 'the host is full: only what frees space is done')
    }
    this.metadata.begin()
    this.#state = INSIDE
    this.namespace.enterExclusive()
    this.receipts.begin()
    this.clock.tick()
  }

  /**
   * Commits what was staged when `result` is zero or more, aborts for an errno; returns `result`. After this commit the request
   * counts as carried out: one that needs several commits makes those before with {@link concludeStep}, and may be
   * carried out again from the start after each of these.
   */
  conclude(result: number): number {
    if (result < 0) return this.abandon(result)
    this.receipts.stage(result)
    this.concludeStep()
    return result
  }

  /** Commits what was staged for a part of a request, or for none. */
  concludeStep(): void {
    this.counters.stage()
    this.#state = COMMITTING
    this.metadata.commit()
    this.#state = OUTSIDE
    this.counters.ended(true)
  }

  /** Leaves the section with nothing changed; returns `result`. */
  abandon(result: number): number {
    this.#state = OUTSIDE
    this.counters.ended(false)
    this.metadata.abort()
    return result
  }

  /** Leaves the section if an exception left it open. */
  leave(): void {
    if (this.#state === OUTSIDE) return
    if (this.#state === INSIDE) {
      this.abandon(0)
      return
    }
    this.#state = OUTSIDE
    this.counters.ended(false)
  }

  /** Reads the inode record of `ino`; false when there is none. */
  readInode(ino: number, record: InodeRecord): boolean {
    const length = this.metadata.getInto(this.#numberKey, numberKey(this.#numberKey, NS_INODE, ino), record.bytes, 0)
    if (length < 0) return false
    record.loaded(length)
    if (record.ino !== ino) throw new HoltError('HOLT_CORRUPT_DATA', `inode ${ino} says that it is ${record.ino}`)
    return true
  }

  stageInode(record: InodeRecord): void {
    const length = numberKey(this.#numberKey, NS_INODE, record.ino)
    this.metadata.stagePut(this.#numberKey, length, record.bytes, 0, record.length)
  }

  /** Copies the inline data of `ino` to `target[at..]`; its length, or -1. */
  readInline(ino: number, target: Uint8Array, at: number): number {
    const length = this.metadata.getInto(this.#numberKey, numberKey(this.#numberKey, NS_INLINE, ino), target, at)
    if (length > MAX_INLINE) throw new HoltError('HOLT_CORRUPT_DATA', `inode ${ino} has ${length} bytes in the tree`)
    return length
  }

  stageInline(ino: number, source: Uint8Array, length: number): void {
    this.metadata.stagePut(this.#numberKey, numberKey(this.#numberKey, NS_INLINE, ino), source, 0, length)
  }

  /** Stages the removal of what the tree holds for `ino` in `namespace`. */
  stageRemove(namespace: number, ino: number): void {
    this.metadata.stageDelete(this.#numberKey, numberKey(this.#numberKey, namespace, ino))
  }

  /** Stages the mark that `ino` has no name and goes when the kernel knows it no more. */
  stageOrphan(ino: number, state: number): void {
    this.#orphan[0] = state
    const length = state === ORPHAN_LOST_NAME ? 0 : 1
    this.metadata.stagePut(this.#numberKey, numberKey(this.#numberKey, NS_ORPHAN, ino), this.#orphan, 0, length)
  }

  /** What kind of orphan `ino` is; NO_ORPHAN when it is none. */
  orphanState(ino: number): number {
    this.#orphan[0] = ORPHAN_LOST_NAME
    const length = numberKey(this.#numberKey, NS_ORPHAN, ino)
    return this.metadata.getInto(this.#numberKey, length, this.#orphan, 0) < 0 ? NO_ORPHAN : this.#orphan[0]
  }

  /** Reads a dirent: 1 found, 0 absent, or minus an errno. */
  readDirent(prefix: Uint8Array, name: Uint8Array, dirent: Dirent): number {
    const length = direntKey(this.#key, prefix, name)
    if (length < 0) return -ENAMETOOLONG
    const found = this.metadata.getInto(this.#key, length, dirent.bytes, 0)
    if (found < 0) return 0
    dirent.decode(dirent.bytes, found)
    return 1
  }

  /**
   * Stages a name in `directory`, whose children have `prefix`; {@link readDirent} has accepted the length of the path.
   */
  stageDirent(directory: number, prefix: Uint8Array, name: Uint8Array, dirent: Dirent): void {
    const length = direntKey(this.#key, prefix, name)
    this.counters.notePath(length - 1)
    this.metadata.stagePut(this.#key, length, dirent.bytes, 0, DIRENT_SIZE)
    this.listing.stagePut(directory, name, dirent)
  }

  /**
   * Stages that `directory` loses a name, whose dirent had `cookie`. A caller who gives the cookie to another name of
   * the directory passes 0.
   */
  stageDirentRemoval(directory: number, prefix: Uint8Array, name: Uint8Array, cookie: number): void {
    this.metadata.stageDelete(this.#key, direntKey(this.#key, prefix, name))
    if (cookie !== 0) this.listing.stageRemoval(directory, cookie)
  }

  /** Reads a directory that is to change: 0, or minus the errno why it cannot. */
  readDirectory(ino: number, record: InodeRecord): number {
    if (!this.readInode(ino, record)) return -ENOENT
    if (!record.isDirectory) return -ENOTDIR
    return record.nlink === 0 ? -ENOENT : 0
  }

  /** Whether the directory `name` below `prefix` has no entries. */
  isEmptyDirectory(prefix: Uint8Array, name: Uint8Array): boolean {
    const length = direntKey(this.#key, prefix, name)
    this.#key[length] = SLASH
    this.#emptiness.seek(this.#key, length + 1, NO_KEY, 0, -1, false)
    return !this.#emptiness.next()
  }

  /** An entry of the directory changed: its mtime and ctime are now. */
  touchDirectory(record: InodeRecord): void {
    record.setMtime(this.clock.seconds, this.clock.nanoseconds)
    record.setCtime(this.clock.seconds, this.clock.nanoseconds)
  }

  touchChanged(record: InodeRecord): void {
    record.setCtime(this.clock.seconds, this.clock.nanoseconds)
  }
}

/** 0 for a name that can be looked up, `.` and `..` included; else minus an errno. */
export function checkName(name: Uint8Array): number {
  const length = name.length
  if (length === 0) return -EINVAL
  if (length > MAX_NAME) return -ENAMETOOLONG
  for (let i = 0; i < length; i++) {
    if (name[i] === SLASH || name[i] === 0) return -EINVAL
  }
  return 0
}

export function isDot(name: Uint8Array): boolean {
  return name.length === 1 && name[0] === DOT
}

export function isDotDot(name: Uint8Array): boolean {
  return name.length === 2 && name[0] === DOT && name[1] === DOT
}
