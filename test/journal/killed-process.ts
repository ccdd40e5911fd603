/** The process that mapped-log.test.ts kills: opens the log, says so, and appends in several threads until it ends. */
import { openSync } from 'node:fs'
import { Journal } from '../../src/journal/journal.ts'
import { replay } from '../../src/journal/replay.ts'
import { createJournalShared } from '../../src/journal/shared.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { startThread } from '../../src/thread.ts'
import { KILLED_THREADS } from './killed-run.ts'
import type { KilledThread } from './killed-thread.ts'

const [directory, tellingPath, run] = process.argv.slice(2)
const options = { durability: 'process', segmentBytes: 200_000 } as const
const replayed = replay(hostStorage, directory, 0, true, () => {})
const shared = createJournalShared()
const journal = Journal.start(hostStorage, directory, shared, replayed, options)
const telling = openSync(tellingPath, 'w')
for (let name = 1; name <= KILLED_THREADS; name++) {
  const data: KilledThread = { name, run: Number(run), directory, shared, options, telling }
  startThread(import.meta.url, './killed-thread', { workerData: data })
}
const poll = setInterval(() => {
  if (journal.lastSeq() < replayed.lastSeq + 100) return
  clearInterval(poll)
  process.send?.('appending')
}, 1)
