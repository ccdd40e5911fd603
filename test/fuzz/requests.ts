/**
 * Requests that no kernel would send: decoded, dispatched to the real operations over a store in memory, and answered. Beyond the
 * end of a request, and in the reply's buffer, stand bytes of others, which must not be in any answer.
 */
import { openStore } from '../../src/engine/store.ts'
import { DataFiles } from '../../src/fs/data-files.ts'
import { FileSystem } from '../../src/fs/filesystem.ts'
import { Dispatcher, expectsReply } from '../../src/fs/fuse/dispatch.ts'
import { Reply } from '../../src/fs/fuse/reply.ts'
import { Request } from '../../src/fs/fuse/request.ts'
import * as wire from '../../src/fs/fuse/wire.ts'
import { createFsShared } from '../../src/fs/shared.ts'
import { message } from '../fuse/message.ts'
import { ACCESS, acl } from '../support/acl.ts'
import { hostFailure } from '../support/host-failure.ts'
import { PowerCutStorage } from '../support/power-cut-storage.ts'
import type { Random } from '../support/random.ts'
import type { Input, Part } from './input.ts'
import type { Target } from './target.ts'

const TIMEOUTS = { entry: 1, attr: 1, negative: 1 }
const EVERYTHING = 4095
/** Operations may write so far into a reply that then says that they failed. */
const ROOM = 8192
/** Bytes that belong to nobody, sixteen of them in a row. */
const STALE_REQUEST = Buffer.from('<stale request!>')
const STALE_REPLY = Buffer.from('{stale reply...}')
const MOST_OF_A_FILE = 16 << 20
const STALE_REQUESTS = Buffer.alloc(wire.MESSAGE_SIZE, STALE_REQUEST)
const STALE_REPLIES = Buffer.alloc(wire.MESSAGE_SIZE, STALE_REPLY)

export const requestTarget: Target = {
  name: 'requests',
  corpus: () => [names(), bytes(), attributes()],
  isList: true,
  isMutable: () => true,
  repair(part) {
    if (part.bytes.length >= 4) part.bytes.writeUInt32LE(part.bytes.length, wire.IN_LEN)
  },
  mutate: mutateRequest,
  covers: [
    'fs/fuse/request.ts',
    'fs/fuse/dispatch.ts',
    'fs/fuse/reply.ts',
    'fs/fuse/xattr-requests.ts',
    'fs/fuse/statx.ts',
    'fs/names.ts',
    'fs/rename.ts',
    'fs/bytes.ts',
    'fs/ranges.ts',
    'fs/copy-range.ts',
    'fs/xattr.ts',
    'fs/directory.ts',
  ],
  run,
}

type Field = number | bigint | string | Buffer

/** Numbers are u32, bigints u64, strings end with NUL. */
function body(...fields: Field[]): Buffer {
  return Buffer.concat(
    fields.map(field => {
      if (typeof field === 'string') return Buffer.from(`${field}\0`, 'latin1')
      if (Buffer.isBuffer(field)) return field
      const bytes = Buffer.alloc(typeof field === 'bigint' ? 8 : 4)
      if (typeof field === 'bigint') bytes.writeBigUInt64LE(field)
      else bytes.writeUInt32LE(field)
      return bytes
    }),
  )
}

function request(opcode: number, ino: number, ...fields: Field[]): Part {
  const buffer = Buffer.alloc(wire.MESSAGE_SIZE)
  const length = message(buffer, opcode, { ino, unique: 77n, body: body(...fields) })
  return { name: `${opcode}`, bytes: Buffer.from(buffer.subarray(0, length)) }
}

const setattr = (ino: number, valid: number, size: bigint, mode: number) =>
  request(wire.FUSE_SETATTR, ino, valid, 0, 0n, size, 0n, 1n, 2n, 3n, 4, 5, 6, mode, 0, 7, 8, 0)
const write = (ino: number, at: bigint, data: Buffer) =>
  request(wire.FUSE_WRITE, ino, 0n, at, data.length, 0, 0n, 0, 0, data)
const read = (ino: number, at: bigint, size: number) => request(wire.FUSE_READ, ino, 0n, at, size, 0, 0n, 0, 0)
const readdir = (opcode: number, ino: number, at: bigint) => request(opcode, ino, 0n, at, 4096, 0, 0n, 0, 0)

