/**
 * Writers move money between accounts by batches, rename their directory, make noise, run rounds and compactions, on a
 * pool too small for all of it; readers in other threads count the money in views. It is all there in every view, twice
 * in the same records.
 */
import { once } from 'node:events'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { startThread } from '../../src/thread.ts'
import { emptyDirectory, FRAME, SEED } from './store-fixture.ts'
import { assertNothingHeld } from './view-leaks.ts'
import { ACCOUNTS, accountOf, balance, MONEY, type ViewThread } from './view-thread-data.ts'

const MILLISECONDS = Number(process.env.HOLTFS_THREADS_MS ?? 4000)

for (const { name, frames, inMemory } of [
  { name: 'a pool of 24 frames', frames: 24, inMemory: false },
  { name: 'a pool that holds everything', frames: 256, inMemory: false },
  { name: 'memory', frames: 256, inMemory: true },
]) {
  test(`the money in every view is all of it, on ${name}`, async t => {
    t.log(`seed ${SEED}`)
    const store = openStore(inMemory ? undefined : emptyDirectory(t), { poolBytes: frames * FRAME })
    for (let i = 0; i < ACCOUNTS; i++) store.tree.put(accountOf(0, i), balance(MONEY, i * 40))
    const roles = ['writer', 'writer', 'reader', 'reader'] as const
    const results = await Promise.all(
      roles.map(async (role, n) => {
        const data: ViewThread = { role, seed: SEED + n, milliseconds: MILLISECONDS, handle: store.share() }
        const worker = startThread(import.meta.url, './view-thread', { workerData: data })
        const failure = once(worker, 'error').then(([error]) => {
          throw error
        })
        failure.catch(() => {})
        const exit = once(worker, 'exit')
        const [counts] = await Promise.race([once(worker, 'message'), failure])
        await Promise.race([exit, failure])
        return counts as Record<string, number>
      }),
    )
    const sum = (count: string) => results.reduce((all, counts) => all + counts[count], 0)
    t.log({ views: sum('views'), expired: sum('expired'), gets: sum('gets'), transfers: sum('transfers') })
    const { counters } = store.tree.stats()
    t.log({ renames: sum('renames'), ...counters })
    t.true(sum('views') > 0 && sum('transfers') > 10)
    t.deepEqual(store.tree.check().problems, [])
    if (!inMemory) store.tree.checkpoint()
    store.close()
    assertNothingHeld(store)
  })
}
