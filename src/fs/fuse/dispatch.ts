/**
 * From opcode to operation: decodes the request's body, calls one method of Operations (two for CREATE), encodes its
 * result. Synchronous; an opcode that is not here is answered with ENOSYS, which the kernel remembers and then does
 * without. Long and flat on purpose: this runs for every request.
 */
import { constants as files } from 'node:fs'
import { constants } from 'node:os'
import { noStatistics, type Operations, SET_SIZE } from '../operations.ts'
import { errnoOf } from './failure.ts'
import { Reply } from './reply.ts'
import type { Request } from './request.ts'
import * as wire from './wire.ts'
import { getxattr, listxattr, removexattr, setxattr } from './xattr-requests.ts'

const { EDQUOT, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOSPC, ENOSYS } = constants.errno
const { O_EXCL, S_IFMT, S_IFREG } = files

export class Dispatcher {
  readonly #operations: Operations
  readonly #request: Request
  readonly #reply: Reply
  readonly #statistics = noStatistics()

  constructor(operations: Operations, request: Request, reply: Reply) {
    this.#operations = operations
    this.#request = request
    this.#reply = reply
  }

  /**
   * Serves the request; returns the length of the reply, 0 when it gets none.
   * @throws what {@link errnoOf} calls a programming mistake
   */
  handle(): number {
    try {
      return this.#handle()
    } catch (error) {
      return this.#failed(error)
    }
  }

  #failed(error: unknown): number {
    const errno = errnoOf(error)
    if ((errno === -ENOSPC || errno === -EDQUOT) && mayFreeSpace(this.#request) && this.#operations.useReserve(true)) {
      try {
        return this.#handle()
      } catch (again) {
        return this.#error(errnoOf(again))
      } finally {
        this.#operations.useReserve(false)
      }
    }
    return this.#error(errno)
  }

  #error(errno: number): number {
    return expectsReply(this.#request.opcode) ? this.#reply.error(this.#request, errno) : 0
  }

