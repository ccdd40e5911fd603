/**
 * fallocate and lseek: ranges of a file that are reserved, made zero, given back to the host or looked for. In the tree
 * a range is changed in one commit with the inode; on the host it is changed in place, as a write of zeros would.
 *
 * What it reserves it reserves on the host: a range behind 8 KB, or behind the end of a file that keeps its size,
 * takes a file out of the tree.
 */
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE } from '../journal/sparse.ts'
import { MAX_INLINE } from '../limits.ts'
import type { FsContext } from './context.ts'
import {
  EFBIG,
  EINVAL,
  EIO,
  EISDIR,
  ENODEV,
  ENOENT,
  ENXIO,
  EOPNOTSUPP,
  EROFS,
  hostErrno,
  isUnsupported,
} from './errno.ts'
import { DATA_FILE, DATA_INLINE, InodeRecord, S_IFREG } from './inode.ts'
import type { Caller } from './operations.ts'
import { inlineBlocks, MAX_FILE_SIZE, type Publication, touchWritten } from './publication.ts'

const KEEP_SIZE = FALLOC_KEEP_SIZE
const PUNCH = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE
const KNOWN = FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE

const SEEK_DATA = 3
const SEEK_HOLE = 4
/** A file goes from tree to host and back only when somebody changes it meanwhile: so often a search begins again. */
const ATTEMPTS = 1000

export class Ranges {
  readonly #context: FsContext
  readonly #publication: Publication
  readonly #inode = new InodeRecord()
  readonly #inline = new Uint8Array(MAX_INLINE)

  constructor(context: FsContext, publication: Publication) {
    this.#context = context
    this.#publication = publication
  }

  fallocate(caller: Caller, ino: number, mode: number, offset: number, length: number): number {
    if (this.#context.readOnly) return -EROFS
    if (!isKnown(mode)) return -EOPNOTSUPP
    if (offset < 0 || length <= 0) return -EINVAL
    if (offset > MAX_FILE_SIZE - length) return -EFBIG
    const { shared } = this.#context
    shared.lock(ino)
    try {
      return this.#change(caller, ino, mode, offset, offset + length)
    } finally {
      shared.unlock(ino)
    }
  }

  #change(caller: Caller, ino: number, mode: number, offset: number, end: number): number {
    const inode = this.#inode
    if (!this.#context.readInode(ino, inode)) return -ENOENT
    if (inode.isDirectory) return -EISDIR
    if (inode.type !== S_IFREG) return -ENODEV
    const size = (mode & KEEP_SIZE) !== 0 ? inode.size : Math.max(inode.size, end)
    const reserves = mode === KEEP_SIZE && end > inode.size
    return inode.dataKind === DATA_FILE || size > MAX_INLINE || reserves
      ? this.#changeHost(caller, mode, offset, end, size)
      : this.#changeInline(caller, mode, offset, end, size)
  }

  /** A range in the tree: what was reserved reads as zeros, and so does what was punched. */
  #changeInline(caller: Caller, mode: number, offset: number, end: number, size: number): number {
    const context = this.#context
    const inode = this.#inode
    const { ino } = inode
    context.enter()
    try {
      if (!context.readInode(ino, inode)) return context.abandon(-ENOENT)
      const stored = Math.max(context.readInline(ino, this.#inline, 0), 0)
      if (mode !== 0 && mode !== KEEP_SIZE) this.#inline.fill(0, Math.min(offset, size), Math.min(end, size))
      if (size > stored) this.#inline.fill(0, stored, size)
      if (size > 0) {
        if (inode.dataKind !== DATA_INLINE) context.inlinePromises.began(ino)
        inode.dataKind = DATA_INLINE
        inode.size = size
        inode.blocks = inlineBlocks(size)
        context.stageInline(ino, this.#inline, size)
      }
      touchWritten(context, caller, inode)
      context.stageInode(inode)
      return context.conclude(0)
    } finally {
      context.leave()
    }
  }

  #changeHost(caller: Caller, mode: number, offset: number, end: number, size: number): number {
    const inode = this.#inode
    const publication = this.#publication
    let id = 0
    let blocks = 0
    try {
      id = publication.open(inode, size)
    } catch (error) {
      return hostErrno(error)
    }
    try {
      this.#applyToHost(id, mode, offset, end - offset)
      blocks = publication.blocksOf(id)
    } catch (error) {
      if (inode.dataKind === DATA_FILE) this.#giveBack(id, inode.size)
      return publication.abandon(inode, id, error)
    }
    return publication.commit(caller, inode, id, size, blocks, 0)
  }

  #applyToHost(id: number, mode: number, offset: number, length: number): void {
    const { data } = this.#context
    if (mode === PUNCH) {
      data.clear(id, offset, length)
      return
    }
    try {
      data.allocate(id, mode, offset, length)
    } catch (error) {
      // A host that only makes holes (tmpfs) gets the range zeroed and reserved in two steps.
      if ((mode & FALLOC_ZERO_RANGE) === 0 || !isUnsupported(error)) throw error
      data.clear(id, offset, length)
      data.allocate(id, mode & KEEP_SIZE, offset, length)
    }
  }

  /** What a failed reservation has taken behind the end goes back; what was there before was cut when it began. */
  #giveBack(id: number, size: number): void {
    try {
      this.#context.data.cut(id, size)
    } catch (error) {
      hostErrno(error)
    }
  }

  seek(ino: number, offset: number, whence: number): number {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -EINVAL
    const inode = this.#inode
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (!this.#context.readInode(ino, inode)) return -ENOENT
      if (inode.type !== S_IFREG) return -EINVAL
      const { size, dataId } = inode
      if (offset < 0 || offset >= size) return -ENXIO
      if (inode.dataKind !== DATA_FILE) return whence === SEEK_HOLE ? size : offset
      let found: number
      try {
        found = this.#context.data.seek(dataId, offset, whence === SEEK_HOLE)
      } catch (error) {
        return hostErrno(error)
      }
      // A file that was given up is cut to nothing, which looks like one hole.
      if (!this.#context.readInode(ino, inode)) return -ENOENT
      if (inode.dataKind !== DATA_FILE || inode.dataId !== dataId) continue
      if (whence === SEEK_HOLE) return found < 0 ? offset : Math.min(found, size)
      return found < 0 || found >= size ? -ENXIO : found
    }
    return -EIO
  }
}

function isKnown(mode: number): boolean {
  if ((mode & ~KNOWN) !== 0) return false
  return (mode & FALLOC_PUNCH_HOLE) === 0 || mode === PUNCH
}
