/** The second thread of put-latency.ts: does what the first word says; the second one tells whether it is at it. */
import { workerData } from 'node:worker_threads'
import { openShared } from '../dist/index.js'

const { handle, words } = workerData
const tree = openShared(handle)
const KEYS = 200_000
const STRIPE = 20_000
const key = Buffer.alloc(9, 'm')
const value = Buffer.alloc(112, 'v')
let at = 0

function keyOf(n: number): Buffer {
  key[0] = 2
  key.writeUInt32BE(n, 5)
  return key
}

/** Makes a stripe of keys sparse, waits for it to be merged, and fills it again. */
function merge(): void {
  const first = at
  at = (at + STRIPE) % KEYS
  for (let n = first; n < first + STRIPE && words[0] === 1; n++) if (n % 16 !== 0) tree.delete(keyOf(n))
  Atomics.wait(words, 0, 1, 150)
  for (let n = first; n < first + STRIPE; n++) {
    tree.put(keyOf(n), value)
    if (n % 100 === 0 && words[0] !== 1) Atomics.wait(words, 1, 1, 1)
  }
}

for (;;) {
  Atomics.wait(words, 0, 0)
  Atomics.store(words, 1, 1)
  if (words[0] === 1) merge()
  else if (words[0] === 2) tree.checkpoint()
  Atomics.store(words, 1, 0)
  Atomics.notify(words, 1)
}
