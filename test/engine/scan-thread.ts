/**
 * The writer of scan-threads.test.ts: until it is stopped it overwrites the records that always exist, puts, removes
 * and renames others between them, and now and then writes a checkpoint or compacts.
 */
import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { openShared } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { keyOf, LASTING, type ScanThread, valueFor } from './scan-thread-data.ts'

const { seed, stop, handle } = workerData as ScanThread
const tree = openShared(handle)
const random = seededRandom(seed)
const int = (n: number) => Math.floor(random() * n)
parentPort!.postMessage('begun')

let changes = 0
for (; Atomics.load(stop, 0) === 0; changes++) {
  const pick = int(100)
  const at = keyOf(int(LASTING))
  if (pick < 40) tree.put(at, valueFor(at, int(1000), 20 + int(int(10) === 0 ? 5000 : 400)))
  else if (pick < 70) tree.put(`${at}.${int(5)}`, Buffer.alloc(int(3000)))
  else if (pick < 97) tree.delete(`${at}.${int(5)}`)
  else if (pick < 99) {
    // A subtree comes, moves over the lasting records, and goes.
    const from = `scan/passing-${int(2)}/`
    const to = `scan/${int(10)}-passing/`
    for (let i = 0; i < 20; i++) tree.put(`${from}${i}`, Buffer.alloc(100))
    if (tree.renamePrefix(from, to)) for (let i = 0; i < 20; i++) assert.ok(tree.delete(`${to}${i}`))
    for (let i = 0; i < 20; i++) tree.delete(`${from}${i}`)
  } else if (int(4) === 0) tree.checkpoint()
  else if (int(20) === 0) tree.compact()
}
parentPort!.postMessage(changes)
