/** More blobs than frames: what is evicted dirty, without a checkpoint, must come back, also after a crash. */
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, copyOf, emptyDirectory, powerCutStorage, SEED, SMALL, withStore } from './store-fixture.ts'

const KEYS = 500
const VALUE = 16_000

/** Random puts over far more bytes than the pool holds; returns what the tree must hold. */
function churn(put: (key: string, value: Buffer) => void, seed: number, puts: number): Map<string, Buffer> {
  const random = seededRandom(seed)
  const expected = new Map<string, Buffer>()
  for (let i = 0; i < puts; i++) {
    const key = `directory-${Math.floor(random() * 20)}/file-${Math.floor(random() * (KEYS / 20))}`
    const value = Buffer.alloc(Math.floor(random() * VALUE), i)
    put(key, value)
    expected.set(key, value)
  }
  return expected
}

test('frames evicted dirty come back, are there after closing, and after a crash without a checkpoint', t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  const expected = churn((key, value) => store.tree.put(key, value), SEED, 1500)
  const { counters, blobs } = store.tree.stats()
  t.true(blobs > 8 && counters.frameSteals > 20, JSON.stringify({ blobs, ...counters }))
  t.is(counters.rounds, 0)
  const killed = copyOf(t, directory)
  assertHolds(store.tree, expected, 'live')
  store.close()
  withStore(directory, SMALL, ({ tree }) => assertHolds(tree, expected, 'closed'))
  withStore(killed, SMALL, ({ tree }) => {
    t.is(tree.stats().checkpointSeq, 0)
    assertHolds(tree, expected, 'killed')
  })
})

test('frames written ahead never touch the images of the last checkpoint', t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  const expected = churn((key, value) => store.tree.put(key, value), SEED + 1, 700)
  store.tree.checkpoint()
  const again = churn((key, value) => store.tree.put(key, value), SEED + 2, 700)
  for (const [key, value] of again) expected.set(key, value)
  t.true(store.tree.stats().counters.frameSteals > 20)
  const killed = copyOf(t, directory)
  withStore(killed, SMALL, ({ tree }) => assertHolds(tree, expected, 'killed'))
  store.close()
})

test('a power cut after dirty evictions keeps everything that was synced', t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const storage = powerCutStorage(directory)
  const store = openStore(directory, { ...SMALL, storage })
  const expected = churn((key, value) => store.tree.put(key, value), SEED + 3, 600)
  store.tree.sync()
  const cuts = [storage.crash(), ...[1, 2, 3].map(n => storage.crash({ random: seededRandom(SEED + n) }))]
  store.close()
  cuts.forEach((after, n) => {
    withStore(directory, { ...SMALL, storage: after }, ({ tree }) => assertHolds(tree, expected, `cut ${n}`))
  })
  t.pass()
})
