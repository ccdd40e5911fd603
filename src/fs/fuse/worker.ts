/**
 * Entry of one FUSE worker thread: attaches to the filesystem, then read, serve, reply until the mount is gone. Any
 * exception out of here ends the thread, and the main thread then ends the mount.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { Operations } from '../operations.ts'
import { GATE_CLOSED, receive, send } from './channel.ts'
import { Dispatcher } from './dispatch.ts'
import { negotiate } from './init.ts'
import { Reply, type Timeouts } from './reply.ts'
import { Request } from './request.ts'
import { FUSE_INIT, OPCODES } from './wire.ts'

/** What serve() hands to each worker. */
export interface WorkerInput {
  fd: number
  /** URL of an ES module that exports `attachOperations(handle): Operations`. */
  module: string
  handle: unknown
  worker: number
  timeouts: Timeouts
  gate: Int32Array<SharedArrayBuffer>
  counters: Int32Array<SharedArrayBuffer>
}

/** What a worker tells the main thread. `ended`: the mount is gone, the clean end. */
export type WorkerReport = { is: 'attached' } | { is: 'agreed' } | { is: 'refused'; why: string } | { is: 'ended' }

function report(message: WorkerReport): void {
  parentPort?.postMessage(message)
}

function serveRequests(input: WorkerInput, operations: Operations): void {
  const { fd, gate, counters } = input
  const row = input.worker * OPCODES
  const request = new Request()
  const reply = new Reply(input.timeouts)
  const dispatcher = new Dispatcher(operations, request, reply)
  while (receive(fd, request, gate)) {
    counters[row + Math.min(request.opcode, OPCODES - 1)]++
    if (request.opcode === FUSE_INIT) {
      const { agreed, length, error } = negotiate(request, reply)
      send(fd, reply.bytes, length)
      if (agreed) report({ is: 'agreed' })
      if (error !== '') report({ is: 'refused', why: error })
    } else {
      const length = dispatcher.handle()
      if (length !== 0) send(fd, reply.bytes, length)
    }
  }
}

const input = workerData as WorkerInput
const { attachOperations } = (await import(input.module)) as { attachOperations(handle: unknown): Operations }
const operations = attachOperations(input.handle)
report({ is: 'attached' })
Atomics.wait(input.gate, 0, GATE_CLOSED)
serveRequests(input, operations)
report({ is: 'ended' })
