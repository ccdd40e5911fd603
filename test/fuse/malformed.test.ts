/** Requests that are not what their opcode says: shorter than it, or with lengths and counts that reach beyond their end. */
import { constants } from 'node:os'
import test from 'ava'
import { Dispatcher } from '../../src/fs/fuse/dispatch.ts'
import { Reply } from '../../src/fs/fuse/reply.ts'
import { Request } from '../../src/fs/fuse/request.ts'
import * as wire from '../../src/fs/fuse/wire.ts'
import type { Operations } from '../../src/fs/operations.ts'
import { MemoryReader, message } from './message.ts'

/** A dispatcher over operations of which none may be called but those given. */
function dispatcher(operations: Partial<Operations>) {
  const request = new Request()
  const reply = new Reply({ entry: 1, attr: 1, negative: 1 })
  const never = new Proxy(operations, {
    get(target, name: keyof Operations) {
      if (target[name] === undefined) throw new Error(`${name} was called`)
      return target[name]
    },
  })
  const handled = new Dispatcher(never as Operations, request, reply)
  /** The error of the answer; undefined when there is none. */
  const send = (opcode: number, body: Buffer): number | undefined => {
    request.accept(message(request.bytes, opcode, { body }))
    const length = handled.handle()
    return length === 0 ? undefined : new MemoryReader(reply.bytes, length).header().error
  }
  return { send, request }
}

test('a request shorter than its opcode demands is refused, before anything of the one before it is read', t => {
  const { send } = dispatcher({})
  const answers = { [wire.FUSE_FORGET]: undefined, [wire.FUSE_BATCH_FORGET]: undefined }
  const short: [opcode: number, bytes: number][] = [
    [wire.FUSE_LOOKUP, 0],
    [wire.FUSE_FORGET, 4],
    [wire.FUSE_BATCH_FORGET, 4],
    [wire.FUSE_SETATTR, 80],
    [wire.FUSE_SYMLINK, 1],
    [wire.FUSE_MKNOD, 16],
    [wire.FUSE_MKDIR, 8],
    [wire.FUSE_UNLINK, 0],
    [wire.FUSE_RMDIR, 0],
    [wire.FUSE_RENAME, 8],
    [wire.FUSE_RENAME2, 16],
    [wire.FUSE_LINK, 8],
    [wire.FUSE_CREATE, 16],
    [wire.FUSE_TMPFILE, 8],
    [wire.FUSE_READ, 16],
    [wire.FUSE_WRITE, 36],
    [wire.FUSE_FALLOCATE, 24],
    [wire.FUSE_LSEEK, 16],
    [wire.FUSE_COPY_FILE_RANGE, 48],
    [wire.FUSE_COPY_FILE_RANGE_64, 48],
    [wire.FUSE_FSYNC, 8],
    [wire.FUSE_GETXATTR, 8],
    [wire.FUSE_LISTXATTR, 0],
    [wire.FUSE_SETXATTR, 8],
    [wire.FUSE_REMOVEXATTR, 0],
    [wire.FUSE_READDIR, 16],
    [wire.FUSE_READDIRPLUS, 16],
  ]
  for (const [opcode, bytes] of short) {
    const expected = opcode in answers ? undefined : -constants.errno.EINVAL
    t.is(send(opcode, Buffer.alloc(bytes, 1)), expected, `opcode ${opcode}`)
  }
})

test('a write has no more bytes than the request brought', t => {
  const { send } = dispatcher({ write: (_caller, _ino, _offset, data) => (data.length === 10 ? 10 : -1) })
  const body = Buffer.alloc(40 + 10)
  for (const size of [10, 11, 0xffffffff]) {
    body.writeUInt32LE(size, 16)
    t.is(send(wire.FUSE_WRITE, body), 0, `${size}`)
  }
})

test('no more inodes are forgotten than are named', t => {
  const forgotten: number[] = []
  const { send } = dispatcher({ forget: ino => void forgotten.push(ino) })
  const body = Buffer.alloc(8 + 2 * 16)
  body.writeUInt32LE(0xffffffff, 0)
  body.writeBigUInt64LE(5n, 8)
  body.writeBigUInt64LE(6n, 24)
  t.is(send(wire.FUSE_BATCH_FORGET, body), undefined)
  t.deepEqual(forgotten, [5, 6])
})
