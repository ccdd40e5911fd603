/** The process that killed-store.test.ts kills: opens the store, says so, and lets threads do everything until it ends. */
import { openSync } from 'node:fs'
import { openStore } from '../../src/index.ts'
import { startThread } from '../../src/thread.ts'
import { THREADS } from './everything-operations.ts'
import type { EverythingThread } from './everything-thread-data.ts'

const [directory, tellingPath, seed, frameBytes] = process.argv.slice(2)
const store = openStore(directory, { poolBytes: Number(frameBytes), segmentBytes: 300_000 })
const telling = openSync(tellingPath, 'w')
for (let thread = 0; thread < THREADS; thread++) {
  const data: EverythingThread = {
    thread,
    seed: Number(seed),
    milliseconds: Number.POSITIVE_INFINITY,
    handle: store.share(),
    telling,
  }
  // What a thread throws ends the process, with a code that is no signal.
  startThread(import.meta.url, './everything-thread', { workerData: data })
}
process.send?.('open')
