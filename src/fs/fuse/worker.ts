/**
 * Entry of one FUSE worker thread: loads its modules, waits for its {@link WorkerInput}, attaches to the filesystem, then
 * read, serve, reply until the mount is gone. Any exception out of here ends the thread, and the main thread then ends
 * the mount, or the process when the mount is to outlive it.
 */
import { once } from 'node:events'
import { constants } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import type { Operations } from '../operations.ts'
import type { Connection } from '../receipts.ts'
import { GATE_CLOSED, receive, send } from './channel.ts'
import { Dispatcher } from './dispatch.ts'
import { firstNumber, InHandNotes } from './in-hand.ts'
import { negotiate } from './init.ts'
import { outdateAttributes } from './notify.ts'
import { Reply, type Timeouts } from './reply.ts'
import { Request } from './request.ts'
import { makeResident } from './resident.ts'
import { FUSE_INIT, OPCODES, UNIQUE_RESENT } from './wire.ts'

/** What a worker is made with. */
export interface WorkerStart {
  /** URL of an ES module that exports `attachOperations(handle, connection): Operations`. */
  module: string
}

/** What serve() posts to each worker. */
export interface WorkerInput {
  fd: number
  handle: unknown
  worker: number
  timeouts: Timeouts
  gate: Int32Array<SharedArrayBuffer>
  counters: Int32Array<SharedArrayBuffer>
  /** See Connection.id; undefined when the mount ends with this process. */
  connection: number | undefined
  /** What is done about requests that an earlier server has read; undefined when there is no other server. */
  resent: { notes: number; refused: readonly number[] } | undefined
}

/** What a worker tells the main thread. `ended`: the mount is gone, the clean end. */
export type WorkerReport =
  | { is: 'attached' }
  | { is: 'agreed'; resends: boolean }
  | { is: 'refused'; why: string }
  | { is: 'ended' }

function report(message: WorkerReport): void {
  parentPort?.postMessage(message)
}

function serveRequests(input: WorkerInput, request: Request, operations: Operations): void {
  const { fd, gate, counters, resent } = input
  const row = input.worker * OPCODES
  const reply = new Reply(input.timeouts)
  const dispatcher = new Dispatcher(operations, request, reply)
  const notes = resent && new InHandNotes(resent.notes, input.worker)
  while (receive(fd, request, gate)) {
    counters[row + Math.min(request.opcode, OPCODES - 1)]++
    if (request.opcode === FUSE_INIT) {
      const { agreed, length, error, resends } = negotiate(request, reply)
      send(fd, reply.bytes, length)
      if (agreed) report({ is: 'agreed', resends })
      if (error !== '') report({ is: 'refused', why: error })
    } else {
      const isResent = notes !== undefined && request.uniqueHigh >= UNIQUE_RESENT
      if (isResent) {
        if (resent?.refused.includes(firstNumber(request.uniqueLow, request.uniqueHigh))) {
          send(fd, reply.bytes, reply.error(request, -constants.errno.EIO))
          continue
        }
        notes.begin(request.uniqueLow, request.uniqueHigh)
      }
      const length = dispatcher.handle()
      if (request.caller.tookPrivilegesOf) outdateAttributes(fd, request.caller.tookPrivilegesOf)
      if (length !== 0) send(fd, reply.bytes, length)
      if (isResent) notes.end()
    }
  }
}

const { module } = workerData as WorkerStart
const { attachOperations } = (await import(module)) as {
  attachOperations(handle: unknown, connection: Connection | undefined): Operations
}
const request = new Request()
makeResident(request.bytes)
const [input] = (await once(parentPort!, 'message')) as [WorkerInput]
const { connection: id, worker } = input
const operations = attachOperations(input.handle, id === undefined ? undefined : { id, worker, request })
report({ is: 'attached' })
Atomics.wait(input.gate, 0, GATE_CLOSED)
serveRequests(input, request, operations)
report({ is: 'ended' })
