/**
 * Attributes: getattr, setattr without a size (truncate.ts has those), and the rules by which a change is applied to an
 * inode record. Who may change what is the kernel's business (default_permissions).
 */
import type { FsContext } from './context.ts'
import { ENOENT } from './errno.ts'
import { ATTR_SIZE, InodeRecord, S_IFMT } from './inode.ts'
import {
  type AttributeChange,
  type Caller,
  SET_ATIME,
  SET_ATIME_NOW,
  SET_CTIME,
  SET_GID,
  SET_MODE,
  SET_MTIME,
  SET_MTIME_NOW,
  SET_SIZE,
  SET_UID,
} from './operations.ts'
import { dropCapability, dropPrivileges } from './publication.ts'

export class Attributes {
  readonly #context: FsContext
  readonly #inode = new InodeRecord()

  constructor(context: FsContext) {
    this.#context = context
  }

  getattr(ino: number, attr: Uint8Array, at: number): number {
    if (!this.#context.readInode(ino, this.#inode)) return -ENOENT
    this.#inode.copyAttr(attr, at)
    return 0
  }

  statx(ino: number, attr: Uint8Array, at: number): number {
    if (!this.#context.readInode(ino, this.#inode)) return -ENOENT
    this.#inode.copyAttr(attr, at)
    this.#inode.copyBtime(attr, at + ATTR_SIZE)
    return 0
  }

  setattr(caller: Caller, ino: number, change: AttributeChange, attr: Uint8Array, at: number): number {
    const context = this.#context
    const inode = this.#inode
    context.enter()
    try {
      if (!context.readInode(ino, inode)) return context.abandon(-ENOENT)
      applyChange(context, inode, change, caller)
      context.stageInode(inode)
      context.conclude(0)
    } finally {
      context.leave()
    }
    inode.copyAttr(attr, at)
    return 0
  }
}

/** Applies all of `change` but the size to `inode`, and stages what of its extended attributes changes with it. */
export function applyChange(context: FsContext, inode: InodeRecord, change: AttributeChange, caller: Caller): void {
  const { valid } = change
  const now = context.clock
  if ((valid & SET_MODE) !== 0) {
    inode.mode = inode.type | (change.mode & ~S_IFMT & 0o7777)
    context.acls.stageMode(inode)
  } else if (!inode.isDirectory && losesPrivileges(valid, caller)) dropPrivileges(inode)
  if ((valid & (SET_UID | SET_GID | SET_SIZE)) !== 0) dropCapability(context, inode)
  if ((valid & SET_UID) !== 0) inode.uid = change.uid
  if ((valid & SET_GID) !== 0) inode.gid = change.gid

  if ((valid & SET_ATIME_NOW) !== 0) inode.setAtime(now.seconds, now.nanoseconds)
  else if ((valid & SET_ATIME) !== 0) inode.setAtime(change.atime, change.atimeNs)
  if ((valid & SET_MTIME_NOW) !== 0) inode.setMtime(now.seconds, now.nanoseconds)
  else if ((valid & SET_MTIME) !== 0) inode.setMtime(change.mtime, change.mtimeNs)
  if ((valid & SET_CTIME) !== 0) inode.setCtime(change.ctime, change.ctimeNs)
  else inode.setCtime(now.seconds, now.nanoseconds)
}

/** A chown always takes setuid and setgid away, root's too; a truncation does unless the caller may set them. */
function losesPrivileges(valid: number, caller: Caller): boolean {
  return (valid & (SET_UID | SET_GID)) !== 0 || ((valid & SET_SIZE) !== 0 && caller.killsPrivileges)
}
