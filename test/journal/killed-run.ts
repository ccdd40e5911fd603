/** The records of the processes that mapped-log.test.ts kills. */

/** Body of a thread's `count`-th record in a run: both numbers, and bytes that follow from them. */
export function countBody(run: number, count: number): Uint8Array {
  const body = Buffer.alloc(8 + ((count * 37 + run) % 300), count & 255)
  body.writeUInt32LE(run, 0)
  body.writeUInt32LE(count, 4)
  return body
}

/** Threads of each process. */
export const KILLED_THREADS = 2
