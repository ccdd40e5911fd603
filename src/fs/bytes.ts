/**
 * The bytes of files: read, write, open, fsync. A file of up to MAX_INLINE bytes lives in the tree; the write that
 * takes it further moves it to a data file.
 *
 * A write to a data file goes to the host before the commit that publishes the new size, under the inode's lock, so
 * that an acknowledged write survives the process. Reads take no lock and never go past the inode's size: bytes on the
 * host beyond it do not exist.
 */
import { constants } from 'node:fs'
import { HoltError } from '../errors.ts'
import { MAX_INLINE } from '../limits.ts'
import type { Allocation } from './allocation.ts'
import type { FsContext } from './context.ts'
import { EFBIG, EINVAL, EISDIR, ENOENT, EROFS, hostErrno } from './errno.ts'
import { DATA_FILE, DATA_INLINE, InodeRecord, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from './inode.ts'
import { NS_INLINE } from './keys.ts'
import type { Caller } from './operations.ts'

/** Largest file: sizes and offsets are exact JavaScript integers. */
export const MAX_FILE_SIZE = Number.MAX_SAFE_INTEGER

/** Bytes of the unit in which we reckon that the host allocates, and the same in the 512-byte units of st_blocks. */
const HOST_BLOCK = 4096
const HOST_BLOCKS = HOST_BLOCK / 512

/** Bytes move between tree and host only when somebody truncates or writes meanwhile: so often a read looks again. */
const READ_ATTEMPTS = 1000
/** Bytes up to which a loop copies faster than a view of the source is made. */
const LOOP_COPY = 64

export class Bytes {
  readonly #context: FsContext
  readonly #allocation: Allocation
  readonly #inode = new InodeRecord()
  readonly #inline = new Uint8Array(MAX_INLINE)

  constructor(context: FsContext, allocation: Allocation) {
    this.#context = context
    this.#allocation = allocation
  }

  open(ino: number, flags: number): number {
    const inode = this.#inode
    if (!this.#context.readInode(ino, inode)) return -ENOENT
    const writes = (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0
    if (inode.isDirectory) return writes ? -EISDIR : 0
    if (!writes) return 0
    if (this.#context.readOnly) return -EROFS
    if (inode.dataKind !== DATA_FILE || this.#context.data.isOpen(inode.dataId)) return 0
    return this.#cutRemains(ino)
  }

  /** Frees what a crash has left on the host past the end of the file. */
  #cutRemains(ino: number): number {
    const inode = this.#inode
    const { shared } = this.#context
    shared.lock(ino)
    try {
      if (!this.#context.readInode(ino, inode)) return -ENOENT
      if (inode.dataKind === DATA_FILE) this.#allocation.cutTail(inode.dataId, inode.size)
      return 0
    } catch (error) {
      return hostErrno(error)
    } finally {
      shared.unlock(ino)
    }
  }

  read(ino: number, offset: number, size: number, out: Uint8Array, at: number): number {
    const inode = this.#inode
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      if (!this.#context.readInode(ino, inode)) return -ENOENT
      if (inode.isDirectory) return -EISDIR
      if (inode.type !== S_IFREG) return -EINVAL
      const length = Math.min(size, inode.size - offset, out.length - at)
      if (length <= 0) return 0
      const done =
        inode.dataKind === DATA_FILE
          ? this.#readHost(offset, length, out, at)
          : this.#readInline(offset, length, out, at)
      if (done !== MOVED) return done
    }
    throw new HoltError('HOLT_CORRUPT_DATA', `the bytes of inode ${ino} are not where it says`)
  }

  #readInline(offset: number, length: number, out: Uint8Array, at: number): number {
    const stored = this.#context.readInline(this.#inode.ino, this.#inline, 0)
    if (stored < offset + length) return MOVED
    if (length > LOOP_COPY) out.set(this.#inline.subarray(offset, offset + length), at)
    else for (let i = 0; i < length; i++) out[at + i] = this.#inline[offset + i]
    return length
  }

  #readHost(offset: number, length: number, out: Uint8Array, at: number): number {
    const { ino, dataId } = this.#inode
    let got: number
    try {
      got = this.#context.data.read(dataId, out, at, length, offset)
    } catch (error) {
      return hostErrno(error)
    }
    if (got === length) return length
    // Short is a sparse tail, or a file that was given up and cut after its inode was read.
    const still = this.#context.readInode(ino, this.#inode)
    if (!still || this.#inode.dataKind !== DATA_FILE || this.#inode.dataId !== dataId) return MOVED
    out.fill(0, at + got, at + length)
    return length
  }

  write(caller: Caller, ino: number, offset: number, data: Uint8Array): number {
    if (this.#context.readOnly) return -EROFS
    if (offset < 0) return -EINVAL
    if (data.length === 0) return 0
    if (offset > MAX_FILE_SIZE - data.length) return -EFBIG
    const { shared } = this.#context
    shared.lock(ino)
    try {
      return this.#writeLocked(caller, ino, offset, data)
    } finally {
      shared.unlock(ino)
    }
  }

  #writeLocked(caller: Caller, ino: number, offset: number, data: Uint8Array): number {
    const inode = this.#inode
    if (!this.#context.readInode(ino, inode)) return -ENOENT
    if (inode.isDirectory) return -EISDIR
    if (inode.type !== S_IFREG) return -EINVAL
    if (inode.dataKind !== DATA_FILE) {
      return offset + data.length <= MAX_INLINE
        ? this.#writeInline(caller, ino, offset, data)
        : this.#moveOut(caller, ino, offset, data)
    }
    try {
      // Also where the write covers the remains: a power cut may take it and bring them back.
      if (offset + data.length > inode.size) this.#allocation.cutTail(inode.dataId, inode.size)
      this.#context.data.write(inode.dataId, data, 0, data.length, offset)
    } catch (error) {
      return hostErrno(error)
    }
    return this.#publish(caller, ino, offset, data.length, inode.dataId)
  }

  #writeInline(caller: Caller, ino: number, offset: number, data: Uint8Array): number {
    const context = this.#context
    const inode = this.#inode
    context.enter()
    try {
      if (!context.readInode(ino, inode)) return context.abandon(-ENOENT)
      const stored = Math.max(context.readInline(ino, this.#inline, 0), 0)
      const size = Math.max(stored, offset + data.length)
      if (offset > stored) this.#inline.fill(0, stored, offset)
      this.#inline.set(data, offset)
      if (inode.dataKind !== DATA_INLINE) context.inlinePromises.began(ino)
      inode.dataKind = DATA_INLINE
      inode.size = size
      inode.blocks = inlineBlocks(size)
      this.#touchWritten(caller)
      context.stageInline(ino, this.#inline, size)
      context.stageInode(inode)
      return context.conclude(data.length)
    } finally {
      context.leave()
    }
  }

  /** Moves an inline file to a data file of its own, together with the write that outgrew the tree. */
  #moveOut(caller: Caller, ino: number, offset: number, data: Uint8Array): number {
    const context = this.#context
    let id: number
    try {
      id = this.#allocation.create()
    } catch (error) {
      return hostErrno(error)
    }
    try {
      const stored = context.readInline(ino, this.#inline, 0)
      if (stored > 0) context.data.write(id, this.#inline, 0, stored, 0)
      context.data.write(id, data, 0, data.length, offset)
      if (stored > 0 && context.inlinePromises.mayHold(ino)) context.data.sync(id)
    } catch (error) {
      this.#allocation.discard(id)
      return hostErrno(error)
    }
    // A commit that throws may yet be found applied after a restart: then the file must still be there.
    const result = this.#publish(caller, ino, offset, data.length, id)
    if (result < 0) this.#allocation.discard(id)
    return result
  }

  /** Commits that `length` bytes at `offset` are written in data file `id`. */
  #publish(caller: Caller, ino: number, offset: number, length: number, id: number): number {
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
        inode.blocks = hostBlocks(inode.size)
      }
      inode.blocks = blocksAfterWrite(inode.size, inode.blocks, offset, length)
      inode.size = Math.max(inode.size, offset + length)
      this.#touchWritten(caller)
      context.stageInode(inode)
      return context.conclude(length)
    } finally {
      context.leave()
    }
  }

  #touchWritten(caller: Caller): void {
    const { seconds, nanoseconds } = this.#context.clock
    this.#inode.setMtime(seconds, nanoseconds)
    this.#inode.setCtime(seconds, nanoseconds)
    if (caller.uid !== 0) dropPrivileges(this.#inode)
  }

  fsync(ino: number): number {
    if (this.#context.readOnly) return 0
    const inode = this.#inode
    let synced: number
    do {
      if (!this.#context.readInode(ino, inode)) return -ENOENT
      synced = inode.dataKind === DATA_FILE ? inode.dataId : NOT_IN_FILE
      try {
        // Bytes first: metadata that is durable may refer only to bytes that are.
        if (synced !== NOT_IN_FILE) this.#context.data.sync(synced)
      } catch (error) {
        return hostErrno(error)
      }
      this.#context.metadata.sync()
    } while (this.#hasMoved(ino, synced))
    return 0
  }

  /** Whether the bytes have gone to a data file other than the one that was synced, perhaps before the sync covered them. */
  #hasMoved(ino: number, synced: number): boolean {
    const { shared } = this.#context
    // A move under way decides under the lock whether its bytes are promised: wait until it has.
    shared.lock(ino)
    try {
      const inode = this.#inode
      return this.#context.readInode(ino, inode) && inode.dataKind === DATA_FILE && inode.dataId !== synced
    } finally {
      shared.unlock(ino)
    }
  }
}

/** What a read answers inside this file when the data is no longer where the inode said. */
const MOVED = -0x7fffffff
/** Stands for the data id of a file in the tree. */
const NOT_IN_FILE = 0

/** 512-byte units of an inline file. */
export function inlineBlocks(size: number): number {
  return Math.ceil(size / 512)
}

/** 512-byte units of a data file without holes. */
export function hostBlocks(size: number): number {
  return Math.ceil(size / HOST_BLOCK) * HOST_BLOCKS
}

/**
 * Blocks of a data file after a write, reckoned without asking the host: exact for a file without holes, an estimate
 * that never exceeds the size for one with holes.
 */
function blocksAfterWrite(size: number, blocks: number, offset: number, length: number): number {
  const end = offset + length
  const full = hostBlocks(Math.max(size, end))
  if (offset <= size && blocks >= hostBlocks(size)) return full
  return Math.min(full, blocks + hostBlocks(end) - Math.floor(offset / HOST_BLOCK) * HOST_BLOCKS)
}

/** What a write or chown takes from an executable: setuid, and setgid where the group may execute. */
export function dropPrivileges(inode: InodeRecord): void {
  const mode = inode.mode
  if ((mode & (S_ISUID | S_ISGID)) === 0) return
  inode.mode = mode & ~(S_ISUID | ((mode & S_IXGRP) !== 0 ? S_ISGID : 0))
}