  #handle(): number {
    const request = this.#request
    const reply = this.#reply
    const operations = this.#operations
    const ino = request.ino
    if (request.length < wire.LEAST_LENGTH[request.opcode]) return this.#error(-EINVAL)
    switch (request.opcode) {
      case wire.FUSE_LOOKUP:
        return this.#lookup()
      case wire.FUSE_FORGET:
        operations.forget(ino)
        return 0
      case wire.FUSE_BATCH_FORGET:
        return this.#batchForget()
      case wire.FUSE_INTERRUPT:
        return 0
      case wire.FUSE_GETATTR:
        return this.#attributes(operations.getattr(ino, reply.bytes, Reply.ATTR_AT))
      case wire.FUSE_STATX: {
        const rc = operations.statx(ino, reply.bytes, Reply.STATX_ATTR_AT)
        return rc < 0 ? reply.error(request, rc) : reply.statx(request)
      }
      case wire.FUSE_SETATTR: {
        const change = request.attributeChange()
        return this.#attributes(operations.setattr(request.caller, ino, change, reply.bytes, Reply.ATTR_AT))
      }
      case wire.FUSE_READLINK:
        return this.#data(operations.readlink(ino, reply.bytes, Reply.DATA_AT))
      case wire.FUSE_SYMLINK:
        return this.#symlink()
      case wire.FUSE_MKNOD: {
        const name = request.name(wire.MKNOD_NAME, request.length - 1)
        if (name === undefined) return this.#tooLong()
        request.caller.umask = request.u32(wire.MKNOD_UMASK)
        const mode = request.u32(wire.MKNOD_MODE)
        const rdev = request.u32(wire.MKNOD_RDEV)
        return this.#entry(operations.mknod(request.caller, ino, name, mode, rdev, reply.bytes, Reply.ENTRY_ATTR_AT))
      }
      case wire.FUSE_MKDIR: {
        const name = request.name(wire.MKDIR_NAME, request.length - 1)
        if (name === undefined) return this.#tooLong()
        request.caller.umask = request.u32(wire.MKDIR_UMASK)
        const mode = request.u32(wire.MKDIR_MODE)
        return this.#entry(operations.mkdir(request.caller, ino, name, mode, reply.bytes, Reply.ENTRY_ATTR_AT))
      }
      case wire.FUSE_UNLINK: {
        const name = request.name(wire.IN_HEADER_SIZE, request.length - 1)
        return name === undefined ? this.#tooLong() : this.#status(operations.unlink(request.caller, ino, name))
      }
      case wire.FUSE_RMDIR: {
        const name = request.name(wire.IN_HEADER_SIZE, request.length - 1)
        return name === undefined ? this.#tooLong() : this.#status(operations.rmdir(request.caller, ino, name))
      }
      case wire.FUSE_RENAME:
        return this.#rename(wire.RENAME_NAMES, 0)
      case wire.FUSE_RENAME2:
        return this.#rename(wire.RENAME2_NAMES, request.u32(wire.RENAME2_FLAGS))
      case wire.FUSE_LINK: {
        const name = request.name(wire.LINK_NAME, request.length - 1)
        if (name === undefined) return this.#tooLong()
        const old = request.u64(wire.LINK_OLDNODEID)
        return this.#entry(operations.link(request.caller, old, ino, name, reply.bytes, Reply.ENTRY_ATTR_AT))
      }
      case wire.FUSE_CREATE:
        return this.#create()
      case wire.FUSE_TMPFILE:
        return this.#tmpfile()
      case wire.FUSE_READ: {
        const size = Math.min(request.u32(wire.READ_SIZE), wire.MAX_TRANSFER)
        return this.#data(operations.read(ino, request.u64(wire.READ_OFFSET), size, reply.bytes, Reply.DATA_AT))
      }
      case wire.FUSE_WRITE: {
        const size = Math.min(request.u32(wire.WRITE_SIZE), request.length - wire.WRITE_DATA)
        request.caller.killsPrivileges = (request.u32(wire.WRITE_FLAGS) & wire.WRITE_KILL_SUIDGID) !== 0
        const data = request.bytes.subarray(wire.WRITE_DATA, wire.WRITE_DATA + size)
        const rc = operations.write(request.caller, ino, request.u64(wire.WRITE_OFFSET), data)
        return rc < 0 ? reply.error(request, rc) : reply.written(request, rc)
      }
      case wire.FUSE_FALLOCATE: {
        const offset = request.u64(wire.FALLOCATE_OFFSET)
        const length = request.u64(wire.FALLOCATE_LENGTH)
        return this.#status(operations.fallocate(request.caller, ino, request.u32(wire.FALLOCATE_MODE), offset, length))
      }
      case wire.FUSE_LSEEK: {
        const rc = operations.seek(ino, request.u64(wire.LSEEK_OFFSET), request.u32(wire.LSEEK_WHENCE))
        return rc < 0 ? reply.error(request, rc) : reply.wide(request, rc)
      }
      case wire.FUSE_COPY_FILE_RANGE: {
        const rc = this.#copyRange()
        return rc < 0 ? reply.error(request, rc) : reply.written(request, rc)
      }
      case wire.FUSE_COPY_FILE_RANGE_64: {
        const rc = this.#copyRange()
        return rc < 0 ? reply.error(request, rc) : reply.wide(request, rc)
      }
      case wire.FUSE_STATFS: {
        const rc = operations.statfs(this.#statistics)
        return rc < 0 ? reply.error(request, rc) : reply.statistics(request, this.#statistics)
      }
      case wire.FUSE_FSYNC:
        return this.#status(operations.fsync(ino, (request.u32(wire.FSYNC_FLAGS) & wire.FSYNC_FDATASYNC) !== 0))
      case wire.FUSE_GETXATTR:
        return getxattr(operations, request, reply)
      case wire.FUSE_LISTXATTR:
        return listxattr(operations, request, reply)
      case wire.FUSE_SETXATTR:
        return this.#status(setxattr(operations, request))
      case wire.FUSE_REMOVEXATTR:
        return this.#status(removexattr(operations, request))
      case wire.FUSE_READDIR:
        return this.#readdir(false)
      case wire.FUSE_READDIRPLUS:
        return this.#readdir(true)
      case wire.FUSE_FSYNCDIR:
        return this.#status(operations.fsyncdir(ino))
      case wire.FUSE_DESTROY:
        return reply.data(request, 0)
      default:
        return reply.error(request, -ENOSYS)
    }
  }

  #copyRange(): number {
    const request = this.#request
    return this.#operations.copyRange(
      request.caller,
      request.ino,
      request.u64(wire.COPY_OFFSET_IN),
      request.u64(wire.COPY_NODE_OUT),
      request.u64(wire.COPY_OFFSET_OUT),
      request.u64(wire.COPY_LENGTH),
      request.u64(wire.COPY_FLAGS),
    )
  }

  #lookup(): number {
    const request = this.#request
    const reply = this.#reply
    const name = request.name(wire.IN_HEADER_SIZE, request.length - 1)
    if (name === undefined) return this.#tooLong()
    const rc = this.#operations.lookup(request.caller, request.ino, name, reply.bytes, Reply.ENTRY_ATTR_AT)
    return rc === -ENOENT ? reply.negativeEntry(request) : this.#entry(rc)
  }

  #batchForget(): number {
    const request = this.#request
    const fits = (request.length - wire.BATCH_FORGET_ENTRIES) / wire.FORGET_ONE_SIZE
    const count = Math.min(request.u32(wire.BATCH_FORGET_COUNT), fits)
    for (let i = 0, at = wire.BATCH_FORGET_ENTRIES; i < count; i++, at += wire.FORGET_ONE_SIZE) {
      this.#operations.forget(request.u64(at))
    }
    return 0
  }

  #symlink(): number {
    const request = this.#request
    const nameEnd = request.end(wire.IN_HEADER_SIZE)
    const name = request.name(wire.IN_HEADER_SIZE, nameEnd)
    if (name === undefined) return this.#tooLong()
    const target = request.bytes.subarray(nameEnd + 1, request.length - 1)
    const { bytes } = this.#reply
    return this.#entry(this.#operations.symlink(request.caller, request.ino, name, target, bytes, Reply.ENTRY_ATTR_AT))
  }

  #rename(at: number, flags: number): number {
    const request = this.#request
    const nameEnd = request.end(at)
    const name = request.name(at, nameEnd)
    const newName = request.name(nameEnd + 1, request.length - 1)
    if (name === undefined || newName === undefined) return this.#tooLong()
    const newParent = request.u64(wire.RENAME_NEWDIR)
    return this.#status(this.#operations.rename(request.caller, request.ino, name, newParent, newName, flags))
  }

  /** Somebody may have created the name since the kernel looked: without O_EXCL that is an ordinary open. */
  #create(): number {
    const request = this.#request
    const reply = this.#reply
    const { caller } = request
    const operations = this.#operations
    const name = request.name(wire.CREATE_NAME, request.length - 1)
    if (name === undefined) return this.#tooLong()
    caller.umask = request.u32(wire.CREATE_UMASK)
    const flags = request.u32(wire.CREATE_FLAGS)
    const mode = (request.u32(wire.CREATE_MODE) & ~S_IFMT) | S_IFREG
    const at = Reply.ENTRY_ATTR_AT
    let rc = operations.mknod(caller, request.ino, name, mode, 0, reply.bytes, at)
    if (rc === -EEXIST && (flags & O_EXCL) === 0) rc = operations.lookup(caller, request.ino, name, reply.bytes, at)
    return rc < 0 ? reply.error(request, rc) : reply.created(request, 0, wire.FOPEN_KEEP_CACHE)
  }

  /** Its body is that of CREATE; the name in it is the kernel's own and means nothing. */
  #tmpfile(): number {
    const request = this.#request
    const reply = this.#reply
    const mode = request.u32(wire.CREATE_MODE)
    request.caller.umask = request.u32(wire.CREATE_UMASK)
    const rc = this.#operations.tmpfile(request.caller, request.ino, mode, reply.bytes, Reply.ENTRY_ATTR_AT)
    return rc < 0 ? reply.error(request, rc) : reply.created(request, 0, wire.FOPEN_KEEP_CACHE)
  }

  #readdir(plus: boolean): number {
    const request = this.#request
    const reply = this.#reply
    reply.beginDirectory(request.u32(wire.READ_SIZE), plus)
    const rc = this.#operations.readdir(request.ino, request.u64(wire.READ_OFFSET), reply)
    return rc < 0 ? reply.error(request, rc) : reply.directory(request)
  }

  #entry(rc: number): number {
    return rc < 0 ? this.#reply.error(this.#request, rc) : this.#reply.entry(this.#request)
  }

  #attributes(rc: number): number {
    return rc < 0 ? this.#reply.error(this.#request, rc) : this.#reply.attributes(this.#request)
  }

  #data(rc: number): number {
    return rc < 0 ? this.#reply.error(this.#request, rc) : this.#reply.data(this.#request, rc)
  }

  #status(rc: number): number {
    return rc < 0 ? this.#reply.error(this.#request, rc) : this.#reply.data(this.#request, 0)
  }

  #tooLong(): number {
    return this.#reply.error(this.#request, -ENAMETOOLONG)
  }
}

/** The kernel refuses a reply to what it does not wait for, and would take it for a broken server. */
export function expectsReply(opcode: number): boolean {
  return opcode !== wire.FUSE_FORGET && opcode !== wire.FUSE_BATCH_FORGET && opcode !== wire.FUSE_INTERRUPT
}

/** Whether the request removes something or truncates. */
function mayFreeSpace(request: Request): boolean {
  switch (request.opcode) {
    case wire.FUSE_UNLINK:
    case wire.FUSE_RMDIR:
    case wire.FUSE_REMOVEXATTR:
    case wire.FUSE_FORGET:
    case wire.FUSE_BATCH_FORGET:
      return true
    case wire.FUSE_SETATTR:
      return (request.u32(wire.SETATTR_VALID) & SET_SIZE) !== 0
    default:
      return false
  }
}
