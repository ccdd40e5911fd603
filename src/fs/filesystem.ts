/**
 * The filesystem over one metadata store and its data files: composes the groups of operations. One object a thread;
 * any number of them may serve one store, over the same {@link FsShared}.
 *
 * Permissions, locks and the sticky bit are the kernel's (mount with default_permissions). Access times change only on
 * request: reading does not touch them.
 */
import { statfsSync } from 'node:fs'
import { MAX_NAME } from '../limits.ts'
import { Allocation } from './allocation.ts'
import { Attributes } from './attributes.ts'
import { Bytes } from './bytes.ts'
import { FsContext } from './context.ts'
import { CopyRange } from './copy-range.ts'
import type { DataFiles } from './data-files.ts'
import { Directories } from './directory.ts'
import { EROFS, hostErrno } from './errno.ts'
import { InodeRecord, S_IFDIR } from './inode.ts'
import { ROOT_INO } from './keys.ts'
import type { Metadata } from './metadata.ts'
import { NamelessFiles } from './nameless.ts'
import { Names, placeDirectory } from './names.ts'
import {
  type AttributeChange,
  type Caller,
  type DirectorySink,
  type FilesystemStatistics,
  type Operations,
  SET_SIZE,
} from './operations.ts'
import { type KnownToKernel, Orphans } from './orphans.ts'
import { Publication } from './publication.ts'
import { Ranges } from './ranges.ts'
import type { Connection, Receipt } from './receipts.ts'
import { Renames } from './rename.ts'
import { isFull, type Reserve } from './reserve.ts'
import type { FsShared } from './shared.ts'
import { Truncation } from './truncate.ts'
import { Xattrs } from './xattr.ts'

/** Inodes that a volume can number. */
const INODES = 2 ** 33

export interface FileSystemOptions {
  /** Every change is answered EROFS; nothing is written. */
  readOnly: boolean
  /** What is kept back on the host for changes that free space. */
  reserve?: Reserve
  /** A path on the host filesystem whose free space statfs answers. */
  statfsPath: string
}

export class FileSystem implements Operations {
  readonly #context: FsContext
  readonly #options: FileSystemOptions
  readonly #allocation: Allocation
  readonly #attributes: Attributes
  readonly #names: Names
  readonly #nameless: NamelessFiles
  readonly #renames: Renames
  readonly #directories: Directories
  readonly #bytes: Bytes
  readonly #truncation: Truncation
  readonly #ranges: Ranges
  readonly #copyRange: CopyRange
  readonly #orphans: Orphans
  readonly #xattrs: Xattrs

