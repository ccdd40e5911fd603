/**
 * The bytes of files: read, write, fsync. A file of up to MAX_INLINE bytes lives in the tree; the write that
 * takes it further moves it to a data file.
 *
 * A write to a data file goes to the host before the commit that publishes the new size, under the inode's lock, so
 * that an acknowledged write survives the process. Reads take no lock and never go past the inode's size: bytes on the
 * host beyond it do not exist.
 */
import { HoltError } from '../errors.ts'
import { MAX_INLINE } from '../limits.ts'
import type { FsContext } from './context.ts'
import { EFBIG, EINVAL, EISDIR, ENOENT, EROFS, hostErrno } from './errno.ts'
import { DATA_FILE, DATA_INLINE, InodeRecord, S_IFREG } from './inode.ts'
import type { Caller } from './operations.ts'
import { inlineBlocks, MAX_FILE_SIZE, type Publication, touchWritten } from './publication.ts'

/** Bytes move between tree and host only when somebody truncates or writes meanwhile: so often a read looks again. */
const READ_ATTEMPTS = 1000
/** Bytes up to which a loop copies faster than a view of the source is made. */
const LOOP_COPY = 64

export class Bytes {
  readonly #context: FsContext
  readonly #publication: Publication
  readonly #inode = new InodeRecord()
  readonly #inline = new Uint8Array(MAX_INLINE)

  constructor(context: FsContext, publication: Publication) {
    this.#context = context
    this.#publication = publication
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
      return this.writeLocked(caller, ino, offset, data)
    } finally {
      shared.unlock(ino)
    }
  }

  /** As {@link write}, for a caller that has checked the range and holds the inode's lock. */
  writeLocked(caller: Caller, ino: number, offset: number, data: Uint8Array): number {
    const inode = this.#inode
    if (!this.#context.readInode(ino, inode)) return -ENOENT
    if (inode.isDirectory) return -EISDIR
    if (inode.type !== S_IFREG) return -EINVAL
    return inode.dataKind !== DATA_FILE && offset + data.length <= MAX_INLINE
      ? this.#writeInline(caller, ino, offset, data)
      : this.#writeHost(caller, offset, data)
  }

  #writeInline(caller: Caller, ino: number, offset: number, data: Uint8Array): number {
    const context = this.#context
    const inode = this.#inode
    context.enter()
    try {
      if (!context.readInode(ino, inode)) return context.abandon(-ENOENT)
      const stored = inode.dataKind === DATA_INLINE ? inode.size : 0
      // A write over all that is there needs nothing of it.
      const isWhole = offset === 0 && data.length >= stored
      const bytes = isWhole ? data : this.#patched(ino, stored, offset, data)
      const size = Math.max(stored, offset + data.length)
      if (inode.dataKind !== DATA_INLINE) context.inlinePromises.began(ino)
      inode.dataKind = DATA_INLINE
      inode.size = size
      inode.blocks = inlineBlocks(size)
      touchWritten(context, caller, inode)
      context.stageInline(ino, bytes, size)
      context.stageInode(inode)
      return context.conclude(data.length)
    } finally {
      context.leave()
    }
  }

  /** The bytes that the tree has of a file, with `data` at `offset`; what lies between is zeros. */
  #patched(ino: number, stored: number, offset: number, data: Uint8Array): Uint8Array {
    const inline = this.#inline
    if (stored > 0 && this.#context.readInline(ino, inline, 0) !== stored) {
      throw new HoltError('HOLT_CORRUPT_DATA', `the tree does not hold the ${stored} bytes of inode ${ino}`)
    }
    if (offset > stored) inline.fill(0, stored, offset)
    inline.set(data, offset)
    return inline
  }

  #writeHost(caller: Caller, offset: number, data: Uint8Array): number {
    const publication = this.#publication
    const inode = this.#inode
    const { length } = data
    let id: number
    try {
      id = publication.open(inode, offset + length)
    } catch (error) {
      return hostErrno(error)
    }
    let blocks: number
    try {
      this.#context.data.write(id, data, 0, length, offset)
      blocks = publication.blocksAfterWrite(inode, id, offset, length)
    } catch (error) {
      return publication.abandon(inode, id, error)
    }
    return publication.commit(caller, inode, id, offset + length, blocks, length)
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
