/**
 * The mount outlives its server: what a new server process does before its workers read the first request. Requests that
 * the old one had applied and not answered are answered here, from their receipts; all others that it had read are sent
 * once more by the kernel, with UNIQUE_RESENT in their number. No request is applied twice, and none is lost.
 *
 * The order matters. Answers come first: the kernel finds a request by the number under which it was read, and ignores an
 * answer to one that it has answered already. Workers come last: what they had read would be sent again too.
 */
import type { Operations } from '../operations.ts'
import type { Receipt } from '../receipts.ts'
import { send } from './channel.ts'
import { Reply, type Timeouts } from './reply.ts'
import { Request } from './request.ts'
import * as wire from './wire.ts'

/** Answers what the receipts say is done. */
export function answerReceipts(
  fd: number,
  receipts: readonly Receipt[],
  operations: Operations,
  timeouts: Timeouts,
): void {
  if (receipts.length === 0) return
  const request = new Request()
  const reply = new Reply(timeouts)
  for (const receipt of receipts) {
    request.uniqueLow = receipt.uniqueLow
    request.uniqueHigh = receipt.uniqueHigh
    send(fd, reply.bytes, answer(receipt, operations, request, reply))
  }
}

/** Asks the kernel to send again what was read from the device and not answered. */
export function askToResend(fd: number): void {
  const words = Uint32Array.of(wire.OUT_HEADER_SIZE, wire.NOTIFY_RESEND, 0, 0)
  send(fd, new Uint8Array(words.buffer), wire.OUT_HEADER_SIZE)
}

function answer(receipt: Receipt, operations: Operations, request: Request, reply: Reply): number {
  const { opcode, ino, result } = receipt
  switch (opcode) {
    case wire.FUSE_SYMLINK:
    case wire.FUSE_MKNOD:
    case wire.FUSE_MKDIR:
    case wire.FUSE_LINK:
    case wire.FUSE_CREATE:
    case wire.FUSE_TMPFILE: {
      const rc = operations.getattr(ino, reply.bytes, Reply.ENTRY_ATTR_AT)
      if (rc < 0) return reply.error(request, rc)
      const opens = opcode === wire.FUSE_CREATE || opcode === wire.FUSE_TMPFILE
      return opens ? reply.created(request, 0, wire.FOPEN_KEEP_CACHE) : reply.entry(request)
    }
    case wire.FUSE_SETATTR: {
      const rc = operations.getattr(ino, reply.bytes, Reply.ATTR_AT)
      return rc < 0 ? reply.error(request, rc) : reply.attributes(request)
    }
    case wire.FUSE_WRITE:
    case wire.FUSE_COPY_FILE_RANGE:
      return reply.written(request, result)
    case wire.FUSE_COPY_FILE_RANGE_64:
      return reply.wide(request, result)
    default:
      return reply.data(request, 0)
  }
}
