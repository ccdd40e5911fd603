/**
 * Scans in one thread while another one writes, on a pool too small for the tree: records that always exist are listed
 * exactly once and in order, no value is torn (I19).
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { startThread } from '../../src/thread.ts'
import { assertWhole, keyOf, LASTING, type ScanThread, valueFor } from './scan-thread-data.ts'
import { emptyDirectory, SEED, SMALL } from './store-fixture.ts'

const MILLISECONDS = Number(process.env.HOLTFS_THREADS_MS ?? 3000)

test('a scan beside a writer lists what always exists, once and in order', async t => {
  t.log(`seed ${SEED}`)
  const store = openStore(emptyDirectory(t), SMALL)
  const { tree } = store
  const lasting = Array.from({ length: LASTING }, (_, i) => keyOf(i))
  for (const key of lasting) tree.put(key, valueFor(key, 0, 300))
  lasting.sort()
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const data: ScanThread = { seed: SEED, stop, handle: store.share() }
  const worker = startThread(import.meta.url, './scan-thread', { workerData: data })
  const failure = once(worker, 'error').then(([error]) => {
    throw error
  })
  failure.catch(() => {})
  await Promise.race([once(worker, 'message'), failure])
  const counted = Promise.race([once(worker, 'message'), failure])
  const gone = Promise.race([once(worker, 'exit'), failure])

  let scans = 0
  let last = ''
  let next = 0
  const see = (key: string, value: Uint8Array) => {
    assert.ok(key > last, `${key} after ${last}`)
    last = key
    if (key !== lasting[next]) {
      assert.ok(next === LASTING || key < lasting[next], `${lasting[next]} was missed before ${key}`)
      return
    }
    assertWhole(key, value)
    next++
  }
  const end = Date.now() + MILLISECONDS
  // A slow machine gets a minute more until enough has happened.
  const isEnough = () => scans > 3 && tree.lastSeq() > LASTING + 100 && tree.stats().counters.readRestarts > 10
  for (; Date.now() < end || (!isEnough() && Date.now() < end + 60_000); scans++) {
    last = ''
    next = 0
    if (scans % 2 === 0) {
      for (const entry of tree.range({ prefix: 'scan/' })) if (entry.key) see(entry.key.toString(), entry.value)
    } else {
      tree.scan({ prefix: 'scan/' }, ({ bytes, keyAt, keyLength, valueAt, valueLength }) => {
        const key = Buffer.from(bytes.subarray(keyAt, keyAt + keyLength)).toString()
        see(key, bytes.subarray(valueAt, valueAt + valueLength))
      })
    }
    t.is(next, LASTING)
  }
  Atomics.store(stop, 0, 1)
  const [changes] = await counted
  await gone
  const { counters, blobs } = tree.stats()
  t.log({ scans, changes, blobs, ...counters })
  t.true(isEnough())
  t.deepEqual(tree.check().problems, [])
  store.close()
})
