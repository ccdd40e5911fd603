/** A small filesystem in a Map, for tests of the transport: one worker, no permissions of its own, everything in memory. */
import { constants } from 'node:os'
import type {
  AttributeChange,
  Caller,
  DirectorySink,
  FilesystemStatistics,
  Operations,
} from '../../src/fs/operations.ts'
import * as op from '../../src/fs/operations.ts'

const { EEXIST, EINVAL, EISDIR, ENOENT, ENOSYS, ENOTDIR, ENOTEMPTY } = constants.errno
const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFLNK = 0o120000

interface Inode {
  ino: number
  mode: number
  nlink: number
  uid: number
  gid: number
  rdev: number
  atime: number
  atimeNs: number
  mtime: number
  mtimeNs: number
  ctime: number
  ctimeNs: number
  data: Buffer
  entries: Map<string, number> | undefined
  parent: number
}

export class MemoryOperations implements Operations {
  readonly inodes = new Map<number, Inode>()
  /** Above 2^32, so that a lost high word shows. */
  #next = 2 ** 40 + 7

  constructor() {
    this.#create({ uid: 0, gid: 0, pid: 0, umask: 0, killsPrivileges: false }, 1, S_IFDIR | 0o755, 0, 1).nlink = 2
  }

  #create(caller: Caller, ino: number, mode: number, rdev: number, parent: number): Inode {
    const now = Date.now()
    const s = Math.floor(now / 1000)
    const ns = (now % 1000) * 1e6
    const times = { atime: s, atimeNs: ns, mtime: s, mtimeNs: ns, ctime: s, ctimeNs: ns }
    const entries = (mode & S_IFMT) === S_IFDIR ? new Map<string, number>() : undefined
    const { uid, gid } = caller
    const inode: Inode = { ino, mode, nlink: 1, uid, gid, rdev, ...times, data: Buffer.alloc(0), entries, parent }
    this.inodes.set(ino, inode)
    return inode
  }

  #put(inode: Inode, attr: Uint8Array, at: number): number {
    const view = new DataView(attr.buffer, attr.byteOffset + at, 88)
    const size = inode.entries === undefined ? inode.data.length : 4096
    const words = [inode.ino, size, Math.ceil(size / 512), inode.atime, inode.mtime, inode.ctime]
    for (const [i, value] of words.entries()) view.setBigInt64(i * 8, BigInt(value), true)
    const { atimeNs, mtimeNs, ctimeNs, mode, nlink, uid, gid, rdev } = inode
    for (const [i, value] of [atimeNs, mtimeNs, ctimeNs, mode, nlink, uid, gid, rdev, 4096, 0].entries()) {
      view.setUint32(48 + i * 4, value, true)
    }
    return 0
  }

  #child(parent: number, name: Uint8Array): Inode | undefined {
    return this.inodes.get(this.inodes.get(parent)?.entries?.get(text(name)) ?? 0)
  }

  #add(caller: Caller, parent: number, name: Uint8Array, mode: number, rdev: number): Inode | undefined {
    const directory = this.inodes.get(parent)
    if (directory?.entries === undefined || directory.entries.has(text(name))) return undefined
    const inode = this.#create(caller, this.#next++, mode, rdev, parent)
    directory.entries.set(text(name), inode.ino)
    return inode
  }

  lookup(_caller: Caller, parent: number, name: Uint8Array, attr: Uint8Array, at: number): number {
    const inode = this.#child(parent, name)
    return inode === undefined ? -ENOENT : this.#put(inode, attr, at)
  }

  forget(): void {}

  getattr(ino: number, attr: Uint8Array, at: number): number {
    const inode = this.inodes.get(ino)
    return inode === undefined ? -ENOENT : this.#put(inode, attr, at)
  }

  statx(): number {
    return -ENOSYS
  }

  setattr(_caller: Caller, ino: number, change: AttributeChange, attr: Uint8Array, at: number): number {
    const inode = this.inodes.get(ino)
    if (inode === undefined) return -ENOENT
    const { valid } = change
    if (valid & op.SET_MODE) inode.mode = (inode.mode & S_IFMT) | (change.mode & ~S_IFMT)
    if (valid & op.SET_UID) inode.uid = change.uid
    if (valid & op.SET_GID) inode.gid = change.gid
    if (valid & op.SET_SIZE) {
      const data = Buffer.alloc(change.size)
      inode.data.copy(data)
      inode.data = data
    }
    const now = Date.now() / 1000
    if (valid & op.SET_ATIME_NOW) inode.atime = Math.floor(now)
    else if (valid & op.SET_ATIME) Object.assign(inode, { atime: change.atime, atimeNs: change.atimeNs })
    if (valid & op.SET_MTIME_NOW) inode.mtime = Math.floor(now)
    else if (valid & op.SET_MTIME) Object.assign(inode, { mtime: change.mtime, mtimeNs: change.mtimeNs })
    return this.#put(inode, attr, at)
  }

  readlink(ino: number, out: Uint8Array, at: number): number {
    const { data } = this.inodes.get(ino)!
    out.set(data, at)
    return data.length
  }

  symlink(caller: Caller, parent: number, name: Uint8Array, target: Uint8Array, attr: Uint8Array, at: number): number {
    const inode = this.#add(caller, parent, name, S_IFLNK | 0o777, 0)
    if (inode === undefined) return -EEXIST
    inode.data = Buffer.from(target)
    return this.#put(inode, attr, at)
  }

  mknod(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    rdev: number,
    attr: Uint8Array,
    at: number,
  ): number {
    const inode = this.#add(caller, parent, name, mode & ~caller.umask, rdev)
    return inode === undefined ? -EEXIST : this.#put(inode, attr, at)
  }

  tmpfile(): number {
    return -ENOSYS
  }

  mkdir(caller: Caller, parent: number, name: Uint8Array, mode: number, attr: Uint8Array, at: number): number {
    const inode = this.#add(caller, parent, name, (mode & ~caller.umask) | S_IFDIR, 0)
    if (inode === undefined) return -EEXIST
    inode.nlink = 2
    this.inodes.get(parent)!.nlink++
    return this.#put(inode, attr, at)
  }

  unlink(_caller: Caller, parent: number, name: Uint8Array): number {
    const inode = this.#child(parent, name)
    if (inode === undefined) return -ENOENT
    if (inode.entries !== undefined) return -EISDIR
    this.inodes.get(parent)!.entries!.delete(text(name))
    inode.nlink--
    return 0
  }

  rmdir(_caller: Caller, parent: number, name: Uint8Array): number {
    const inode = this.#child(parent, name)
    if (inode === undefined) return -ENOENT
    if (inode.entries === undefined) return -ENOTDIR
    if (inode.entries.size > 0) return -ENOTEMPTY
    const directory = this.inodes.get(parent)!
    directory.entries!.delete(text(name))
    directory.nlink--
    return 0
  }

  rename(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    flags: number,
  ): number {
    if (flags !== 0) return -EINVAL
    const inode = this.#child(parent, name)
    if (inode === undefined) return -ENOENT
    const over = this.#child(newParent, newName)
    if (over !== undefined) {
      const rc = over.entries ? this.rmdir(caller, newParent, newName) : this.unlink(caller, newParent, newName)
      if (rc < 0) return rc
    }
    this.inodes.get(parent)!.entries!.delete(text(name))
    this.inodes.get(newParent)!.entries!.set(text(newName), inode.ino)
    if (inode.entries === undefined) return 0
    this.inodes.get(parent)!.nlink--
    this.inodes.get(newParent)!.nlink++
    inode.parent = newParent
    return 0
  }

  link(_caller: Caller, ino: number, newParent: number, newName: Uint8Array, attr: Uint8Array, at: number): number {
    const inode = this.inodes.get(ino)!
    if (this.#child(newParent, newName) !== undefined) return -EEXIST
    this.inodes.get(newParent)!.entries!.set(text(newName), ino)
    inode.nlink++
    return this.#put(inode, attr, at)
  }

  read(ino: number, offset: number, size: number, out: Uint8Array, at: number): number {
    const { data } = this.inodes.get(ino)!
    const part = data.subarray(Math.min(offset, data.length), Math.min(offset + size, data.length))
    out.set(part, at)
    return part.length
  }

  write(_caller: Caller, ino: number, offset: number, data: Uint8Array): number {
    const inode = this.inodes.get(ino)!
    if (offset + data.length > inode.data.length) {
      const grown = Buffer.alloc(offset + data.length)
      inode.data.copy(grown)
      inode.data = grown
    }
    inode.data.set(data, offset)
    return data.length
  }

  useReserve(): boolean {
    return false
  }

  fallocate(): number {
    return -ENOSYS
  }

  seek(): number {
    return -ENOSYS
  }

  copyRange(): number {
    return -ENOSYS
  }

  fsync(): number {
    return 0
  }

  readdir(ino: number, offset: number, sink: DirectorySink): number {
    const { entries, parent } = this.inodes.get(ino)!
    const all: [string, number][] = [['.', ino], ['..', parent], ...entries!]
    const attr = new Uint8Array(88)
    for (let i = offset; i < all.length; i++) {
      const name = Buffer.from(all[i][0], 'latin1')
      const inode = this.inodes.get(all[i][1])!
      this.#put(inode, attr, 0)
      if (!sink.add(inode.ino, (inode.mode & S_IFMT) >> 12, i + 1, name, name.length, attr, 0)) break
    }
    return 0
  }

  fsyncdir(): number {
    return 0
  }

  getxattr(): number {
    return -ENOSYS
  }

  listxattr(): number {
    return -ENOSYS
  }

  setxattr(): number {
    return -ENOSYS
  }

  removexattr(): number {
    return -ENOSYS
  }

  statfs(out: FilesystemStatistics): number {
    Object.assign(out, { blockSize: 4096, blocks: 2 ** 33, blocksFree: 2 ** 32, blocksAvailable: 2 ** 31 })
    Object.assign(out, { files: 1000, filesFree: 1000 - this.inodes.size, nameMax: 255 })
    return 0
  }
}

function text(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1')
}

/** `handle.crashOn`: looking this name up is a programming mistake; `handle.failOn`: a host error. */
class FaultyOperations extends MemoryOperations {
  readonly #handle: { crashOn?: string; failOn?: string }

  constructor(handle: { crashOn?: string; failOn?: string }) {
    super()
    this.#handle = handle
  }

  override lookup(caller: Caller, parent: number, name: Uint8Array, attr: Uint8Array, at: number): number {
    if (text(name) === this.#handle.crashOn) throw new TypeError('this is a bug')
    if (text(name) === this.#handle.failOn) {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' })
    }
    return super.lookup(caller, parent, name, attr, at)
  }
}

export function attachOperations(handle: unknown): Operations {
  return new FaultyOperations((handle ?? {}) as { crashOn?: string; failOn?: string })
}
