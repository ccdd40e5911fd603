/**
 * O_TMPFILE: a regular file that begins without a name. It is an orphan from its birth until link() gives it one; the directory
 * only lends it its group, and does not change.
 */
import { type FsContext, ORPHAN_UNSEEN } from './context.ts'
import { EROFS } from './errno.ts'
import { InodeRecord, S_IFREG } from './inode.ts'
import { initInode } from './new-inode.ts'
import type { Caller } from './operations.ts'

export class NamelessFiles {
  readonly #context: FsContext
  readonly #directory = new InodeRecord()
  readonly #inode = new InodeRecord()

  constructor(context: FsContext) {
    this.#context = context
  }

  create(caller: Caller, directory: number, mode: number, attr: Uint8Array, at: number): number {
    const context = this.#context
    if (context.readOnly) return -EROFS
    const inode = this.#inode
    context.enter()
    try {
      const bad = context.readDirectory(directory, this.#directory)
      if (bad < 0) return context.abandon(bad)
      initInode(context, inode, caller, this.#directory, S_IFREG | (mode & 0o7777), 0)
      inode.nlink = 0
      context.stageInode(inode)
      context.stageOrphan(inode.ino, ORPHAN_UNSEEN)
      context.conclude(0)
    } finally {
      context.leave()
    }
    inode.copyAttr(attr, at)
    return 0
  }
}