  constructor(metadata: Metadata, data: DataFiles, shared: FsShared, options: FileSystemOptions) {
    const context = new FsContext(metadata, data, shared, options.readOnly)
    this.#context = context
    this.#options = options
    this.#allocation = new Allocation(context)
    this.#attributes = new Attributes(context)
    this.#names = new Names(context)
    this.#nameless = new NamelessFiles(context)
    this.#renames = new Renames(context)
    this.#directories = new Directories(context)
    const publication = new Publication(context, this.#allocation)
    this.#bytes = new Bytes(context, publication)
    this.#truncation = new Truncation(context, this.#allocation, publication)
    this.#ranges = new Ranges(context, publication)
    this.#copyRange = new CopyRange(context, this.#bytes, publication)
    this.#orphans = new Orphans(context, this.#allocation)
    this.#xattrs = new Xattrs(context)
  }

  /** Creates the root directory, mode 0755, unless it exists. */
  format(uid: number, gid: number): void {
    const context = this.#context
    const root = new InodeRecord()
    if (context.readInode(ROOT_INO, root)) return
    context.enter()
    try {
      const { seconds, nanoseconds } = context.clock
      root.reset(ROOT_INO, S_IFDIR | 0o755)
      placeDirectory(root, ROOT_INO, new Uint8Array(0))
      root.uid = uid
      root.gid = gid
      root.setAtime(seconds, nanoseconds)
      root.setMtime(seconds, nanoseconds)
      root.setCtime(seconds, nanoseconds)
      root.setBtime(seconds, nanoseconds)
      context.stageInode(root)
      context.concludeStep()
    } finally {
      context.leave()
    }
  }

  /**
   * Removes what the last run left behind: inodes that were open without a name, data files that were in the making
   * or retired. To be called once at a start, before the first request, while no kernel mount has files open.
   */
  collectOrphans(): void {
    this.#orphans.collect()
    this.#allocation.collect(Number.POSITIVE_INFINITY)
  }

  /** Has space kept back on the host, as far as there is any: see reserve.ts. To be called regularly, in the main thread. */
  takeReserve(): void {
    this.#options.reserve?.take()
  }

  /** Does what frees space, with what is kept back for that if there is no other. */
  freeingSpace(action: () => void): void {
    try {
      action()
    } catch (error) {
      if (!isFull(error) || !this.useReserve(true)) throw error
      try {
        action()
      } finally {
        this.useReserve(false)
      }
    }
  }

  useReserve(use: boolean): boolean {
    const { reserve } = this.#options
    if (reserve === undefined) return false
    this.#context.freesSpace = use
    if (use) reserve.giveUp()
    return true
  }

  /** An earlier process of the same mount may have been told what the kernel has forgotten: {@link collectForgotten} will ask. */
  doubtOrphans(): void {
    this.#orphans.doubt()
  }

  /** Removes the inodes without a name that the kernel has forgotten; returns how many. To be called regularly. */
  collectForgotten(known: KnownToKernel): number {
    return this.#orphans.collectForgotten(known)
  }

  /**
   * Deletes the host files of data given up since, once that is durable; returns how many. To be called regularly. Also
   * those that an earlier process of the same mount had in the making: their ids are below `leftoversBelow`, which is
   * {@link nextDataId} as it was before the first request.
   */
  collectRetired(leftoversBelow = 0): number {
    return this.#allocation.collect(leftoversBelow)
  }

  /** No data id from here on was ever given out. */
  get nextDataId(): number {
    return this.#context.counters.nextDataIdToGive
  }

  /** Changes leave receipts for the requests of this connection from now on. */
  connect(connection: Connection): void {
    this.#context.receipts.connect(connection)
  }

  /** The receipts that the mount `connection` has left so far. */
  receipts(connection: number): Receipt[] {
    return this.#context.receipts.list(connection)
  }

  lookup(_caller: Caller, parent: number, name: Uint8Array, attr: Uint8Array, at: number): number {
    return this.#names.lookup(parent, name, attr, at)
  }

  forget(ino: number): void {
    this.#orphans.forget(ino)
  }

  getattr(ino: number, attr: Uint8Array, at: number): number {
    return this.#attributes.getattr(ino, attr, at)
  }

  statx(ino: number, attr: Uint8Array, at: number): number {
    return this.#attributes.statx(ino, attr, at)
  }

  setattr(caller: Caller, ino: number, change: AttributeChange, attr: Uint8Array, at: number): number {
    if (this.#context.readOnly) return -EROFS
    return (change.valid & SET_SIZE) !== 0
      ? this.#truncation.setattr(caller, ino, change, attr, at)
      : this.#attributes.setattr(caller, ino, change, attr, at)
  }

  readlink(ino: number, out: Uint8Array, at: number): number {
    return this.#names.readlink(ino, out, at)
  }

  symlink(caller: Caller, parent: number, name: Uint8Array, target: Uint8Array, attr: Uint8Array, at: number): number {
    return this.#names.symlink(caller, parent, name, target, attr, at)
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
    return this.#names.mknod(caller, parent, name, mode, rdev, attr, at)
  }

  tmpfile(caller: Caller, directory: number, mode: number, attr: Uint8Array, at: number): number {
    return this.#nameless.create(caller, directory, mode, attr, at)
  }

  mkdir(caller: Caller, parent: number, name: Uint8Array, mode: number, attr: Uint8Array, at: number): number {
    return this.#names.mkdir(caller, parent, name, mode, attr, at)
  }

  unlink(_caller: Caller, parent: number, name: Uint8Array): number {
    return this.#names.unlink(parent, name)
  }

  rmdir(_caller: Caller, parent: number, name: Uint8Array): number {
    return this.#names.rmdir(parent, name)
  }

  rename(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    flags: number,
  ): number {
    return this.#renames.rename(caller, parent, name, newParent, newName, flags)
  }

  link(_caller: Caller, ino: number, newParent: number, newName: Uint8Array, attr: Uint8Array, at: number): number {
    return this.#names.link(ino, newParent, newName, attr, at)
  }

  read(ino: number, offset: number, size: number, out: Uint8Array, at: number): number {
    return this.#bytes.read(ino, offset, size, out, at)
  }

  write(caller: Caller, ino: number, offset: number, data: Uint8Array): number {
    return this.#bytes.write(caller, ino, offset, data)
  }

  fallocate(caller: Caller, ino: number, mode: number, offset: number, length: number): number {
    return this.#ranges.fallocate(caller, ino, mode, offset, length)
  }

  seek(ino: number, offset: number, whence: number): number {
    return this.#ranges.seek(ino, offset, whence)
  }

  copyRange(
    caller: Caller,
    from: number,
    fromOffset: number,
    to: number,
    toOffset: number,
    length: number,
    flags: number,
  ): number {
    return this.#copyRange.copy(caller, from, fromOffset, to, toOffset, length, flags)
  }

  /** A size is metadata too, so `dataOnly` saves nothing. */
  fsync(ino: number, _dataOnly: boolean): number {
    return this.#bytes.fsync(ino)
  }

  getxattr(ino: number, name: Uint8Array, size: number, out: Uint8Array, at: number): number {
    return this.#xattrs.getxattr(ino, name, size, out, at)
  }

  listxattr(caller: Caller, ino: number, size: number, out: Uint8Array, at: number): number {
    return this.#xattrs.listxattr(caller, ino, size, out, at)
  }

  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number, killSetgid: boolean): number {
    return this.#xattrs.setxattr(ino, name, value, flags, killSetgid)
  }

  removexattr(ino: number, name: Uint8Array): number {
    return this.#xattrs.removexattr(ino, name)
  }

  readdir(ino: number, offset: number, sink: DirectorySink): number {
    return this.#directories.readdir(ino, offset, sink)
  }

  fsyncdir(_ino: number): number {
    this.#context.metadata.sync()
    return 0
  }

  statfs(out: FilesystemStatistics): number {
    try {
      const host = statfsSync(this.#options.statfsPath)
      out.blockSize = host.bsize
      out.blocks = host.blocks
      out.blocksFree = host.bfree
      out.blocksAvailable = host.bavail
    } catch (error) {
      return hostErrno(error)
    }
    out.files = INODES
    out.filesFree = INODES - this.#context.counters.inosUsed
    out.nameMax = MAX_NAME
    return 0
  }
}
