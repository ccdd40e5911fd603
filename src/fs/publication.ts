/**
 * How bytes on the host become the bytes of a file. Whatever writes there, in this order and under the inode's lock:
 * {@link Publication.open} (the inode's data file, or a new one that holds what the tree has of it), then the host's
 * file, then {@link Publication.commit}, or {@link Publication.abandon}.
 */
import { MAX_INLINE } from '../limits.ts'
import type { Allocation } from './allocation.ts'
import type { FsContext } from './context.ts'
import { ENOENT, hostErrno } from './errno.ts'
import { DATA_FILE, DATA_INLINE, InodeRecord, S_ISGID, S_ISUID, S_IXGRP, XATTR_CAPABILITY } from './inode.ts'
import { NS_INLINE } from './keys.ts'
import type { Caller } from './operations.ts'
import { CAPABILITY_NAME } from './xattr-names.ts'

/** Largest file: sizes and offsets are exact JavaScript integers. */
export const MAX_FILE_SIZE = Number.MAX_SAFE_INTEGER

/** Bytes of the unit in which we reckon that the host allocates, and the same in the 512-byte units of st_blocks. */
const HOST_BLOCK = 4096
const HOST_BLOCKS = HOST_BLOCK / 512

export class Publication {
  readonly #context: FsContext
  readonly #allocation: Allocation
  readonly #inode = new InodeRecord()
  readonly #inline = new Uint8Array(MAX_INLINE)

  constructor(context: FsContext, allocation: Allocation) {
    this.#context = context
    this.#allocation = allocation
  }

  /**
   * The data file of `inode`, without remains behind its end if it is to have bytes up to `end`. A file in the tree gets
   * a new one that holds its bytes, which no inode refers to yet. Throws the host's error.
   */
  open(inode: InodeRecord, end: number): number {
    const context = this.#context
    if (inode.dataKind === DATA_FILE) {
      // Also where a write covers the remains: a power cut may take it and bring them back.
      // And at the first write, to free what a crash has left there.
      if (end > inode.size || !context.data.isOpen(inode.dataId)) this.#allocation.cutTail(inode.dataId, inode.size)
      return inode.dataId
    }
    const id = this.#allocation.create()
    const stored = context.readInline(inode.ino, this.#inline, 0)
    if (stored <= 0) return id
    try {
      context.data.write(id, this.#inline, 0, stored, 0)
    } catch (error) {
      this.#allocation.discard(id)
      throw error
    }
    return id
  }

  /**
   * Commits that the bytes of `inode` are in data file `id`, which {@link open} has returned, and that the file reaches
   * to `end` at least, with so many `blocks`. Returns `result`, or minus an errno with nothing changed.
   */
  commit(caller: Caller, inode: InodeRecord, id: number, end: number, blocks: number, result: number): number {
    const context = this.#context
    const { ino } = inode
    const moved = inode.dataKind !== DATA_FILE
    if (moved && inode.dataKind === DATA_INLINE && context.inlinePromises.mayHold(ino)) {
      try {
        context.data.sync(id)
      } catch (error) {
        return this.abandon(inode, id, error)
      }
    }
    // A commit that throws may yet be found applied after a restart: then the file must still be there.
    const outcome = this.#commit(caller, ino, id, end, blocks, result)
    if (outcome < 0 && moved) this.#allocation.discard(id)
    return outcome
  }

  #commit(caller: Caller, ino: number, id: number, end: number, blocks: number, result: number): number {
    const context = this.#context
    const inode = this.#inode
    context.enter()
    try {
      if (!context.readInode(ino, inode)) return context.abandon(-ENOENT)
      if (inode.dataKind !== DATA_FILE) {
        if (inode.dataKind === DATA_INLINE) context.stageRemove(NS_INLINE, ino)
        this.#allocation.stagePublish(id)
        inode.dataKind = DATA_FILE
        inode.dataId = id
      }
      inode.blocks = blocks
      if (end > inode.size) inode.size = end
      touchWritten(context, caller, inode)
      context.stageInode(inode)
      return context.conclude(result)
    } finally {
      context.leave()
    }
  }

  /** Gives up after a failure of the host; returns minus the errno of `error`. */
  abandon(inode: InodeRecord, id: number, error: unknown): number {
    this.drop(inode, id)
    return hostErrno(error)
  }

  /** Publishes nothing: a new data file goes again. */
  drop(inode: InodeRecord, id: number): void {
    if (inode.dataKind !== DATA_FILE) this.#allocation.discard(id)
  }

  /**
   * Blocks of data file `id` of `inode` after a write of `length` bytes at `offset`: reckoned where the file has neither
   * holes nor reserved space, else asked of the host.
   */
  blocksAfterWrite(inode: InodeRecord, id: number, offset: number, length: number): number {
    const { size } = inode
    const isWhole = inode.dataKind !== DATA_FILE || inode.blocks === hostBlocks(size)
    return isWhole && offset <= size ? hostBlocks(Math.max(size, offset + length)) : this.blocksOf(id)
  }

  /** Blocks of 512 bytes that the host has for data file `id`. */
  blocksOf(id: number): number {
    return Math.ceil(this.#context.data.allocated(id) / 512)
  }
}

/** The bytes of `inode` have changed: its times are now, and what a write takes from its mode is gone. */
export function touchWritten(context: FsContext, caller: Caller, inode: InodeRecord): void {
  const { seconds, nanoseconds } = context.clock
  inode.setMtime(seconds, nanoseconds)
  inode.setCtime(seconds, nanoseconds)
  if (caller.killsPrivileges && dropPrivileges(inode)) caller.tookPrivilegesOf = inode.ino
  dropCapability(context, inode)
}

/** File capabilities go with the bytes that they were given for, whoever changes them. */
export function dropCapability(context: FsContext, inode: InodeRecord): void {
  if ((inode.xattrs & XATTR_CAPABILITY) !== 0) context.xattrs.stageRemove(inode, CAPABILITY_NAME)
}

/** Takes what a write or chown takes from an executable: setuid, and setgid where the group may execute. Whether there was any. */
export function dropPrivileges(inode: InodeRecord): boolean {
  const mode = inode.mode
  if ((mode & (S_ISUID | S_ISGID)) === 0) return false
  inode.mode = mode & ~(S_ISUID | ((mode & S_IXGRP) !== 0 ? S_ISGID : 0))
  return inode.mode !== mode
}

/** 512-byte units of an inline file. */
export function inlineBlocks(size: number): number {
  return Math.ceil(size / 512)
}

/** 512-byte units of a data file without holes. */
export function hostBlocks(size: number): number {
  return Math.ceil(size / HOST_BLOCK) * HOST_BLOCKS
}
