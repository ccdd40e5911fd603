/** The encoder and decoder against structures put together field by field, and against the C compiler's idea of their sizes. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Reply } from '../../src/fs/fuse/reply.ts'
import { Request } from '../../src/fs/fuse/request.ts'
import * as wire from '../../src/fs/fuse/wire.ts'
import { MemoryReader, message } from './message.ts'

const timeouts = { entry: 11, attr: 22, negative: 33 }

test('structure sizes, offsets and opcodes are those of the kernel header', t => {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-wire-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const sizes: Record<string, number> = {
    'sizeof(struct fuse_in_header)': wire.IN_HEADER_SIZE,
    'sizeof(struct fuse_out_header)': wire.OUT_HEADER_SIZE,
    'sizeof(struct fuse_attr)': wire.ATTR_SIZE,
    'sizeof(struct fuse_entry_out)': wire.ENTRY_OUT_SIZE,
    'offsetof(struct fuse_entry_out, attr)': wire.ENTRY_ATTR,
    'sizeof(struct fuse_attr_out)': wire.ATTR_OUT_SIZE,
    'offsetof(struct fuse_attr_out, attr)': wire.ATTR_OUT_ATTR,
    'sizeof(struct fuse_open_out)': wire.OPEN_OUT_SIZE,
    'sizeof(struct fuse_write_out)': wire.WRITE_OUT_SIZE,
    'sizeof(struct fuse_statfs_out)': wire.STATFS_OUT_SIZE,
    'sizeof(struct fuse_init_out)': wire.INIT_OUT_SIZE,
    'offsetof(struct fuse_dirent, name)': wire.DIRENT_SIZE,
    'sizeof(struct fuse_forget_one)': wire.FORGET_ONE_SIZE,
    'HEAD + sizeof(struct fuse_batch_forget_in)': wire.BATCH_FORGET_ENTRIES,
    'HEAD + offsetof(struct fuse_setattr_in, size)': wire.SETATTR_SIZE,
    'HEAD + offsetof(struct fuse_setattr_in, atime)': wire.SETATTR_ATIME,
    'HEAD + offsetof(struct fuse_setattr_in, ctimensec)': wire.SETATTR_CTIMENSEC,
    'HEAD + offsetof(struct fuse_setattr_in, mode)': wire.SETATTR_MODE,
    'HEAD + offsetof(struct fuse_setattr_in, gid)': wire.SETATTR_GID,
    'HEAD + sizeof(struct fuse_mknod_in)': wire.MKNOD_NAME,
    'HEAD + sizeof(struct fuse_mkdir_in)': wire.MKDIR_NAME,
    'HEAD + sizeof(struct fuse_rename_in)': wire.RENAME_NAMES,
    'HEAD + sizeof(struct fuse_rename2_in)': wire.RENAME2_NAMES,
    'HEAD + sizeof(struct fuse_link_in)': wire.LINK_NAME,
    'HEAD + sizeof(struct fuse_create_in)': wire.CREATE_NAME,
    'HEAD + sizeof(struct fuse_write_in)': wire.WRITE_DATA,
    'HEAD + offsetof(struct fuse_read_in, size)': wire.READ_SIZE,
    'HEAD + offsetof(struct fuse_init_in, flags)': wire.INIT_IN_FLAGS,
    'HEAD + offsetof(struct fuse_create_in, umask)': wire.CREATE_UMASK,
    'HEAD + offsetof(struct fuse_mknod_in, umask)': wire.MKNOD_UMASK,
    'HEAD + offsetof(struct fuse_mkdir_in, umask)': wire.MKDIR_UMASK,
    'HEAD + sizeof(struct fuse_setxattr_in)': wire.SETXATTR_NAME,
    'HEAD + FUSE_COMPAT_SETXATTR_IN_SIZE': wire.SETXATTR_NAME_OLD,
    'HEAD + offsetof(struct fuse_setxattr_in, setxattr_flags)': wire.SETXATTR_MORE_FLAGS,
    'HEAD + sizeof(struct fuse_getxattr_in)': wire.GETXATTR_NAME,
    'sizeof(struct fuse_getxattr_out)': wire.WIDE_OUT_SIZE,
    'HEAD + offsetof(struct fuse_write_in, write_flags)': wire.WRITE_FLAGS,
    FUSE_WRITE_KILL_SUIDGID: wire.WRITE_KILL_SUIDGID,
    FATTR_KILL_SUIDGID: wire.SETATTR_KILL_SUIDGID,
    FUSE_HANDLE_KILLPRIV_V2: wire.INIT_HANDLE_KILLPRIV_V2,
    FUSE_SETXATTR_EXT: wire.INIT_SETXATTR_EXT,
    FUSE_SETXATTR_ACL_KILL_SGID: wire.SETXATTR_ACL_KILL_SGID,
    FUSE_POSIX_ACL: wire.INIT_POSIX_ACL,
    FUSE_DONT_MASK: wire.INIT_DONT_MASK,
    FUSE_BATCH_FORGET: wire.FUSE_BATCH_FORGET,
    FUSE_CREATE: wire.FUSE_CREATE,
    FUSE_READDIRPLUS: wire.FUSE_READDIRPLUS,
    FUSE_RENAME2: wire.FUSE_RENAME2,
    FUSE_TMPFILE: wire.FUSE_TMPFILE,
    FUSE_CACHE_SYMLINKS: wire.INIT_CACHE_SYMLINKS,
    FUSE_PARALLEL_DIROPS: wire.INIT_PARALLEL_DIROPS,
  }
  const source = [
    '#include <stddef.h>',
    '#include <linux/fuse.h>',
    '#define HEAD sizeof(struct fuse_in_header)',
    ...Object.entries(sizes).map(([what, size]) => `_Static_assert(${what} == ${size}, "${what}");`),
  ]
  const file = join(directory, 'sizes.c')
  writeFileSync(file, source.join('\n'))
  const { status, stderr, error } = spawnSync('cc', ['-fsyntax-only', file], { encoding: 'utf8' })
  const hasNoHeader = error !== undefined || /linux\/fuse.h: No such file/.test(stderr)
  t.is(hasNoHeader ? 0 : status, 0, stderr)
  t.log(hasNoHeader ? 'no C compiler or kernel header: not checked' : `${source.length - 3} facts checked`)
})

test('a request header is decoded, with ids beyond 32 bits and owners beyond 31', t => {
  const request = new Request()
  const length = message(request.bytes, 3, { ino: 2 ** 52 + 5, unique: 2n ** 63n + 9n, uid: 4294967294, gid: 2 ** 31 })
  t.true(request.accept(length))
  t.is(request.ino, 2 ** 52 + 5)
  t.is(request.opcode, 3)
  t.deepEqual([request.uniqueHigh, request.uniqueLow], [2 ** 31, 9])
  t.deepEqual(request.caller, {
    uid: 4294967294,
    gid: 2147483648,
    pid: 77,
    umask: 0,
    killsPrivileges: true,
    tookPrivilegesOf: 0,
  })
  t.false(request.accept(length - 1), 'a message that is cut is not accepted')
})

test('SETATTR times are signed and flags that are not ours are dropped', t => {
  const request = new Request()
  const body = Buffer.alloc(88)
  body.writeUInt32LE(0xffff, 0)
  body.writeBigInt64LE(2n ** 45n + 1n, 16)
  body.writeBigInt64LE(-5n, 32)
  body.writeBigInt64LE(2n ** 34n, 40)
  body.writeUInt32LE(999_999_999, 56)
  body.writeUInt32LE(0o104755, 68)
  body.writeUInt32LE(4294967293, 76)
  t.true(request.accept(message(request.bytes, wire.FUSE_SETATTR, { body })))
  const change = request.attributeChange()
  t.is(change.valid, 0b101_1011_1111)
  t.is(change.size, 2 ** 45 + 1)
  t.is(change.atime, -5)
  t.is(change.atimeNs, 999_999_999)
  t.is(change.mtime, 2 ** 34)
  t.is(change.mode, 0o104755)
  t.is(change.uid, 4294967293)
})

test('a name of 255 bytes passes, one of 256 does not', t => {
  const request = new Request()
  for (const length of [1, 255, 256, 1024]) {
    const body = Buffer.concat([Buffer.alloc(length, 0xff), Buffer.alloc(1)])
    request.accept(message(request.bytes, wire.FUSE_LOOKUP, { body }))
    const name = request.name(wire.IN_HEADER_SIZE, request.length - 1)
    t.is(name?.length, length > 255 ? undefined : length)
  }
})

test('entry, attribute, open, write and statistics replies', t => {
  const request = new Request()
  request.accept(message(request.bytes, 1, { unique: 0x1_0000_0002n }))
  const reply = new Reply(timeouts)
  const attr = Buffer.from(Array.from({ length: 88 }, (_, i) => i + 1))
  attr.copy(reply.bytes, Reply.ENTRY_ATTR_AT)
  const entry = new MemoryReader(reply.bytes, reply.entry(request))
  t.deepEqual(entry.header(), { length: 144, error: 0, unique: 0x1_0000_0002n })
  t.is(entry.u64(), attr.readBigUInt64LE(0), 'the node id is the inode number')
  t.deepEqual([entry.u64(), entry.u64(), entry.u64(), entry.u32(), entry.u32()], [0n, 11n, 22n, 0, 0])
  t.deepEqual(entry.rest(), attr)

  const negative = new MemoryReader(reply.bytes, reply.negativeEntry(request))
  t.is(negative.header().length, 144)
  t.deepEqual([negative.u64(), negative.u64(), negative.u64()], [0n, 0n, 33n])
  t.true(negative.rest().every(byte => byte === 0))

  attr.copy(reply.bytes, Reply.ATTR_AT)
  const attributes = new MemoryReader(reply.bytes, reply.attributes(request))
  t.is(attributes.header().length, 120)
  t.deepEqual([attributes.u64(), attributes.u64()], [22n, 0n])
  t.deepEqual(attributes.rest(), attr)

  const written = new MemoryReader(reply.bytes, reply.written(request, 1048576))
  t.deepEqual([written.header().length, written.u32(), written.u32()], [24, 1048576, 0])

  const counts = { blocks: 2 ** 33, blocksFree: 5, blocksAvailable: 4, files: 2 ** 35, filesFree: 1 }
  const statistics = { blockSize: 4096, nameMax: 255, ...counts }
  const statfs = new MemoryReader(reply.bytes, reply.statistics(request, statistics))
  t.is(statfs.header().length, 96)
  t.deepEqual(
    [statfs.u64(), statfs.u64(), statfs.u64(), statfs.u64(), statfs.u64()],
    [2n ** 33n, 5n, 4n, 2n ** 35n, 1n],
  )
  t.deepEqual([statfs.u32(), statfs.u32(), statfs.u32()], [4096, 255, 4096])

  const failed = new MemoryReader(reply.bytes, reply.error(request, -2))
  t.deepEqual(failed.header(), { length: 16, error: -2, unique: 0x1_0000_0002n })
})

test('directory entries: padding, the size limit, and attributes with READDIRPLUS', t => {
  const request = new Request()
  request.accept(message(request.bytes, wire.FUSE_READDIR))
  const reply = new Reply(timeouts)
  reply.bytes.fill(0xee)
  const attr = new Uint8Array(100).fill(7)
  const name = Buffer.from('abcdefghi__')
  for (const plus of [false, true]) {
    const size = (plus ? 128 : 0) + 24 + 16
    reply.beginDirectory(2 * size + 8, plus)
    t.true(reply.add(2 ** 40 + 1, 8, 2 ** 34, name, 9, attr, 12))
    t.true(reply.add(2, 4, 3, name, 9, attr, 12))
    t.false(reply.add(3, 4, 4, name, 9, attr, 12), 'no room for a third')
    const reader = new MemoryReader(reply.bytes, reply.directory(request))
    t.is(reader.header().length, 16 + 2 * size)
    if (plus) {
      t.deepEqual([reader.u64(), reader.u64(), reader.u64(), reader.u64()], [2n ** 40n + 1n, 0n, 11n, 22n])
      t.is(reader.u64(), 0n)
      t.true(reader.take(88).every(byte => byte === 7))
    }
    t.deepEqual([reader.u64(), reader.u64(), reader.u32(), reader.u32()], [2n ** 40n + 1n, 2n ** 34n, 9, 8])
    t.is(reader.take(16).toString('latin1'), 'abcdefghi\0\0\0\0\0\0\0')
  }
})
