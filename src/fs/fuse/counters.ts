/**
 * How many requests of each opcode were served, in shared memory. Every worker has a row of its own, so that counting
 * costs no traffic between cores; readers add the rows up.
 */
import * as wire from './wire.ts'

/** Counters for up to `workers` workers. */
export function createRequestCounters(workers: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(workers * wire.OPCODES * Int32Array.BYTES_PER_ELEMENT))
}

/** Requests of all opcodes so far. */
export function countAllRequests(counters: Int32Array): number {
  let sum = 0
  for (let at = 0; at < counters.length; at++) sum += Atomics.load(counters, at)
  return sum >>> 0
}

/** Opcodes by name, those that the server knows. */
const NAMES: readonly [string, number][] = Object.entries(wire)
  .filter(([name]) => /^FUSE_(?!MAJOR|MINOR)/.test(name))
  .map(([name, opcode]) => [name.slice('FUSE_'.length), opcode as number])

/** Requests so far by the name of their opcode (`LOOKUP`, `GETATTR`, …), those that never came left out; `all`: their sum. */
export function describeRequests(counters: Int32Array): Record<string, number> {
  const requests: Record<string, number> = { all: countAllRequests(counters) }
  for (const [name, opcode] of NAMES) {
    let sum = 0
    for (let at = opcode; at < counters.length; at += wire.OPCODES) sum += Atomics.load(counters, at)
    if (sum !== 0) requests[name] = sum >>> 0
  }
  return requests
}
