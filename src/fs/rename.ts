/**
 * rename and its flags. A moved directory takes its subtree along in one step of the tree whatever its size, because
 * all keys below it share a prefix; its inode keeps parent and name, from which paths are rebuilt.
 */
import { HoltError } from '../errors.ts'
import { MAX_PATH } from '../limits.ts'
import { checkName, type FsContext, isDot, isDotDot } from './context.ts'
import { Dirent } from './dirent.ts'
import { EBUSY, EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EROFS } from './errno.ts'
import { InodeRecord, S_IFCHR } from './inode.ts'
import { NO_KEY, SLASH, WAYPOINT_PREFIX } from './keys.ts'
import type { MetadataCursor } from './metadata.ts'
import { stageLostName } from './names.ts'
import { initInode } from './new-inode.ts'
import type { Caller } from './operations.ts'

const RENAME_NOREPLACE = 1 << 0
const RENAME_EXCHANGE = 1 << 1
const RENAME_WHITEOUT = 1 << 2

/** Entries below a moved directory that are looked at before its longest path is taken from the store-wide bound. */
const SCAN_BUDGET = 256
const NOBODY: Caller = { uid: 0, gid: 0, pid: 0, umask: 0, killsPrivileges: false }
/** Success without anything to commit. */
const NOTHING = 1

export class Renames {
  readonly #context: FsContext
  readonly #cursor: MetadataCursor
  readonly #fromDirectory = new InodeRecord()
  readonly #toDirectory = new InodeRecord()
  readonly #moved = new InodeRecord()
  readonly #target = new InodeRecord()
  readonly #whiteout = new InodeRecord()
  readonly #fromDirent = new Dirent()
  readonly #toDirent = new Dirent()
  #caller: Caller = NOBODY
  #movesDirectory = false
  #removesDirectory = false

  constructor(context: FsContext) {
    this.#context = context
    this.#cursor = context.metadata.cursor()
  }

