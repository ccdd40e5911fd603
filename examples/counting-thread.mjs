/**
 * A worker thread of shared-threads.ts: counts up a record that other threads count up at the same time. Plain JavaScript,
 * because Node 20 loads the file of a worker thread without the loader of its parent.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { openShared } from 'holtfs'

const tree = openShared(workerData.handle)
let repeated = 0
for (let done = 0; done < workerData.increments; ) {
  const { value, version } = tree.getRecord('counter')
  // Undefined when another thread was faster: read again.
  if (tree.compareAndPut('counter', version, String(Number(value) + 1)) === undefined) repeated++
  else done++
}
tree.put(`thread/${workerData.number}`, String(repeated))
parentPort.postMessage(repeated)
