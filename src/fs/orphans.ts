/**
 * Inodes without a name: they live on for whoever has them open and go when the kernel forgets them, or at the next
 * start when a crash came first.
 */
import type { Allocation } from './allocation.ts'
import type { FsContext } from './context.ts'
import { DATA_FILE, DATA_INLINE, InodeRecord } from './inode.ts'
import { ALL_ORPHANS, keyNumber, NO_KEY, NS_INLINE, NS_INODE, NS_ORPHAN } from './keys.ts'
import type { MetadataCursor } from './metadata.ts'

/** Orphans removed in one commit at a start. */
const BATCH = 64
/** Bytes of keys of extended attributes after which such a commit ends; an inode has at most half of that. */
const BATCH_BYTES = 1 << 20

export class Orphans {
  readonly #context: FsContext
  readonly #allocation: Allocation
  readonly #inode = new InodeRecord()
  readonly #cursor: MetadataCursor

  constructor(context: FsContext, allocation: Allocation) {
    this.#context = context
    this.#allocation = allocation
    this.#cursor = context.metadata.cursor()
  }

  forget(ino: number): void {
    const context = this.#context
    if (context.readOnly || !context.isOrphan(ino)) return
    context.enter()
    try {
      if (!context.isOrphan(ino)) {
        context.abandon(0)
        return
      }
      this.#stageEnd(ino)
      context.conclude(0)
    } finally {
      context.leave()
    }
  }

  /** Removes all orphans; returns how many. Only while nobody can have one open. */
  collect(): number {
    const context = this.#context
    let collected = 0
    for (let more = true; more; ) {
      let count = 0
      context.enter()
      try {
        this.#cursor.seek(ALL_ORPHANS, ALL_ORPHANS.length, NO_KEY, 0, -1, false)
        let bytes = 0
        while (count < BATCH && bytes < BATCH_BYTES && this.#cursor.next()) {
          bytes += this.#stageEnd(keyNumber(this.#cursor.key))
          count++
        }
        if (count === 0) context.abandon(0)
        else context.conclude(0)
      } finally {
        context.leave()
      }
      collected += count
      more = count > 0
    }
    return collected
  }

  /** Returns roughly how many bytes were staged beyond the few of every orphan. */
  #stageEnd(ino: number): number {
    const context = this.#context
    const inode = this.#inode
    let bytes = 0
    if (context.readInode(ino, inode)) {
      bytes = context.xattrs.stageEnd(inode)
      if (inode.dataKind === DATA_INLINE) context.stageRemove(NS_INLINE, ino)
      if (inode.dataKind === DATA_FILE) this.#allocation.stageRetire(inode.dataId)
      context.stageRemove(NS_INODE, ino)
    }
    context.stageRemove(NS_ORPHAN, ino)
    return bytes
  }
}
