/** A worker thread of killed-process.ts: appends its name and count without end, and tells what was acknowledged. */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { Journal, type JournalOptions } from '../../src/journal/journal.ts'
import type { JournalShared } from '../../src/journal/shared.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { countBody } from './killed-run.ts'

export interface KilledThread {
  name: number
  run: number
  directory: string
  shared: JournalShared
  options: JournalOptions
  /** Descriptor of the file that holds the last count acknowledged, a Float64 for each thread. */
  telling: number
}

const { name, run, directory, shared, options, telling } = workerData as KilledThread
const journal = Journal.attach(hostStorage, directory, shared, options)
const told = Buffer.alloc(8)
for (let count = 1; ; count++) {
  const body = countBody(run, count)
  journal.commit(journal.append(name, body, body.length))
  told.writeDoubleLE(count)
  writeSync(telling, told, 0, 8, (name - 1) * 8)
}
