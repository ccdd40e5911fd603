/** A worker thread of threads.test.ts: attaches to the journal and appends records that carry its name and count. */
import { parentPort, workerData } from 'node:worker_threads'
import { Journal, type JournalOptions } from '../../src/journal/journal.ts'
import type { JournalShared } from '../../src/journal/shared.ts'
import { hostStorage } from '../../src/journal/storage.ts'

export interface AppendingThread {
  name: number
  count: number
  directory: string
  shared: JournalShared
  options: JournalOptions
  isMapped: boolean
}

const { name, count, directory, shared, options, isMapped } = workerData as AppendingThread
const storage = isMapped ? hostStorage : { ...hostStorage, mapping: undefined }
const journal = Journal.attach(storage, directory, shared, options)
const body = new Uint8Array(400)
const view = new DataView(body.buffer)
const seqs = new Float64Array(count)
for (let i = 0; i < count; i++) {
  view.setUint32(0, i, true)
  seqs[i] = journal.append(name, body, 4 + ((i * 13 + name) % 390))
  journal.commit(seqs[i])
  if (i % 500 === 499) journal.sync()
}
parentPort?.postMessage(seqs)
