/**
 * Everything at once on one store: four threads that put, delete, raise, transfer in batches, rename records and
 * subtrees, load, read in every way, hold views, compact and run rounds, beside the background thread, on pools too
 * small for what they hold. HOLTFS_THREADS_MS sets how long.
 */
import { once } from 'node:events'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { startThread } from '../../src/thread.ts'
import { applyOwn, Changes, Common, THREADS } from './everything-operations.ts'
import { type Held, heldBy, prepare } from './everything-store.ts'
import type { EverythingResult, EverythingThread } from './everything-thread-data.ts'
import { Model } from './model.ts'
import { emptyDirectory, FRAME, SEED, SMALL, withStore } from './store-fixture.ts'

const MILLISECONDS = Number(process.env.HOLTFS_THREADS_MS ?? 4000)

for (const { name, frames, inMemory } of [
  { name: 'a pool of 8 frames', frames: 8, inMemory: false },
  { name: 'a pool of 16 frames', frames: 16, inMemory: false },
  { name: 'memory', frames: 128, inMemory: true },
]) {
  test.serial(`everything at once, on ${name}`, async t => {
    t.timeout(120_000 + 2 * MILLISECONDS)
    t.log(`seed ${SEED}`)
    const directory = inMemory ? undefined : emptyDirectory(t)
    const store = openStore(directory, { poolBytes: frames * FRAME, segmentBytes: 1 << 20 })
    prepare(store.tree)
    const results = await Promise.all(
      Array.from({ length: THREADS }, async (_, thread) => {
        const data: EverythingThread = {
          thread,
          seed: SEED,
          milliseconds: MILLISECONDS,
          handle: store.share(),
          telling: -1,
        }
        const worker = startThread(import.meta.url, './everything-thread', { workerData: data })
        const failure = once(worker, 'error').then(([error]) => {
          throw new Error(`seed ${SEED}, thread ${thread}`, { cause: error })
        })
        failure.catch(() => {})
        const exit = once(worker, 'exit')
        const [result] = await Promise.race([once(worker, 'message'), failure])
        await Promise.race([exit, failure])
        return result as EverythingResult
      }),
    )
    const expected: Held = { own: [], common: new Common() }
    for (const [thread, { changes }] of results.entries()) {
      const model = new Model()
      const all = new Changes(thread, SEED, model)
      for (let i = 0; i < changes; i++) {
        const next = all.next()
        applyOwn(model, next)
        expected.common.apply(next)
      }
      expected.own.push(new Map(model.keysBelow('').map(key => [key, model.get(key)!.value])))
    }
    t.deepEqual(heldBy(store.tree), expected)
    const { counters } = store.tree.stats()
    t.log({ ...counters })
    for (const result of results) t.log({ changes: result.changes, ...result.reads })
    t.true(results.every(({ changes, reads }) => changes >= 60 && reads.gets > 0))
    store.close()
    if (directory !== undefined) withStore(directory, SMALL, ({ tree }) => t.deepEqual(heldBy(tree), expected))
  })
}
