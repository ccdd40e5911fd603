/** INIT: what is agreed with old, current and future kernels, and what is refused. */
import test from 'ava'
import { negotiate } from '../../src/fs/fuse/init.ts'
import { Reply, TIMEOUTS } from '../../src/fs/fuse/reply.ts'
import { Request } from '../../src/fs/fuse/request.ts'
import { FUSE_INIT } from '../../src/fs/fuse/wire.ts'
import { MemoryReader, message } from './message.ts'

function init(major: number, minor: number, flags: number) {
  const request = new Request()
  const reply = new Reply(TIMEOUTS)
  reply.bytes.fill(0xee)
  const body = Buffer.alloc(minor >= 36 ? 64 : 16)
  for (const [i, word] of [major, minor, 131072, flags].entries()) body.writeUInt32LE(word >>> 0, i * 4)
  if (!request.accept(message(request.bytes, FUSE_INIT, { body }))) throw new Error('not accepted')
  const result = negotiate(request, reply)
  const reader = new MemoryReader(reply.bytes, result.length)
  const { length, error } = reader.header()
  const fields = () => ({
    major: reader.u32(),
    minor: reader.u32(),
    readahead: reader.u32(),
    flags: reader.u32(),
    background: reader.u16(),
    congestion: reader.u16(),
    maxWrite: reader.u32(),
    granularity: reader.u32(),
    maxPages: reader.u16(),
    rest: reader.rest(),
  })
  return { result, length, error, fields: length > 16 ? fields() : undefined }
}

const ALL = 0xffffffff

test('a kernel that offers everything gets only the flags whose promise is kept', t => {
  const { result, length, error, fields } = init(7, 45, ALL)
  t.true(result.agreed)
  t.deepEqual([length, error], [80, 0])
  t.deepEqual([fields?.major, fields?.minor, fields?.readahead, fields?.granularity], [7, 45, 131072, 1])
  t.deepEqual([fields?.maxWrite, fields?.maxPages], [1048576, 256])
  t.true(fields!.congestion <= fields!.background)
  t.true(fields!.rest.every(byte => byte === 0))
  const bit = (n: number) => (fields!.flags >>> n) & 1
  const kept = {
    asyncRead: 0,
    exportSupport: 4,
    bigWrites: 5,
    readdirplus: 13,
    parallelDirops: 18,
    maxPages: 22,
    links: 23,
    dontMask: 6,
    posixAcl: 20,
    setxattrExtension: 29,
    killPrivileges2: 28,
  }
  for (const [name, n] of Object.entries(kept)) t.is(bit(n), 1, name)
  const refused = {
    posixLocks: 1,
    atomicTruncate: 3,
    plusAuto: 14,
    flock: 10,
    autoInvalidate: 12,
    writeback: 16,
    killPrivileges: 19,
    initExtension: 30,
  }
  for (const [name, n] of Object.entries(refused)) t.is(bit(n), 0, name)
})

test('a flag that the kernel does not offer is not taken', t => {
  const { fields } = init(7, 31, 1 << 0)
  t.is(fields?.flags, 1)
  t.is(fields?.minor, 31)
  t.deepEqual([fields?.maxWrite, fields?.maxPages], [131072, 0], 'without MAX_PAGES a write has 32 pages')
})

test('a newer minor version is answered with ours', t => {
  t.is(init(7, 99, ALL).fields?.minor, 45)
})

test('a newer major version is told ours and tries again', t => {
  const { result, error, fields } = init(8, 0, ALL)
  t.deepEqual([result.agreed, result.error, error, fields?.major], [false, '', 0, 7])
})

test('a kernel that is too old is refused with a reason', t => {
  for (const [major, minor] of [
    [7, 28],
    [6, 99],
  ]) {
    const { result, error } = init(major, minor, ALL)
    t.false(result.agreed)
    t.is(error, -71)
    t.regex(result.error, /7\.29 or newer/)
  }
})
