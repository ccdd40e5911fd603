/**
 * SETATTR with a size: the new size and every other attribute of the request become visible in one commit, and the
 * bytes move between nothing, the tree and a data file as the size demands. Bytes on the host are destroyed only once
 * the commit that gives them up is durable.
 */
import { MAX_INLINE } from '../limits.ts'
import type { Allocation } from './allocation.ts'
import { applyChange } from './attributes.ts'
import type { FsContext } from './context.ts'
import { EFBIG, EINVAL, EISDIR, ENOENT, hostErrno } from './errno.ts'
import { DATA_FILE, DATA_INLINE, DATA_NONE, InodeRecord, S_IFREG } from './inode.ts'
import { NS_INLINE } from './keys.ts'
import type { AttributeChange, Caller } from './operations.ts'
import { hostBlocks, inlineBlocks, MAX_FILE_SIZE, type Publication } from './publication.ts'

const NO_ID = 0

export class Truncation {
  readonly #context: FsContext
  readonly #allocation: Allocation
  readonly #publication: Publication
  readonly #inode = new InodeRecord()
  readonly #inline = new Uint8Array(MAX_INLINE)
  /** Data file that was made for this request, or NO_ID. */
  #created = NO_ID
  /** Size before the request. */
  #before = 0
  /** Whether the bytes were in a data file whose blocks do not follow from its size: it has holes, or reserved space. */
  #wasUneven = false

  constructor(context: FsContext, allocation: Allocation, publication: Publication) {
    this.#context = context
    this.#allocation = allocation
    this.#publication = publication
  }

  /** Carries out a change that has SET_SIZE. */
  setattr(caller: Caller, ino: number, change: AttributeChange, attr: Uint8Array, at: number): number {
    if (change.size < 0) return -EINVAL
    if (change.size > MAX_FILE_SIZE) return -EFBIG
    const { shared } = this.#context
    shared.lock(ino)
    try {
      const prepared = this.#prepare(ino, change.size)
      if (prepared < 0) return prepared
      const result = this.#commit(caller, ino, change)
      if (result < 0) return result
      if (change.size <= this.#before) this.#freeTail()
      this.#inode.copyAttr(attr, at)
      return 0
    } catch (error) {
      return hostErrno(error)
    } finally {
      shared.unlock(ino)
    }
  }

  /** Gives the host its space back; where that fails, the next open or growth of the file does it. */
  #freeTail(): void {
    const inode = this.#inode
    if (inode.dataKind !== DATA_FILE) return
    try {
      this.#allocation.cutTail(inode.dataId, inode.size)
      if (!this.#wasUneven) return
      this.#context.data.trim(inode.dataId)
      this.#correctBlocks(this.#publication.blocksOf(inode.dataId))
    } catch (error) {
      hostErrno(error)
    }
  }

  /** Commits what is known of the blocks of an uneven file only now that it is cut. */
  #correctBlocks(blocks: number): void {
    const context = this.#context
    const inode = this.#inode
    if (blocks === inode.blocks) return
    context.enter()
    try {
      if (!context.readInode(inode.ino, inode)) {
        context.abandon(0)
        return
      }
      inode.blocks = blocks
      context.stageInode(inode)
      context.concludeStep()
    } finally {
      context.leave()
    }
  }

  /** Reads the bytes that are to move and brings the host file into the state that the commit will publish. */
  #prepare(ino: number, size: number): number {
    const context = this.#context
    const inode = this.#inode
    this.#created = NO_ID
    if (!context.readInode(ino, inode)) return -ENOENT
    if (inode.type !== S_IFREG) return inode.isDirectory ? -EISDIR : -EINVAL
    this.#before = inode.size
    const fromHost = inode.dataKind === DATA_FILE
    this.#wasUneven = fromHost && inode.blocks !== hostBlocks(inode.size)
    if (size <= MAX_INLINE) {
      const wanted = Math.min(size, inode.size)
      const got = fromHost ? context.data.read(inode.dataId, this.#inline, 0, wanted, 0) : this.#readInline(ino)
      if (got < size) this.#inline.fill(0, Math.max(got, 0), size)
      return 0
    }
    if (fromHost) {
      if (size > inode.size) this.#allocation.cutTail(inode.dataId, inode.size)
      return 0
    }
    const stored = this.#readInline(ino)
    const id = this.#allocation.create()
    this.#created = id
    if (stored <= 0) return 0
    try {
      context.data.write(id, this.#inline, 0, stored, 0)
      if (context.inlinePromises.mayHold(ino)) context.data.sync(id)
    } catch (error) {
      this.#allocation.discard(id)
      throw error
    }
    return 0
  }

  #readInline(ino: number): number {
    return this.#context.readInline(ino, this.#inline, 0)
  }

  #commit(caller: Caller, ino: number, change: AttributeChange): number {
    const context = this.#context
    let result: number
    context.enter()
    try {
      result = context.conclude(this.#stage(caller, ino, change))
    } finally {
      context.leave()
    }
    if (result < 0 && this.#created !== NO_ID) this.#allocation.discard(this.#created)
    return result
  }

  #stage(caller: Caller, ino: number, change: AttributeChange): number {
    const context = this.#context
    const inode = this.#inode
    if (!context.readInode(ino, inode)) return -ENOENT
    const { size } = change
    if (size <= MAX_INLINE) this.#stageIntoTree(size)
    else this.#stageIntoFile(size)
    inode.size = size
    inode.setMtime(context.clock.seconds, context.clock.nanoseconds)
    applyChange(context, inode, change, caller)
    context.stageInode(inode)
    return 0
  }

  #stageIntoTree(size: number): void {
    const inode = this.#inode
    if (inode.dataKind === DATA_FILE) this.#allocation.stageRetire(inode.dataId)
    if (size > 0) this.#context.stageInline(inode.ino, this.#inline, size)
    else if (inode.dataKind === DATA_INLINE) this.#context.stageRemove(NS_INLINE, inode.ino)
    inode.dataKind = size > 0 ? DATA_INLINE : DATA_NONE
    inode.blocks = inlineBlocks(size)
  }

  #stageIntoFile(size: number): void {
    const inode = this.#inode
    if (inode.dataKind !== DATA_FILE) {
      if (inode.dataKind === DATA_INLINE) this.#context.stageRemove(NS_INLINE, inode.ino)
      this.#allocation.stagePublish(this.#created)
      inode.dataKind = DATA_FILE
      inode.dataId = this.#created
      inode.blocks = hostBlocks(inode.size)
    }
    if (size <= this.#before) inode.blocks = Math.min(inode.blocks, hostBlocks(size))
  }
}