function names(): Input {
  return [
    request(wire.FUSE_MKDIR, 1, 0o755, 0o22, 'directory'),
    request(wire.FUSE_MKNOD, 2, 0o100644, 0, 0o22, 0, 'file'),
    request(wire.FUSE_CREATE, 1, 0o102, 0o100644, 0o22, 0, 'created'),
    request(wire.FUSE_SYMLINK, 1, 'link', 'the/target'),
    request(wire.FUSE_READLINK, 5),
    request(wire.FUSE_LINK, 1, 3n, 'second'),
    request(wire.FUSE_LOOKUP, 1, 'second'),
    request(wire.FUSE_RENAME, 1, 2n, 'second', 'third'),
    request(wire.FUSE_RENAME2, 1, 1n, 2, 0, 'link', 'created'),
    readdir(wire.FUSE_READDIR, 1, 0n),
    readdir(wire.FUSE_READDIRPLUS, 2, 1n),
    request(wire.FUSE_UNLINK, 2, 'third'),
    request(wire.FUSE_RMDIR, 1, 'directory'),
    request(wire.FUSE_TMPFILE, 1, 0o102, 0o100600, 0, 0, '#'),
    request(wire.FUSE_FORGET, 6, 1n),
    request(wire.FUSE_BATCH_FORGET, 0, 2, 0, 3n, 1n, 4n, 1n),
    request(wire.FUSE_FSYNCDIR, 1, 0n, 0, 0),
    request(wire.FUSE_INTERRUPT, 0, 77n),
    request(wire.FUSE_LOOKUP, 2, '..'),
  ]
}

function bytes(): Input {
  return [
    request(wire.FUSE_MKNOD, 1, 0o100644, 0, 0, 0, 'a'),
    request(wire.FUSE_MKNOD, 1, 0o104755, 0, 0, 0, 'b'),
    write(2, 0n, Buffer.alloc(500, 'x')),
    write(2, 400n, Buffer.alloc(9000, 'y')),
    read(2, 100n, 20_000),
    request(wire.FUSE_FALLOCATE, 2, 0n, 4096n, 4096n, 3, 0),
    request(wire.FUSE_LSEEK, 2, 0n, 0n, 4, 0),
    request(wire.FUSE_COPY_FILE_RANGE, 2, 0n, 0n, 3n, 0n, 10n, 6000n, 0n),
    request(wire.FUSE_COPY_FILE_RANGE_64, 2, 0n, 0n, 3n, 0n, 10n, 9000n, 0n),
    setattr(2, 8, 3000n, 0),
    setattr(3, 8 | 1, 30_000n, 0o600),
    read(3, 0n, 40_000),
    request(wire.FUSE_FSYNC, 3, 0n, 1, 0),
    request(wire.FUSE_STATFS, 1),
    request(wire.FUSE_UNLINK, 1, 'b'),
    read(2, 0n, 0xffffffff),
  ]
}

function attributes(): Input {
  const list = acl('u::rwx,u:7:rw,g::rx,m::rwx,o::')
  return [
    request(wire.FUSE_MKNOD, 1, 0o100644, 0, 0, 0, 'a'),
    request(wire.FUSE_SETXATTR, 2, 5, 0, 0, 0, 'user.a', Buffer.from('value')),
    request(wire.FUSE_SETXATTR, 2, 6, 1, 'user.old', Buffer.from('values')),
    request(wire.FUSE_SETXATTR, 2, list.length, 0, 1, 0, ACCESS, list),
    request(wire.FUSE_GETXATTR, 2, 100, 0, 'user.a'),
    request(wire.FUSE_GETXATTR, 2, 0, 0, ACCESS),
    request(wire.FUSE_LISTXATTR, 2, 1000, 0),
    request(wire.FUSE_REMOVEXATTR, 2, 'user.a'),
    request(wire.FUSE_GETATTR, 2, 0, 0, 0n),
    request(wire.FUSE_STATX, 2, 0, 0, 0n, 0, 0xfff),
    setattr(2, 1 | 2 | 4 | 16 | 32, 0n, 0o4755),
    request(wire.FUSE_OPEN, 2, 0, 0),
    request(wire.FUSE_ACCESS, 2, 4, 0),
    request(wire.FUSE_DESTROY, 1),
  ]
}

