/** While frames.dat is cut, who asks for a slot gets one before the cut, or waits until it is done. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { DiskSlots } from '../../src/engine/disk-slots.ts'
import { CONTROL_WORDS, createEngineShared } from '../../src/engine/shared.ts'
import { startThread } from '../../src/thread.ts'

test('slots behind the end are not given out while the file is cut there', async t => {
  const { blobs: disk } = createEngineShared(0)
  const words = new SharedArrayBuffer(CONTROL_WORDS * 4)
  const slots = new DiskSlots(disk, new Int32Array(words))
  for (let slot = 0; slot < 20; slot++) t.is(slots.allocate(), slot)
  for (let slot = 10; slot < 20; slot++) slots.release(slot)
  slots.release(3)
  t.is(slots.end(), 10)
  t.is(slots.used(), 9)

  const worker = startThread(import.meta.url, './disk-slots-thread', { workerData: { disk, words } })
  const got: number[] = []
  await once(worker, 'message')
  worker.on('message', slot => got.push(slot))
  slots.closeFrom(10)
  worker.postMessage(3)
  while (got.length < 1) await delay(5)
  await delay(100)
  t.deepEqual(got, [3])
  slots.reopen()
  while (got.length < 3) await delay(5)
  t.deepEqual(got, [3, 10, 11])
  t.is(slots.end(), 12)
  await worker.terminate()
})
