/**
 * Threads that read single records of blobs that are not resident, while another one overwrites and deletes them, frames are
 * written ahead and routed, and rounds give slots of frames.dat up and write them again.
 */
import { once } from 'node:events'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { startThread } from '../../src/thread.ts'
import { seededRandom } from '../support/random.ts'
import type { ColdReader } from './cold-reader-thread.ts'
import { emptyDirectory, SEED, SMALL } from './store-fixture.ts'
import { valueFor } from './tree-thread-data.ts'

const MILLISECONDS = Number(process.env.HOLTFS_THREADS_MS ?? 4000)
/** Milliseconds more that a slow machine gets until enough has happened. */
const PATIENCE = 60_000
const KEYS = 4000
const READERS = 2

test('cold reads see each record as it was at some moment of the read, whatever becomes of its blob and disk slot', async t => {
  t.log(`seed ${SEED}`)
  const store = openStore(emptyDirectory(t), SMALL)
  const { tree } = store
  const random = seededRandom(SEED)
  const int = (n: number) => Math.floor(random() * n)
  const begun = new Int32Array(new SharedArrayBuffer(KEYS * 4))
  const done = new Int32Array(new SharedArrayBuffer(KEYS * 4))
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const keyOf = (i: number) => `cold/${i % 40}/file-${i}`
  /** Each twentieth change of a key deletes it. */
  const change = (i: number) => {
    const counter = Atomics.add(begun, i, 1) + 1
    if (counter % 20 === 0) tree.delete(keyOf(i))
    else tree.put(keyOf(i), valueFor(keyOf(i), counter, int(40) === 0 ? 900 + int(1200) : 1500))
    Atomics.store(done, i, counter)
  }
  // Some are deleted soon.
  for (let i = 0; i < KEYS; i++) begun[i] = int(19)
  for (let i = 0; i < KEYS; i++) change(i)
  tree.compact()
  tree.checkpoint()

  const readers = Array.from({ length: READERS }, (_, reader) => {
    const data: ColdReader = { seed: SEED + reader, handle: store.share(), keys: KEYS, begun, done, stop }
    return startThread(import.meta.url, './cold-reader-thread', { workerData: data })
  })
  const failed = readers.map(reader => once(reader, 'error').then(([error]) => Promise.reject(error)))
  for (const failure of failed) failure.catch(() => {})
  const messages = readers.map(reader => once(reader, 'message'))
  await Promise.race([Promise.all(readers.map(reader => once(reader, 'online'))), ...failed])

  const isEnough = () => {
    const { coldReads, routings, frameSteals, roundFrames } = tree.stats().counters
    return coldReads > 100 && routings > 20 && frameSteals + roundFrames > 50
  }
  const end = Date.now() + MILLISECONDS
  let changes = 0
  for (; Date.now() < end || ((changes % 100 > 0 || !isEnough()) && Date.now() < end + PATIENCE); changes++) {
    change(int(KEYS))
    if (changes % 50 === 0) tree.checkpoint()
    if (changes % 400 === 0) tree.compact()
    if (changes % 100 === 0) await new Promise(resolve => setTimeout(resolve, 5))
  }
  Atomics.store(stop, 0, 1)
  const results = await Promise.race([Promise.all(messages), ...failed])
  const reads = results.map(([message]) => message as { reads: number; absent: number; problem: string })
  const { counters } = tree.stats()
  t.log({ changes, reads, ...counters })
  for (const { problem } of reads) t.is(problem, '')
  t.true(isEnough())
  t.deepEqual(tree.check().problems, [])
  store.close()
})
