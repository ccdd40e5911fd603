/**
 * How many requests of each opcode were served, in shared memory. Every worker has a row of its own, so that counting
 * costs no traffic between cores; readers add the rows up.
 */
import { OPCODES } from './wire.ts'

/** Counters for up to `workers` workers. */
export function createRequestCounters(workers: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(workers * OPCODES * Int32Array.BYTES_PER_ELEMENT))
}

/** Requests of all opcodes so far. */
export function countAllRequests(counters: Int32Array): number {
  let sum = 0
  for (let at = 0; at < counters.length; at++) sum += Atomics.load(counters, at)
  return sum >>> 0
}
