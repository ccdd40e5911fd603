/**
 * copy_file_range: bytes go from one file to another, or within one, without passing through the caller. Between data
 * files the host copies, and shares blocks where it can; holes stay holes. A range of the tree, or one that stays in it,
 * is read and written.
 *
 * Only the target's lock is held. The source is read as any reader does: what others write to it meanwhile may be copied
 * or not.
 */
import { MAX_INLINE } from '../limits.ts'
import type { Bytes } from './bytes.ts'
import type { FsContext } from './context.ts'
import { EFBIG, EINVAL, EIO, EISDIR, ENOENT, EROFS, hostErrno } from './errno.ts'
import { DATA_FILE, InodeRecord, S_IFREG } from './inode.ts'
import type { Caller } from './operations.ts'
import { MAX_FILE_SIZE, type Publication } from './publication.ts'

/** Bytes that one request copies at most, holes not counted: it keeps the target's lock and a worker that long. */
const MOST = 64 << 20
/** The source goes from tree to host and back only when somebody changes it meanwhile: so often a copy begins again. */
const ATTEMPTS = 1000
/** What a copy answers inside this file when the source is no longer where its inode said. */
const MOVED = -0x7fffffff

export class CopyRange {
  readonly #context: FsContext
  readonly #bytes: Bytes
  readonly #publication: Publication
  readonly #source = new InodeRecord()
  readonly #target = new InodeRecord()
  readonly #buffer = new Uint8Array(MAX_INLINE)

  constructor(context: FsContext, bytes: Bytes, publication: Publication) {
    this.#context = context
    this.#bytes = bytes
    this.#publication = publication
  }

  copy(
    caller: Caller,
    from: number,
    fromOffset: number,
    to: number,
    toOffset: number,
    length: number,
    flags: number,
  ): number {
    if (this.#context.readOnly) return -EROFS
    if (flags !== 0 || fromOffset < 0 || toOffset < 0) return -EINVAL
    const { shared } = this.#context
    shared.lock(to)
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const done = this.#copyLocked(caller, from, fromOffset, to, toOffset, length)
        if (done !== MOVED) return done
      }
      return -EIO
    } finally {
      shared.unlock(to)
    }
  }

  #copyLocked(caller: Caller, from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
    const context = this.#context
    const source = this.#source
    const target = this.#target
    if (!context.readInode(from, source) || !context.readInode(to, target)) return -ENOENT
    if (source.isDirectory || target.isDirectory) return -EISDIR
    if (source.type !== S_IFREG || target.type !== S_IFREG) return -EINVAL
    const wanted = Math.min(length, source.size - fromOffset)
    if (wanted <= 0) return 0
    if (toOffset > MAX_FILE_SIZE - wanted) return -EFBIG
    if (from === to && Math.abs(fromOffset - toOffset) < wanted) return -EINVAL
    if (source.dataKind === DATA_FILE && (target.dataKind === DATA_FILE || toOffset + wanted > MAX_INLINE)) {
      return this.#copyOnHost(caller, fromOffset, toOffset, wanted)
    }
    const got = this.#bytes.read(from, fromOffset, Math.min(wanted, MAX_INLINE), this.#buffer, 0)
    return got <= 0 ? got : this.#bytes.writeLocked(caller, to, toOffset, this.#buffer.subarray(0, got))
  }

  #copyOnHost(caller: Caller, fromOffset: number, toOffset: number, length: number): number {
    const publication = this.#publication
    const source = this.#source
    const target = this.#target
    const { ino, dataId } = source
    let id: number
    try {
      id = publication.open(target, toOffset + length)
    } catch (error) {
      return hostErrno(error)
    }
    let copied: number
    let blocks: number
    try {
      copied = this.#copySegments(dataId, fromOffset, id, toOffset, length)
      blocks = publication.blocksOf(id)
    } catch (error) {
      return publication.abandon(target, id, error)
    }
    // A file that was given up is cut to nothing, which looks like one hole: what was copied of it does not count.
    if (!this.#context.readInode(ino, source) || source.dataKind !== DATA_FILE || source.dataId !== dataId) {
      publication.drop(target, id)
      return MOVED
    }
    return publication.commit(caller, target, id, toOffset + copied, blocks, copied)
  }

  /** Copies data and holes in turn; returns how far it came, more than nothing. */
  #copySegments(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
    const { data } = this.#context
    const move = toOffset - fromOffset
    const end = fromOffset + length
    let at = fromOffset
    for (let left = MOST; at < end && left > 0; ) {
      const found = data.seek(from, at, false)
      const dataAt = found < 0 || found > end ? end : found
      if (dataAt > at) data.clear(to, at + move, dataAt - at)
      at = dataAt
      if (at === end) break
      const hole = data.seek(from, at, true)
      const wanted = Math.min(hole <= at ? end : hole, end, at + left) - at
      const copied = data.copy(from, at, to, at + move, wanted)
      // The source was cut meanwhile: the next search finds no data.
      at += copied
      left -= Math.max(copied, 1)
    }
    return at - fromOffset
  }
}
