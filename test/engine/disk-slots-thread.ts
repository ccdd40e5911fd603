/** A thread that asks for disk slots, one after the other, and tells which it got. */
import { parentPort, workerData } from 'node:worker_threads'
import { DiskSlots } from '../../src/engine/disk-slots.ts'

const { disk, words } = workerData
const slots = new DiskSlots(disk, new Int32Array(words))
parentPort!.once('message', count => {
  for (let i = 0; i < count; i++) parentPort!.postMessage(slots.allocate())
})
parentPort!.postMessage(-1)