  rename(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    flags: number,
  ): number {
    const context = this.#context
    if (context.readOnly) return -EROFS
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return -EINVAL
    if ((flags & RENAME_EXCHANGE) !== 0 && flags !== RENAME_EXCHANGE) return -EINVAL
    const bad = checkName(name) || checkName(newName)
    if (bad < 0) return bad
    if (isDot(name) || isDotDot(name) || isDot(newName) || isDotDot(newName)) return -EBUSY
    this.#movesDirectory = false
    this.#removesDirectory = false
    this.#caller = caller
    context.enter()
    try {
      const result = this.#stage(parent, name, newParent, newName, flags)
      if (result !== 0) return context.abandon(result === NOTHING ? 0 : result)
      this.#announce()
      return context.conclude(0)
    } finally {
      context.leave()
      if (this.#movesDirectory) context.namespace.renameFinished()
      if (this.#removesDirectory) context.namespace.directoryRemoved()
    }
  }

  #announce(): void {
    this.#movesDirectory = this.#moved.isDirectory || (this.#toDirent.ino !== 0 && this.#target.isDirectory)
    this.#removesDirectory = this.#movesDirectory && this.#toDirent.ino !== 0 && this.#target.nlink === 0
    if (this.#movesDirectory) this.#context.namespace.renameStarted()
    if (this.#removesDirectory) this.#context.namespace.directoryRemoved()
  }

  #stage(parent: number, name: Uint8Array, newParent: number, newName: Uint8Array, flags: number): number {
    const context = this.#context
    const { namespace } = context
    const from = this.#openDirectory(parent, this.#fromDirectory)
    if (from === undefined) return namespace.failure
    const into = parent === newParent ? this.#fromDirectory : this.#toDirectory
    const to = parent === newParent ? from : this.#openDirectory(newParent, into)
    if (to === undefined) return namespace.failure

    const found = context.readDirent(from, name, this.#fromDirent)
    if (found <= 0) return found < 0 ? found : -ENOENT
    const taken = context.readDirent(to, newName, this.#toDirent)
    if (taken < 0) return taken
    if (taken === 0) this.#toDirent.ino = 0
    if (taken > 0 && (flags & RENAME_NOREPLACE) !== 0) return -EEXIST
    if (taken === 0 && (flags & RENAME_EXCHANGE) !== 0) return -ENOENT
    if (this.#toDirent.ino === this.#fromDirent.ino) return NOTHING
    this.#load(this.#fromDirent.ino, this.#moved)
    if (taken > 0) this.#load(this.#toDirent.ino, this.#target)
    if (this.#moved.isDirectory && isBelow(to, from, name)) return -EINVAL

    return (flags & RENAME_EXCHANGE) !== 0
      ? this.#stageExchange(from, name, to, newName, into)
      : this.#stageMove(from, name, to, newName, into, (flags & RENAME_WHITEOUT) !== 0)
  }

  #stageMove(
    from: Uint8Array,
    name: Uint8Array,
    to: Uint8Array,
    newName: Uint8Array,
    into: InodeRecord,
    whiteout: boolean,
  ): number {
    const context = this.#context
    const isDirectory = this.#moved.isDirectory
    if (this.#toDirent.ino !== 0) {
      const refused = this.#refuseTarget(to, newName)
      if (refused < 0) return refused
    }
    if (isDirectory) {
      const deep = this.#checkDepth(from, name, to.length + newName.length)
      if (deep < 0) return deep
    }

    if (isDirectory && into !== this.#fromDirectory) {
      this.#fromDirectory.nlink--
      into.nlink++
    }
    if (this.#toDirent.ino !== 0) {
      if (isDirectory) into.nlink--
      stageLostName(context, this.#target)
    }
    this.#stageDirectories(into)
    const { cookie } = this.#fromDirent
    const replaces = this.#toDirent.ino !== 0
    const stays = !replaces && !whiteout && into === this.#fromDirectory
    if (whiteout) this.#stageWhiteout(from, name, cookie)
    else context.stageDirentRemoval(this.#fromDirectory.ino, from, name, stays ? 0 : cookie)
    const there = replaces ? this.#toDirent.cookie : stays ? cookie : context.counters.nextCookie()
    this.#stagePlace(this.#moved, into.ino, to, newName, there)
    if (isDirectory) this.#stageSubtree(childrenOf(from, name), childrenOf(to, newName))
    return 0
  }

  /** Leaves a character device 0:0 under the old name: how layered filesystems hide a name of a layer below. */
  #stageWhiteout(from: Uint8Array, name: Uint8Array, cookie: number): void {
    const context = this.#context
    initInode(context, this.#whiteout, this.#caller, this.#fromDirectory, S_IFCHR, 0)
    context.stageInode(this.#whiteout)
    this.#fromDirent.set(this.#whiteout.ino, S_IFCHR >> 12, cookie)
    context.stageDirent(this.#fromDirectory.ino, from, name, this.#fromDirent)
  }

  #refuseTarget(to: Uint8Array, newName: Uint8Array): number {
    if (!this.#target.isDirectory) return this.#moved.isDirectory ? -ENOTDIR : 0
    if (!this.#moved.isDirectory) return -EISDIR
    return this.#context.isEmptyDirectory(to, newName) ? 0 : -ENOTEMPTY
  }

  #stageExchange(from: Uint8Array, name: Uint8Array, to: Uint8Array, newName: Uint8Array, into: InodeRecord): number {
    const moved = this.#moved
    const target = this.#target
    if (target.isDirectory && isBelow(from, to, newName)) return -EINVAL
    const deep =
      (moved.isDirectory && this.#checkDepth(from, name, to.length + newName.length)) ||
      (target.isDirectory && this.#checkDepth(to, newName, from.length + name.length)) ||
      0
    if (deep < 0) return deep

    const change = Number(moved.isDirectory) - Number(target.isDirectory)
    if (into !== this.#fromDirectory) {
      this.#fromDirectory.nlink -= change
      into.nlink += change
    }
    this.#stageDirectories(into)
    const { cookie } = this.#fromDirent
    this.#stagePlace(moved, into.ino, to, newName, this.#toDirent.cookie)
    this.#stagePlace(target, this.#fromDirectory.ino, from, name, cookie)
    const here = childrenOf(from, name)
    const there = childrenOf(to, newName)
    if (moved.isDirectory && target.isDirectory) {
      this.#stageSubtree(here, WAYPOINT_PREFIX)
      this.#stageSubtree(there, here)
      this.#stageSubtree(WAYPOINT_PREFIX, there)
    } else if (moved.isDirectory) {
      this.#stageSubtree(here, there)
    } else if (target.isDirectory) {
      this.#stageSubtree(there, here)
    }
    return 0
  }

  #stageDirectories(into: InodeRecord): void {
    this.#context.touchDirectory(this.#fromDirectory)
    this.#context.stageInode(this.#fromDirectory)
    if (into === this.#fromDirectory) return
    this.#context.touchDirectory(into)
    this.#context.stageInode(into)
  }

  /**
   * Stages an inode under its new name. A name that was there keeps its cookie, and so does an entry that moves within
   * its directory: a listing that goes on meanwhile has either exactly once.
   */
  #stagePlace(record: InodeRecord, parent: number, prefix: Uint8Array, name: Uint8Array, cookie: number): void {
    const context = this.#context
    if (record.isDirectory) record.setPlace(parent, name)
    context.touchChanged(record)
    context.stageInode(record)
    this.#fromDirent.set(record.ino, record.type >> 12, cookie)
    context.stageDirent(parent, prefix, name, this.#fromDirent)
  }

  #stageSubtree(from: Uint8Array, to: Uint8Array): void {
    this.#context.metadata.stageRenamePrefix(from, from.length, to, to.length)
  }

  /**
   * Whether every path below a directory stays within MAX_PATH when the directory's own key grows to `newLength`.
   * Looking through a large subtree is avoided as long as the longest path of the whole store leaves room.
   */
  #checkDepth(prefix: Uint8Array, name: Uint8Array, newLength: number): number {
    const growth = newLength - (prefix.length + name.length)
    if (growth <= 0) return 0
    const { counters } = this.#context
    const below = childrenOf(prefix, name)
    const longest = counters.longestPath
    this.#cursor.seek(below, below.length, NO_KEY, 0, -1, false)
    let deepest = 0
    for (let seen = 0; this.#cursor.next(); seen++) {
      if (seen >= SCAN_BUDGET && longest + growth <= MAX_PATH) {
        deepest = longest
        break
      }
      deepest = Math.max(deepest, this.#cursor.keyLength - 1)
    }
    if (deepest + growth > MAX_PATH) return -ENAMETOOLONG
    counters.notePath(deepest + growth)
    return 0
  }

  #openDirectory(ino: number, record: InodeRecord): Uint8Array | undefined {
    const { namespace } = this.#context
    namespace.failure = this.#context.readDirectory(ino, record)
    return namespace.failure < 0 ? undefined : namespace.prefixOfExisting(ino)
  }

  #load(ino: number, record: InodeRecord): void {
    if (this.#context.readInode(ino, record)) return
    throw new HoltError('HOLT_CORRUPT_DATA', `a name refers to inode ${ino}, which does not exist`)
  }
}

/** Prefix of the children of directory `name` below `prefix`. */
function childrenOf(prefix: Uint8Array, name: Uint8Array): Uint8Array {
  const below = new Uint8Array(prefix.length + name.length + 1)
  below.set(prefix)
  below.set(name, prefix.length)
  below[below.length - 1] = SLASH
  return below
}

/** Whether the directory with prefix `inner` is `name` below `prefix`, or lies inside it. */
function isBelow(inner: Uint8Array, prefix: Uint8Array, name: Uint8Array): boolean {
  const end = prefix.length + name.length
  if (inner.length <= end || inner[end] !== SLASH) return false
  for (let i = 0; i < prefix.length; i++) {
    if (inner[i] !== prefix[i]) return false
  }
  for (let i = 0; i < name.length; i++) {
    if (inner[prefix.length + i] !== name[i]) return false
  }
  return true
}
