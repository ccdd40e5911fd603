/**
 * One thread of operations.ts: the filesystem's operations called as a FUSE worker calls them, but without a kernel. Each
 * question is answered with the microseconds of processor time and of the clock that one operation took on average.
 */
import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { noChange, SET_MODE } from '../src/fs/operations.ts'

export interface OperationsThread {
  /** URL of the built `fs/attach.js`. */
  module: string
  handle: unknown
  thread: number
  /** Operations in one answer. */
  count: number
}

interface Operations {
  [operation: string]: (...argv: unknown[]) => number
}

const { module, handle, thread, count } = workerData as OperationsThread
const { attachOperations } = (await import(module)) as { attachOperations(handle: unknown): Operations }
const fs = attachOperations(handle)
const caller = { uid: 0, gid: 0, pid: 1, umask: 0, killsPrivileges: false }
const attr = Buffer.alloc(4096 + 88)
const block = new Uint8Array(4096).fill(7)
const names = Array.from({ length: count }, (_, i) => Buffer.from(`file-${String(i).padStart(5, '0')}`))
const others = names.map(name => Buffer.concat([name, Buffer.from('.new')]))
const mode = { ...noChange(), valid: SET_MODE, mode: 0o600 }
const inos = new Float64Array(count)

function checked(result: number): void {
  if (result < 0) throw new Error(`thread ${thread}: errno ${-result}`)
}

function ino(): number {
  return attr.readUInt32LE(0) + attr.readUInt32LE(4) * 2 ** 32
}

checked(fs.mkdir(caller, 1, Buffer.from(`thread-${thread}`), 0o755, attr, 0))
const home = ino()

/** Each leaves what the next one expects. */
const steps: Record<string, (i: number) => number> = {
  create: i => {
    const result = fs.mknod(caller, home, names[i], 0o100644, 0, attr, 0)
    inos[i] = ino()
    return result
  },
  lookup: i => fs.lookup(caller, home, names[i], attr, 0),
  getattr: i => fs.getattr(inos[i], attr, 0),
  'setattr (mode)': i => fs.setattr(caller, inos[i], mode, attr, 0),
  'write 4 KB': i => fs.write(caller, inos[i], 0, block),
  'read 4 KB': i => fs.read(inos[i], 0, 4096, attr, 0),
  link: i => fs.link(caller, inos[i], home, others[i], attr, 0),
  'unlink one of two names': i => fs.unlink(caller, home, others[i]),
  rename: i => fs.rename(caller, home, names[i], home, others[i], 0),
  'unlink and forget': i => {
    const result = fs.unlink(caller, home, others[i])
    fs.forget(inos[i])
    return result
  },
  mkdir: i => {
    const result = fs.mkdir(caller, home, names[i], 0o755, attr, 0)
    inos[i] = ino()
    return result
  },
  'rmdir and forget': i => {
    const result = fs.rmdir(caller, home, names[i])
    fs.forget(inos[i])
    return result
  },
}

/** Nanoseconds that this thread has run. */
function processorTime(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0])
}

parentPort?.on('message', (step: string) => {
  const run = steps[step]
  const begin = process.hrtime.bigint()
  const processor = processorTime()
  for (let i = 0; i < count; i++) checked(run(i))
  const clock = Number(process.hrtime.bigint() - begin)
  parentPort?.postMessage([(processorTime() - processor) / count / 1000, clock / count / 1000])
})
parentPort?.postMessage(Object.keys(steps))
