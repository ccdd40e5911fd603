import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Journal, type JournalOptions } from '../../src/journal/journal.ts'
import { replay } from '../../src/journal/replay.ts'
import { createJournalShared } from '../../src/journal/shared.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { startThread } from '../../src/thread.ts'
import type { AppendingThread } from './appending-thread.ts'

for (const [durability, isMapped, count] of [
  ['process', true, 20000],
  ['process', false, 20000],
  ['async', true, 20000],
  ['async', false, 20000],
  ['sync', true, 400],
  ['sync', false, 400],
] as const) {
  test(`threads append in parallel: every record once, in seq order, ${durability}, mapped ${isMapped}`, async t => {
    const root = mkdtempSync(join(tmpdir(), 'holtfs-wal-'))
    t.teardown(() => rmSync(root, { recursive: true }))
    const directory = join(root, 'wal')
    const shared = createJournalShared(64 * 1024)
    const options: JournalOptions = { durability, segmentBytes: 200_000 }
    const storage = isMapped ? hostStorage : { ...hostStorage, mapping: undefined }
    const journal = Journal.start(storage, directory, shared, { lastSeq: 0, durableSeq: 0 }, options)
    const names = [1, 2, 3]
    const seqsOf = await Promise.all(
      names.map(async name => {
        const workerData: AppendingThread = { name, count, directory, shared, options, isMapped }
        const worker = startThread(import.meta.url, './appending-thread', { workerData })
        const [seqs] = (await once(worker, 'message')) as [Float64Array]
        await worker.terminate()
        return seqs
      }),
    )
    journal.close()
    const next = [0, 0, 0]
    let last = 0
    let wrong = 0
    replay(hostStorage, directory, 0, true, (type, body, length, seq) => {
      const i = next[type - 1]++
      const counted = new DataView(body.buffer, body.byteOffset, length).getUint32(0, true)
      if (seq !== ++last || counted !== i || seqsOf[type - 1][i] !== seq || length !== 4 + ((i * 13 + type) % 390))
        wrong++
    })
    t.is(wrong, 0)
    t.deepEqual(next, [count, count, count])
    const { appends, syncs } = journal.counters()
    t.is(appends, 3 * count)
    if (durability === 'sync') t.true(syncs < 3 * count, `${syncs} syncs for ${3 * count} commits: no group was formed`)
  })
}
