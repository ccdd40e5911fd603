/**
 * One store, several threads: each worker thread opens the same tree over the same memory. Reads take no lock, changes
 * are serialised. Run it after `npm run build`:
 *
 *     node --import tsx examples/shared-threads.ts DIRECTORY
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { openStore } from 'holtfs'

const THREADS = 3
const INCREMENTS = 200

const directory = process.argv[2]
if (directory === undefined) throw new Error('usage: shared-threads.ts DIRECTORY')

const store = openStore(directory)
const { tree } = store
tree.put('counter', '0')

// Descriptors belong to the process: a thread must not close at its end a log segment that it was the one to open.
const trackUnmanagedFds = false
const repeated = await Promise.all(
  Array.from({ length: THREADS }, async (_, number) => {
    const workerData = { handle: store.share(), increments: INCREMENTS, number }
    const thread = new Worker(new URL('./counting-thread.mjs', import.meta.url), { workerData, trackUnmanagedFds })
    const [[count]] = await Promise.all([once(thread, 'message'), once(thread, 'exit')])
    return count as number
  }),
)

console.log('counter:', tree.get('counter')?.toString(), 'of', THREADS * INCREMENTS)
console.log('threads that wrote:', [...tree.range({ prefix: 'thread/', keysOnly: true })].length)
console.log('increments tried again:', repeated.some(count => count > 0) ? 'some' : 'none')

// Last of all: the handles of the other threads are of no use from here on.
store.close()