/** Opcode, inode, or a number of the body. */
function mutateRequest(part: Part, random: Random): boolean {
  const { bytes } = part
  const below = (limit: number) => Math.floor(random() * limit)
  if (bytes.length < wire.IN_HEADER_SIZE) return false
  switch (below(4)) {
    case 0:
      bytes.writeUInt32LE(below(56), wire.IN_OPCODE)
      break
    case 1:
      bytes.writeUInt32LE(below(8), wire.IN_NODEID)
      bytes.writeUInt32LE(below(10) === 0 ? below(2 ** 32) : 0, wire.IN_NODEID + 4)
      break
    default: {
      const at = wire.IN_HEADER_SIZE + 4 * below(16)
      if (at + 4 > bytes.length) return false
      bytes.writeUInt32LE(below(2) === 0 ? below(2 ** 32) : below(70_000), at)
    }
  }
  return true
}

/** A host that, unlike one with sparse files, has memory for each byte of a file: it takes none that are too large for that. */
class SmallFiles extends PowerCutStorage {
  override write(fd: number, source: Uint8Array, at: number, length: number, position: number): void {
    assertSmall(position + length)
    super.write(fd, source, at, length, position)
  }

  override truncate(fd: number, length: number): void {
    assertSmall(length)
    super.truncate(fd, length)
  }

  override allocate(fd: number, mode: number, position: number, length: number): void {
    assertSmall(position + length)
    super.allocate(fd, mode, position, length)
  }

  override copyRange(from: number, fromPosition: number, to: number, toPosition: number, length: number): number {
    assertSmall(toPosition + length)
    return super.copyRange(from, fromPosition, to, toPosition, length)
  }
}

function assertSmall(end: number): void {
  if (end > MOST_OF_A_FILE) throw hostFailure('EFBIG', 'write', 'EFBIG: file too large, write')
}

function run(input: Input): string {
  const store = openStore()
  const shared = createFsShared()
  const storage = new SmallFiles()
  storage.mkdir('/store')
  const data = new DataFiles(storage, '/store/data', shared)
  const filesystem = new FileSystem(store.tree, data, shared, { readOnly: false, statfsPath: '/' })
  filesystem.format(0, 0)
  const request = new Request()
  const reply = new Reply(TIMEOUTS)
  const dispatcher = new Dispatcher(filesystem, request, reply)
  STALE_REPLIES.copy(reply.bytes)
  STALE_REQUESTS.copy(request.bytes)
  for (const [i, { bytes }] of input.entries()) {
    const length = Math.min(bytes.length, request.bytes.length)
    bytes.copy(request.bytes)
    if (!request.accept(length)) continue
    const answered = dispatcher.handle()
    const problem = problemOf(answered, request, reply)
    if (problem !== '') return `request ${i}, opcode ${request.opcode}: ${problem}`
    STALE_REQUESTS.copy(request.bytes, 0, 0, length)
    STALE_REPLIES.copy(reply.bytes, 0, 0, Math.max(answered, ROOM))
  }
  store.close()
  return ''
}

function problemOf(length: number, request: Request, reply: Reply): string {
  if (!expectsReply(request.opcode)) return length === 0 ? '' : `${length} bytes of reply to what gets none`
  if (length < wire.OUT_HEADER_SIZE || length > reply.bytes.length) return `a reply of ${length} bytes`
  if (reply.bytes.readUInt32LE(0) !== length) return `length ${reply.bytes.readUInt32LE(0)} in ${length} bytes of reply`
  if (reply.bytes.readUInt32LE(8) !== request.uniqueLow || reply.bytes.readUInt32LE(12) !== request.uniqueHigh) {
    return 'the number of another request'
  }
  const error = reply.bytes.readInt32LE(4)
  if (error > 0 || error < -EVERYTHING) return `error ${error}`
  if (error !== 0 && length !== wire.OUT_HEADER_SIZE) return `error ${error} with a body`
  const answer = reply.bytes.subarray(0, length)
  for (const stale of [STALE_REPLY, STALE_REQUEST]) {
    if (answer.includes(stale)) return `bytes that nobody put there: ${stale}`
  }
  return ''
}
