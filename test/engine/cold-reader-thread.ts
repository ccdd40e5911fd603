/** A thread of cold-readers.test.ts: reads records, and compares each with the changes that were made around the read. */
import { parentPort, workerData } from 'node:worker_threads'
import { openShared, type StoreHandle } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { assertIntact, counterOf } from './tree-thread-data.ts'

export interface ColdReader {
  seed: number
  handle: StoreHandle
  keys: number
  /** How many changes of each key have begun, and are done; change n leaves no record when n is a multiple of 20. */
  begun: Int32Array
  done: Int32Array
  stop: Int32Array
}

const { seed, handle, keys, begun, done, stop } = workerData as ColdReader
const tree = openShared(handle)
const random = seededRandom(seed)
let reads = 0
let absent = 0
let problem = ''

try {
  while (Atomics.load(stop, 0) === 0) {
    const i = Math.floor(random() * keys)
    const key = `cold/${i % 40}/file-${i}`
    const least = Atomics.load(done, i)
    const value = tree.get(key)
    const most = Atomics.load(begun, i)
    reads++
    if (value === undefined) {
      absent++
      if (Math.floor(most / 20) * 20 < least) throw new Error(`${key} is absent between changes ${least} and ${most}`)
      continue
    }
    assertIntact(key, value)
    const counter = counterOf(value)
    if (counter < least || counter > most) throw new Error(`${key} is at ${counter}, not ${least} to ${most}`)
  }
} catch (error) {
  problem = (error as Error).stack ?? String(error)
}
parentPort?.postMessage({ reads, absent, problem })
