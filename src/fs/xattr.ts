/**
 * getxattr, setxattr, listxattr, removexattr. A value has up to 64 KB, the names of an inode up to 64 KB together. Each
 * change is one commit with the inode's ctime. Access control lists go through access-lists.ts; who may read or change
 * what is the kernel's business, except that names in `trusted.` are listed to root only.
 */
import { MAX_VALUE } from '../limits.ts'
import type { FsContext } from './context.ts'
import { E2BIG, EEXIST, ENODATA, ENOENT, EPERM, ERANGE, EROFS } from './errno.ts'
import { InodeRecord, S_IFDIR, S_IFREG, XATTR_ACCESS, XATTR_DEFAULT } from './inode.ts'
import type { Caller } from './operations.ts'
import { checkXattrName, isTrustedName, isUserName, kindOfName } from './xattr-names.ts'

const XATTR_CREATE = 1
const XATTR_REPLACE = 2

export class Xattrs {
  readonly #context: FsContext
  readonly #inode = new InodeRecord()

  constructor(context: FsContext) {
    this.#context = context
  }

  getxattr(ino: number, name: Uint8Array, size: number, out: Uint8Array, at: number): number {
    const bad = checkXattrName(name)
    if (bad < 0) return bad
    if (!this.#context.readInode(ino, this.#inode)) return -ENOENT
    const length = this.#context.xattrs.read(this.#inode, name, out, at)
    if (length < 0) return -ENODATA
    return size > 0 && length > size ? -ERANGE : length
  }

  listxattr(caller: Caller, ino: number, size: number, out: Uint8Array, at: number): number {
    if (!this.#context.readInode(ino, this.#inode)) return -ENOENT
    let length = this.#context.xattrs.readNames(this.#inode, out, at)
    if (caller.uid !== 0) length = dropTrusted(out, at, length)
    return size > 0 && length > size ? -ERANGE : length
  }

  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number, killSetgid: boolean): number {
    const bad = this.#checkChange(name)
    if (bad < 0) return bad
    if (value.length > MAX_VALUE) return -E2BIG
    const context = this.#context
    context.enter()
    try {
      return context.conclude(this.#stageSet(ino, name, value, flags, killSetgid))
    } finally {
      context.leave()
    }
  }

  #stageSet(ino: number, name: Uint8Array, value: Uint8Array, flags: number, killSetgid: boolean): number {
    const context = this.#context
    const inode = this.#inode
    if (!context.readInode(ino, inode)) return -ENOENT
    if (isUserName(name) && inode.type !== S_IFREG && inode.type !== S_IFDIR) return -EPERM
    const kind = kindOfName(name)
    let result: number
    if (kind === XATTR_ACCESS || kind === XATTR_DEFAULT) {
      result = context.acls.stageSet(inode, kind, value, killSetgid)
    } else {
      const there = flags !== 0 && context.xattrs.has(inode, name)
      if (there && (flags & XATTR_CREATE) !== 0) return -EEXIST
      if (!there && (flags & XATTR_REPLACE) !== 0) return -ENODATA
      result = context.xattrs.stagePut(inode, name, value, value.length)
    }
    if (result < 0) return result
    context.touchChanged(inode)
    context.stageInode(inode)
    return 0
  }

  removexattr(ino: number, name: Uint8Array): number {
    const bad = this.#checkChange(name)
    if (bad < 0) return bad
    const context = this.#context
    const inode = this.#inode
    context.enter()
    try {
      if (!context.readInode(ino, inode)) return context.abandon(-ENOENT)
      if (!context.xattrs.stageRemove(inode, name)) return context.abandon(isAcl(name) ? 0 : -ENODATA)
      context.touchChanged(inode)
      context.stageInode(inode)
      return context.conclude(0)
    } finally {
      context.leave()
    }
  }

  #checkChange(name: Uint8Array): number {
    return this.#context.readOnly ? -EROFS : checkXattrName(name)
  }
}

/** Removing an access control list that is not there is no failure: the mode says the same. */
function isAcl(name: Uint8Array): boolean {
  return (kindOfName(name) & (XATTR_ACCESS | XATTR_DEFAULT)) !== 0
}

/** Takes the names in `trusted.` out of the list `out[at..at+length]`; returns what is left of its length. */
function dropTrusted(out: Uint8Array, at: number, length: number): number {
  const end = at + length
  let to = at
  for (let from = at; from < end; ) {
    const next = out.indexOf(0, from) + 1
    if (!isTrustedName(out, from)) {
      out.copyWithin(to, from, next)
      to += next - from
    }
    from = next
  }
  return to - at
}
