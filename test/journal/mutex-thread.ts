/** A worker thread of mutex.test.ts: counts up a plain word under the lock. */
import { workerData } from 'node:worker_threads'
import { Mutex } from '../../src/journal/mutex.ts'

const { memory, times } = workerData as { memory: SharedArrayBuffer; times: number }
const words = new Int32Array(memory)
const mutex = new Mutex(words, 0)
for (let i = 0; i < times; i++) {
  if (i % 3 !== 0 || !mutex.tryLock()) mutex.lock()
  words[1] = words[1] + 1
  mutex.unlock()
}
