/**
 * The operations of a filesystem as fuse-native wants them: by path, each answered through a callback. One call at a time, in
 * the thread of the event loop, and answered before it returns.
 *
 * What the transport does not tell: who asks (all is done as the user who mounted), nanoseconds, modification times (the access
 * time comes twice), flags of a rename, names that are not UTF-8. docs/transport.md has the list.
 */
import { constants } from 'node:os'
import { errnoOf } from '../fuse/failure.ts'
import { ATTR_SIZE, S_IFDIR, S_IFMT, S_IFREG } from '../inode.ts'
import { ROOT_INO } from '../keys.ts'
import {
  type AttributeChange,
  type Caller,
  noChange,
  noStatistics,
  type Operations,
  SET_ATIME,
  SET_GID,
  SET_MODE,
  SET_MTIME,
  SET_SIZE,
  SET_UID,
} from '../operations.ts'
import type { Done } from './load.ts'
import { OpenFiles } from './open-files.ts'

const MAX_PATH = 4096
const MAX_U32 = 2 ** 32 - 1
/** A chown that leaves the user or the group as it is. */
const UNCHANGED = MAX_U32
const { EIO } = constants.errno

type Stat = Record<'mode' | 'uid' | 'gid' | 'size' | 'nlink' | 'ino' | 'rdev' | 'blksize' | 'blocks', number> &
  Record<'atime' | 'mtime' | 'ctime', number>

