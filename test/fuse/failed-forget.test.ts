/** A FORGET gets no reply, whatever happens: the kernel would take one for a broken server. */
import test from 'ava'
import { HoltError } from '../../src/errors.ts'
import { Dispatcher } from '../../src/fs/fuse/dispatch.ts'
import { Reply, TIMEOUTS } from '../../src/fs/fuse/reply.ts'
import { Request } from '../../src/fs/fuse/request.ts'
import * as wire from '../../src/fs/fuse/wire.ts'
import type { Operations } from '../../src/fs/operations.ts'
import { message } from './message.ts'

function failing(): never {
  throw new HoltError('HOLT_FAILED', 'a write-ahead log fsync failed earlier')
}

const operations = { forget: failing, getattr: failing } as unknown as Operations

function serve(opcode: number, body: Buffer): number {
  const request = new Request()
  request.accept(message(request.bytes, opcode, { ino: 5, body }))
  return new Dispatcher(operations, request, new Reply(TIMEOUTS)).handle()
}

test('a forget that the store refuses is not answered, a getattr is', t => {
  const batch = Buffer.alloc(8 + 16)
  batch.writeUInt32LE(1, 0)
  t.is(serve(wire.FUSE_FORGET, Buffer.alloc(8)), 0)
  t.is(serve(wire.FUSE_BATCH_FORGET, batch), 0)
  t.is(serve(wire.FUSE_GETATTR, Buffer.alloc(16)), 16)
})
