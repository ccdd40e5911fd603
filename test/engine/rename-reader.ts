/** The reading thread of rename-readers.test.ts: sees the first name gone, and asks for the second one at once. */
import { parentPort, workerData } from 'node:worker_threads'
import { openShared } from '../../src/index.ts'
import { nameOf, type RenameReader, TURN } from './rename-reader-data.ts'

const { handle, words, rounds } = workerData as RenameReader
const tree = openShared(handle)
const target = new Uint8Array(8)
let missed = 0
for (let round = 0; round < rounds; round++) {
  const from = Buffer.from(nameOf(round))
  const to = Buffer.from(nameOf(round + 1))
  Atomics.store(words, TURN, round + 1)
  Atomics.notify(words, TURN)
  while (tree.getInto(from, target) >= 0);
  if (tree.getInto(to, target) < 0) missed++
}
parentPort?.postMessage(missed)
