/**
 * Threads on one store with a pool too small for it, while the background thread runs rounds: no torn value, no lost
 * update, no count that disagrees.
 */
import { once } from 'node:events'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { startThread } from '../../src/thread.ts'
import { emptyDirectory, SEED, SMALL, withStore } from './store-fixture.ts'
import { assertIntact, COMMON, COUNTERS, commonKey, counterOf, keyOf, type TreeThread } from './tree-thread-data.ts'

const MILLISECONDS = Number(process.env.HOLTFS_THREADS_MS ?? 4000)

test('threads write their own keys and read the others’ while rounds run', async t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const store = openStore(directory, { poolBytes: SMALL.poolBytes! })
  const threads = [0, 1, 2, 3]
  const results = await Promise.all(
    threads.map(async thread => {
      const data: TreeThread = {
        thread,
        threads: threads.length,
        seed: SEED + thread,
        milliseconds: MILLISECONDS,
        handle: store.share(),
      }
      const worker = startThread(import.meta.url, './tree-thread', { workerData: data })
      const failure = once(worker, 'error').then(([error]) => {
        throw error
      })
      failure.catch(() => {})
      const exit = once(worker, 'exit')
      const [result] = await Promise.race([once(worker, 'message'), failure])
      await Promise.race([exit, failure])
      return result as { counts: Int32Array; raised: Int32Array; reads: number; scanned: number }
    }),
  )
  const { tree } = store
  const compare = (reopened: typeof tree) => {
    let records = 0
    for (const thread of threads) {
      for (let i = 0; i < COUNTERS; i++) {
        const value = reopened.get(keyOf(thread, i))
        const expected = results[thread].counts[i]
        if (value !== undefined) {
          assertIntact(keyOf(thread, i), value)
          records++
        }
        t.is(value === undefined ? 0 : counterOf(value), expected)
      }
    }
    for (let i = 0; i < COMMON; i++) {
      const value = reopened.get(commonKey(i))
      const raised = results.reduce((sum, result) => sum + result.raised[i], 0)
      t.is(value === undefined ? 0 : counterOf(value), raised)
      if (value !== undefined) records++
    }
    const summary = reopened.check()
    t.deepEqual(summary.problems, [])
    t.is(summary.records, records)
    return records
  }
  t.true(compare(tree) > 100)
  const { counters } = tree.stats()
  t.log({ writes: tree.lastSeq(), reads: results.map(r => r.reads), scanned: results.map(r => r.scanned), ...counters })
  t.true(counters.rounds > 0)
  store.close()
  withStore(directory, SMALL, reopened => compare(reopened.tree))
})
