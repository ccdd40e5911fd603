/**
 * Entry of the thread that answers a mount which cannot be served any more: everything fails with EIO, what the last server
 * left unanswered first, until the mount is gone. So nobody waits for ever, and it can be unmounted.
 */
import { constants } from 'node:os'
import { workerData } from 'node:worker_threads'
import { GATE_OPEN, receive, send } from './channel.ts'
import { expectsReply } from './dispatch.ts'
import { Reply, TIMEOUTS } from './reply.ts'
import { Request } from './request.ts'
import { askToResend } from './takeover.ts'

const { fd } = workerData as { fd: number }
const gate = new Int32Array([GATE_OPEN])
const request = new Request()
const reply = new Reply(TIMEOUTS)
askToResend(fd)
while (receive(fd, request, gate)) {
  if (expectsReply(request.opcode)) send(fd, reply.bytes, reply.error(request, -constants.errno.EIO))
}
