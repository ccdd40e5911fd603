/**
 * Operations that look up, make and remove single names: lookup, mknod, mkdir, symlink, link, unlink, rmdir. Each
 * change is one commit: dirent, inode and parent agree at any instant. An inode that loses its last name becomes an
 * orphan (orphans.ts) because the kernel may still have it open.
 */
import { HoltError } from '../errors.ts'
import { MAX_PATH } from '../limits.ts'
import { checkName, type FsContext, isDot, isDotDot, ORPHAN_LOST_NAME } from './context.ts'
import { Dirent } from './dirent.ts'
import { EEXIST, EINVAL, EISDIR, EMLINK, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS } from './errno.ts'
import {
  DATA_INLINE,
  InodeRecord,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from './inode.ts'
import { NS_ORPHAN } from './keys.ts'
import { initInode } from './new-inode.ts'
import type { Caller } from './operations.ts'

/** Most names an inode may have. */
export const MAX_LINKS = 2_000_000_000
/** A dirent without inode is damage, unless it went away between two reads: so often we look again. */
const LOOKUP_ATTEMPTS = 100

const NO_BYTES = new Uint8Array(0)

export class Names {
  readonly #context: FsContext
  readonly #parent = new InodeRecord()
  readonly #inode = new InodeRecord()
  readonly #dirent = new Dirent()

  constructor(context: FsContext) {
    this.#context = context
  }

  lookup(parent: number, name: Uint8Array, attr: Uint8Array, at: number): number {
    const bad = checkName(name)
    if (bad < 0) return bad
    const dot = isDot(name)
    if (dot || isDotDot(name)) return this.#lookupRelative(parent, dot, attr, at)
    const { namespace } = this.#context
    for (let attempt = 0; attempt < LOOKUP_ATTEMPTS; ) {
      namespace.enter()
      const found = this.#find(parent, name)
      if (!namespace.unchanged()) continue
      if (found < 0) return found
      if (found === 0) return -ENOENT
      if (this.#context.readInode(this.#dirent.ino, this.#inode)) {
        this.#inode.copyAttr(attr, at)
        this.#context.listings.lookedUp(parent)
        return 0
      }
      attempt++
    }
    throw new HoltError('HOLT_CORRUPT_DATA', `a name refers to inode ${this.#dirent.ino}, which does not exist`)
  }

  #find(parent: number, name: Uint8Array): number {
    const prefix = this.#context.namespace.prefixOf(parent)
    return prefix === undefined ? this.#context.namespace.failure : this.#context.readDirent(prefix, name, this.#dirent)
  }

  /**
   * `.` of any inode and `..` of a directory: how the kernel finds back from a file handle to what it has forgotten. What has no
   * name is not found: it may be removed at any time.
   */
  #lookupRelative(ino: number, dot: boolean, attr: Uint8Array, at: number): number {
    const record = this.#inode
    if (!this.#context.readInode(ino, record) || record.nlink === 0) return -ENOENT
    if (!dot) {
      if (!record.isDirectory) return -ENOTDIR
      if (!this.#context.readInode(record.parent, record)) return -ENOENT
    }
    record.copyAttr(attr, at)
    return 0
  }

  mknod(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    rdev: number,
    attr: Uint8Array,
    at: number,
  ): number {
    const type = mode & S_IFMT || S_IFREG
    const isDevice = type === S_IFCHR || type === S_IFBLK
    if (!isDevice && type !== S_IFREG && type !== S_IFIFO && type !== S_IFSOCK) return -EINVAL
    return this.#create(caller, parent, name, type | (mode & 0o7777), isDevice ? rdev : 0, NO_BYTES, attr, at)
  }

  mkdir(caller: Caller, parent: number, name: Uint8Array, mode: number, attr: Uint8Array, at: number): number {
    return this.#create(caller, parent, name, S_IFDIR | (mode & 0o7777), 0, NO_BYTES, attr, at)
  }

  symlink(caller: Caller, parent: number, name: Uint8Array, target: Uint8Array, attr: Uint8Array, at: number): number {
    if (target.length === 0) return -ENOENT
    if (target.length > MAX_PATH) return -ENAMETOOLONG
    return this.#create(caller, parent, name, S_IFLNK | 0o777, 0, target, attr, at)
  }

  #create(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    rdev: number,
    target: Uint8Array,
    attr: Uint8Array,
    at: number,
  ): number {
    const bad = checkNewName(name, this.#context)
    if (bad < 0) return bad
    const context = this.#context
    context.enter()
    try {
      const result = this.#stageCreate(caller, parent, name, mode, rdev, target)
      if (context.conclude(result) === 0) this.#inode.copyAttr(attr, at)
      return result
    } finally {
      context.leave()
    }
  }

  #stageCreate(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    rdev: number,
    target: Uint8Array,
  ): number {
    const context = this.#context
    const prefix = this.#openParent(parent)
    if (prefix === undefined) return context.namespace.failure
    const found = context.readDirent(prefix, name, this.#dirent)
    if (found !== 0) return found < 0 ? found : -EEXIST

    const directory = this.#parent
    const inode = this.#inode
    const isDirectory = (mode & S_IFMT) === S_IFDIR
    initInode(context, inode, caller, directory, mode, rdev)
    if (isDirectory) {
      placeDirectory(inode, parent, name)
      directory.nlink++
    }
    if (target.length > 0) {
      inode.dataKind = DATA_INLINE
      inode.size = target.length
      inode.blocks = Math.ceil(target.length / 512)
      context.stageInline(inode.ino, target, target.length)
    }
    context.touchDirectory(directory)
    context.stageInode(directory)
    context.stageInode(inode)
    this.#stageEntry(parent, prefix, name, inode)
    return 0
  }

  readlink(ino: number, out: Uint8Array, at: number): number {
    if (!this.#context.readInode(ino, this.#inode)) return -ENOENT
    if (this.#inode.type !== S_IFLNK) return -EINVAL
    const length = this.#context.readInline(ino, out, at)
    // The kernel takes no longer one either: it would count the answer as no answer.
    if (length < 1 || length > MAX_PATH) {
      throw new HoltError('HOLT_CORRUPT_DATA', `symbolic link ${ino} has a target of ${length} bytes`)
    }
    return length
  }

  link(ino: number, newParent: number, newName: Uint8Array, attr: Uint8Array, at: number): number {
    const bad = checkNewName(newName, this.#context)
    if (bad < 0) return bad
    const context = this.#context
    context.enter()
    try {
      const result = this.#stageLink(ino, newParent, newName)
      if (context.conclude(result) === 0) this.#inode.copyAttr(attr, at)
      return result
    } finally {
      context.leave()
    }
  }

  #stageLink(ino: number, newParent: number, newName: Uint8Array): number {
    const context = this.#context
    const inode = this.#inode
    if (!context.readInode(ino, inode)) return -ENOENT
    if (inode.isDirectory) return -EPERM
    const prefix = this.#openParent(newParent)
    if (prefix === undefined) return context.namespace.failure
    const found = context.readDirent(prefix, newName, this.#dirent)
    if (found !== 0) return found < 0 ? found : -EEXIST
    if (inode.nlink === 0) {
      if (context.orphanState(ino) <= ORPHAN_LOST_NAME) return -ENOENT
      context.stageRemove(NS_ORPHAN, ino)
    }
    if (inode.nlink >= MAX_LINKS) return -EMLINK
    inode.nlink++
    context.receipts.answers(ino)
    context.touchChanged(inode)
    context.touchDirectory(this.#parent)
    context.stageInode(this.#parent)
    context.stageInode(inode)
    this.#stageEntry(newParent, prefix, newName, inode)
    return 0
  }

  unlink(parent: number, name: Uint8Array): number {
    if (this.#context.readOnly) return -EROFS
    const bad = checkName(name)
    if (bad < 0) return bad
    if (isDot(name) || isDotDot(name)) return -EISDIR
    const context = this.#context
    context.enter()
    try {
      return context.conclude(this.#stageUnlink(parent, name))
    } finally {
      context.leave()
    }
  }

  #stageUnlink(parent: number, name: Uint8Array): number {
    const context = this.#context
    const prefix = this.#openEntry(parent, name)
    if (prefix === undefined) return context.namespace.failure
    if (this.#inode.isDirectory) return -EISDIR
    context.touchDirectory(this.#parent)
    context.stageInode(this.#parent)
    stageLostName(context, this.#inode)
    context.stageDirentRemoval(parent, prefix, name, this.#dirent.cookie)
    return 0
  }

  rmdir(parent: number, name: Uint8Array): number {
    if (this.#context.readOnly) return -EROFS
    const bad = checkName(name)
    if (bad < 0) return bad
    if (isDot(name)) return -EINVAL
    if (isDotDot(name)) return -ENOTEMPTY
    const context = this.#context
    context.enter()
    try {
      const result = this.#stageRmdir(parent, name)
      if (result < 0) return context.abandon(result)
      context.namespace.directoryRemoved()
      return context.conclude(result)
    } finally {
      context.leave()
      context.namespace.directoryRemoved()
    }
  }

  #stageRmdir(parent: number, name: Uint8Array): number {
    const context = this.#context
    const prefix = this.#openEntry(parent, name)
    if (prefix === undefined) return context.namespace.failure
    if (!this.#inode.isDirectory) return -ENOTDIR
    if (!context.isEmptyDirectory(prefix, name)) return -ENOTEMPTY
    this.#parent.nlink--
    context.touchDirectory(this.#parent)
    context.stageInode(this.#parent)
    stageLostName(context, this.#inode)
    context.stageDirentRemoval(parent, prefix, name, this.#dirent.cookie)
    return 0
  }

  /** Reads the directory `ino` that is to change into #parent and returns its prefix. */
  #openParent(ino: number): Uint8Array | undefined {
    const { namespace } = this.#context
    namespace.failure = this.#context.readDirectory(ino, this.#parent)
    return namespace.failure < 0 ? undefined : namespace.prefixOfExisting(ino)
  }

  /** Reads a directory and the inode of its entry `name` into #parent and #inode. */
  #openEntry(parent: number, name: Uint8Array): Uint8Array | undefined {
    const { namespace } = this.#context
    const prefix = this.#openParent(parent)
    if (prefix === undefined) return undefined
    const found = this.#context.readDirent(prefix, name, this.#dirent)
    if (found <= 0) {
      namespace.failure = found < 0 ? found : -ENOENT
      return undefined
    }
    if (this.#context.readInode(this.#dirent.ino, this.#inode)) return prefix
    throw new HoltError('HOLT_CORRUPT_DATA', `a name refers to inode ${this.#dirent.ino}, which does not exist`)
  }

  #stageEntry(parent: number, prefix: Uint8Array, name: Uint8Array, inode: InodeRecord): void {
    this.#dirent.set(inode.ino, inode.type >> 12, this.#context.counters.nextCookie())
    this.#context.stageDirent(parent, prefix, name, this.#dirent)
  }
}

/** Fields that every new directory has. */
export function placeDirectory(record: InodeRecord, parent: number, name: Uint8Array): void {
  record.nlink = 2
  record.size = 4096
  record.blocks = 8
  record.setPlace(parent, name)
}

/** Stages that `record` lost a name; without names left (a directory has one) it is an orphan. */
export function stageLostName(context: FsContext, record: InodeRecord): void {
  record.nlink = record.isDirectory ? 0 : record.nlink - 1
  context.touchChanged(record)
  context.stageInode(record)
  if (record.nlink === 0) context.stageOrphan(record.ino, ORPHAN_LOST_NAME)
}

/** 0 for a name that may come to be, else minus an errno. */
function checkNewName(name: Uint8Array, context: FsContext): number {
  if (context.readOnly) return -EROFS
  const bad = checkName(name)
  if (bad < 0) return bad
  return isDot(name) || isDotDot(name) ? -EEXIST : 0
}
