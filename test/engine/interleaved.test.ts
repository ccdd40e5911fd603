/**
 * The optimistic paths under schedules that follow from a seed: lookups, ranges and changes on the shared side of the
 * gate, and views, against compactions, moves of subtrees and checkpoint rounds, on frames that are seen half changed.
 */
import { once } from 'node:events'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { startThread } from '../../src/thread.ts'
import { createSchedule, stepsOf } from '../support/interleave.ts'
import {
  COMMON,
  type InterleavedThread,
  OWN,
  ownKey,
  STABLE,
  sharedKey,
  stableKey,
  THREADS,
} from './interleaved-data.ts'
import { emptyDirectory, SEED, SMALL } from './store-fixture.ts'
import { assertIntact, counterOf, valueFor } from './tree-thread-data.ts'

const SCHEDULES = Number(process.env.HOLTFS_SCHEDULES ?? 6)
const OPERATIONS = Number(process.env.HOLTFS_OPERATIONS ?? 60)

interface Result {
  own: Int32Array
  raised: Int32Array
  views: number
}

async function run(t: import('ava').ExecutionContext, seed: number, directory: string | undefined): Promise<number> {
  const store = openStore(directory, SMALL)
  const { tree } = store
  for (let i = 0; i < STABLE; i++) tree.put(stableKey(i), valueFor(stableKey(i), 7, 50))
  for (let i = 0; i < 20; i++) tree.put(`b/here/${i}`, `${i}`)
  const schedule = createSchedule(THREADS, seed)
  const results = await Promise.all(
    Array.from({ length: THREADS }, async (_, thread) => {
      const data: InterleavedThread = { thread, seed, operations: OPERATIONS, handle: store.share(), schedule }
      const worker = startThread(import.meta.url, './interleaved-thread', { workerData: data })
      const failure = once(worker, 'error').then(([error]) => {
        throw new Error(`seed ${seed}, thread ${thread}`, { cause: error })
      })
      failure.catch(() => {})
      const [result] = await Promise.race([once(worker, 'message'), failure])
      return result as Result
    }),
  )
  let records = STABLE + 20
  for (let thread = 0; thread < THREADS; thread++) {
    for (let i = 0; i < OWN; i++) {
      const value = tree.get(ownKey(thread, i))
      if (value !== undefined) records++
      t.is(value === undefined ? 0 : counterOf(value), results[thread].own[i], `seed ${seed}: ${ownKey(thread, i)}`)
    }
  }
  for (let i = 0; i < COMMON; i++) {
    const value = tree.get(sharedKey(i))
    if (value !== undefined) {
      records++
      assertIntact(sharedKey(i), value)
    }
    const raised = results.reduce((sum, result) => sum + result.raised[i], 0)
    t.is(value === undefined ? 0 : counterOf(value), raised, `seed ${seed}: ${sharedKey(i)}`)
  }
  const summary = tree.check()
  t.deepEqual(summary.problems, [])
  t.is(summary.records, records)
  const views = results.reduce((sum, result) => sum + result.views, 0)
  t.log({ views, expired: tree.stats().counters.viewsExpired })
  store.close()
  return stepsOf(schedule)
}

test('seeded schedules of four threads, in memory and on files', async t => {
  let steps = 0
  for (let i = 0; i < SCHEDULES; i++) steps += await run(t, SEED + i, i % 2 === 0 ? undefined : emptyDirectory(t))
  t.log({ seed: SEED, schedules: SCHEDULES, steps })
})

test('one seed is one schedule', async t => {
  t.is(await run(t, SEED, undefined), await run(t, SEED, undefined))
})