export class Adapter {
  readonly #operations: Operations
  /** The kernel applies the umask and takes setuid and setgid away. */
  readonly #caller: Caller = {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    pid: 0,
    umask: 0,
    killsPrivileges: false,
  }
  readonly #attr = new Uint8Array(ATTR_SIZE)
  readonly #view = new DataView(this.#attr.buffer)
  readonly #target = new Uint8Array(MAX_PATH)
  readonly #files = new OpenFiles()
  readonly #change: AttributeChange = noChange()
  readonly #statistics = noStatistics()

  constructor(operations: Operations) {
    this.#operations = operations
  }

  /** The object for fuse-native. `fail` is called with a programming mistake, which must end the mount. */
  handlers(fail: (error: unknown) => void): object {
    const guard = (call: () => number): number => {
      try {
        return call()
      } catch (error) {
        return this.#errno(error, fail)
      }
    }
    /** Answers with the status alone. */
    const act = (done: Done, call: () => number) => done(Math.min(guard(call), 0))
    /** Answers with a number of bytes, or minus an errno, in the place of the status. */
    const count = (done: Done, call: () => number) => done(guard(call))
    /** Answers with a descriptor. */
    const opened = (done: Done, call: () => number) => {
      const fd = guard(call)
      if (fd < 0) done(fd)
      else done(0, fd)
    }
    /** Answers with what `result` returns when `call` went well. */
    const ask = (done: Done, call: () => number, result: (value: number) => unknown) => {
      const value = guard(call)
      if (value < 0) done(value)
      else done(0, result(value))
    }
    return {
      getattr: (path: string, done: Done) =>
        ask(
          done,
          () => this.#find(path),
          () => this.#stat(),
        ),
      fgetattr: (path: string, _fd: number, done: Done) =>
        ask(
          done,
          () => this.#find(path),
          () => this.#stat(),
        ),
      statfs: (_path: string, done: Done) =>
        ask(
          done,
          () => this.#operations.statfs(this.#statistics),
          () => this.#statfs(),
        ),
      readlink: (path: string, done: Done) =>
        ask(
          done,
          () => this.#on(path, ino => this.#operations.readlink(ino, this.#target, 0)),
          length => Buffer.from(this.#target.subarray(0, length)).toString(),
        ),
      readdir: (path: string, done: Done) => {
        const names: string[] = []
        ask(
          done,
          () => this.#on(path, ino => this.#list(ino, names)),
          () => names,
        )
      },
      open: (path: string, _flags: number, done: Done) =>
        opened(done, () => this.#on(path, ino => this.#files.open(ino))),
      create: (path: string, mode: number, done: Done) =>
        opened(done, () => {
          const status = this.#mknod(path, (mode & ~S_IFMT) | S_IFREG, 0)
          return status < 0 ? status : this.#files.open(this.#ino())
        }),
      release: (_path: string, fd: number, done: Done) => act(done, () => this.#release(fd)),
      read: (_: string, fd: number, buffer: Buffer, length: number, position: number, done: Done) =>
        count(done, () => this.#operations.read(this.#files.ino(fd), position, length, buffer, 0)),
      write: (_: string, fd: number, buffer: Buffer, length: number, position: number, done: Done) =>
        count(done, () =>
          this.#operations.write(this.#caller, this.#files.ino(fd), position, buffer.subarray(0, length)),
        ),
      fsync: (_path: string, dataOnly: number, fd: number, done: Done) =>
        act(done, () => this.#operations.fsync(this.#files.ino(fd), dataOnly !== 0)),
      fsyncdir: (path: string, _dataOnly: number, _fd: number, done: Done) =>
        act(done, () => this.#on(path, ino => this.#operations.fsyncdir(ino))),
      truncate: (path: string, size: number, done: Done) => act(done, () => this.#set(path, { valid: SET_SIZE, size })),
      ftruncate: (path: string, _fd: number, size: number, done: Done) =>
        act(done, () => this.#set(path, { valid: SET_SIZE, size })),
      chmod: (path: string, mode: number, done: Done) => act(done, () => this.#set(path, { valid: SET_MODE, mode })),
      chown: (path: string, uid: number, gid: number, done: Done) => {
        const valid = (uid >>> 0 === UNCHANGED ? 0 : SET_UID) | (gid >>> 0 === UNCHANGED ? 0 : SET_GID)
        act(done, () => this.#set(path, { valid, uid: uid >>> 0, gid: gid >>> 0 }))
      },
      utimens: (path: string, atime: number, mtime: number, done: Done) =>
        act(done, () =>
          this.#set(path, {
            valid: SET_ATIME | SET_MTIME,
            atime: Math.floor(atime / 1000),
            atimeNs: (atime % 1000) * 1e6,
            mtime: Math.floor(mtime / 1000),
            mtimeNs: (mtime % 1000) * 1e6,
          }),
        ),
      mknod: (path: string, mode: number, rdev: number, done: Done) => act(done, () => this.#mknod(path, mode, rdev)),
      mkdir: (path: string, mode: number, done: Done) =>
        act(done, () =>
          this.#in(path, (parent, name) =>
            this.#operations.mkdir(this.#caller, parent, name, (mode & ~S_IFMT) | S_IFDIR, this.#attr, 0),
          ),
        ),
      symlink: (target: string, path: string, done: Done) =>
        act(done, () =>
          this.#in(path, (parent, name) =>
            this.#operations.symlink(this.#caller, parent, name, Buffer.from(target), this.#attr, 0),
          ),
        ),
      link: (from: string, to: string, done: Done) =>
        act(done, () =>
          this.#on(from, ino =>
            this.#in(to, (parent, name) => this.#operations.link(this.#caller, ino, parent, name, this.#attr, 0)),
          ),
        ),
      unlink: (path: string, done: Done) =>
        act(done, () =>
          this.#losing(path, () =>
            this.#in(path, (parent, name) => this.#operations.unlink(this.#caller, parent, name)),
          ),
        ),
      rmdir: (path: string, done: Done) =>
        act(done, () =>
          this.#losing(path, () =>
            this.#in(path, (parent, name) => this.#operations.rmdir(this.#caller, parent, name)),
          ),
        ),
      rename: (from: string, to: string, done: Done) =>
        act(done, () =>
          this.#losing(to, () =>
            this.#in(from, (parent, name) =>
              this.#in(to, (newParent, newName) =>
                this.#operations.rename(this.#caller, parent, name, newParent, newName, 0),
              ),
            ),
          ),
        ),
    }
  }

  #errno(error: unknown, fail: (error: unknown) => void): number {
    try {
      return errnoOf(error)
    } catch {
      fail(error)
      return -EIO
    }
  }

  /** Looks `path` up; its attributes are then in #attr. Returns 0 or minus an errno. */
  #find(path: string): number {
    let status = this.#operations.getattr(ROOT_INO, this.#attr, 0)
    for (const name of path.split('/')) {
      if (status < 0) return status
      if (name !== '') status = this.#operations.lookup(this.#caller, this.#ino(), Buffer.from(name), this.#attr, 0)
    }
    return Math.min(status, 0)
  }

  /** The inode whose attributes are in #attr. */
  #ino(): number {
    return this.#view.getUint32(0, true) + this.#view.getUint32(4, true) * 2 ** 32
  }

  #on(path: string, call: (ino: number) => number): number {
    const status = this.#find(path)
    return status < 0 ? status : call(this.#ino())
  }

  #in(path: string, call: (parent: number, name: Uint8Array) => number): number {
    const slash = path.lastIndexOf('/')
    return this.#on(path.slice(0, slash), parent => call(parent, Buffer.from(path.slice(slash + 1))))
  }

  /** Does what may take the last name from the inode at `path`, and lets go of the inode when nobody has it open. */
  #losing(path: string, call: () => number): number {
    const loser = this.#find(path) < 0 ? 0 : this.#ino()
    const status = call()
    if (status >= 0 && loser !== 0 && !this.#files.isOpen(loser)) this.#operations.forget(loser)
    return status
  }

  #mknod(path: string, mode: number, rdev: number): number {
    return this.#in(path, (parent, name) =>
      this.#operations.mknod(this.#caller, parent, name, mode, rdev, this.#attr, 0),
    )
  }

  #release(fd: number): number {
    const ino = this.#files.ino(fd)
    this.#files.close(fd)
    if (!this.#files.isOpen(ino)) this.#operations.forget(ino)
    return 0
  }

  #set(path: string, change: Partial<AttributeChange>): number {
    Object.assign(this.#change, change)
    return this.#on(path, ino => this.#operations.setattr(this.#caller, ino, this.#change, this.#attr, 0))
  }

  /** The whole listing: fuse-native takes no part of one. */
  #list(ino: number, names: string[]): number {
    const add = (_ino: number, _type: number, _cookie: number, name: Uint8Array, length: number) => {
      names.push(Buffer.from(name.subarray(0, length)).toString())
      return true
    }
    return this.#operations.readdir(ino, 0, { plus: false, add })
  }

  /** From #attr, a `struct fuse_attr`. Times in ms. */
  #stat(): Stat {
    const word = (at: number) => this.#view.getUint32(at, true)
    const wide = (at: number) => word(at) + word(at + 4) * 2 ** 32
    const time = (at: number, ns: number) =>
      Number(this.#view.getBigInt64(at, true)) * 1000 + Math.floor(word(ns) / 1e6)
    return {
      ino: wide(0),
      size: wide(8),
      blocks: wide(16),
      atime: time(24, 48),
      mtime: time(32, 52),
      ctime: time(40, 56),
      mode: word(60),
      nlink: word(64),
      uid: word(68),
      gid: word(72),
      rdev: word(76),
      blksize: word(80),
    }
  }

  /** Numbers of 32 bits are all that can be told. */
  #statfs(): object {
    const { blockSize, blocks, blocksFree, blocksAvailable, files, filesFree, nameMax } = this.#statistics
    const told = (value: number) => Math.min(value, MAX_U32)
    return {
      bsize: blockSize,
      frsize: blockSize,
      blocks: told(blocks),
      bfree: told(blocksFree),
      bavail: told(blocksAvailable),
      files: told(files),
      ffree: told(filesFree),
      favail: told(filesFree),
      namemax: nameMax,
    }
  }
}
