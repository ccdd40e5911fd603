/**
 * Every host call fails once, in turn: no wrong answer, nothing acknowledged is lost, and the store goes on unless
 * an fsync failed.
 */
import test from 'ava'
import { type HoltError, openStore, type Tree } from '../../src/index.ts'
import { FailingStorage, type StorageCall } from '../support/failing-storage.ts'
import { Workload } from './fault-workload.ts'
import { closeAnyhow, emptyDirectory, powerCutStorage, SMALL, withStore } from './store-fixture.ts'

const SEGMENT = 4000
const CALLS: StorageCall[] = [
  'open',
  'read',
  'write',
  'truncate',
  'datasync',
  'syncDirectory',
  'rename',
  'unlink',
  'mkdir',
]
/** A failed one leaves in doubt what is on the medium. */
const FINAL: StorageCall[] = ['datasync', 'syncDirectory']

/** False when the store has failed for good; any other failure is thrown. */
function nextRoundSucceeds(tree: Tree): boolean {
  try {
    tree.checkpoint()
    return true
  } catch (error) {
    if ((error as HoltError).code === 'HOLT_FAILED') return false
    throw error
  }
}

for (const code of ['EIO', 'ENOSPC']) {
  for (const kind of CALLS) {
    test(`the n-th ${kind} fails with ${code}`, t => {
      const directory = emptyDirectory(t)
      let failed = 0
      let n = 1
      for (; ; n++) {
        const inner = powerCutStorage(directory)
        const storage = new FailingStorage(inner, { failAt: n, kinds: [kind], code, partialWrites: n % 2 === 0 })
        const options = { ...SMALL, storage, segmentBytes: SEGMENT }
        const work = new Workload()
        work.run(directory, options, 0)
        if (!storage.hasFailed) {
          t.deepEqual(work.errors, [])
          closeAnyhow(work.store)
          break
        }
        const what = `${kind} ${n}: ${work.errors.map(error => `${error.code} ${error.message}`).join('; ')}`
        if (work.store !== undefined) {
          t.is(work.judge(work.store.tree), '', `${what}, live`)
          if (nextRoundSucceeds(work.store.tree)) t.false(work.hasFailed(), what)
          else {
            failed++
            t.false(code === 'ENOSPC' && !FINAL.includes(kind), what)
          }
        }
        const killed = inner.afterKill()
        closeAnyhow(work.store)
        const again = { ...options, storage: killed }
        withStore(directory, again, ({ tree }) => t.is(work.judge(tree), '', `${what}, killed`))
        withStore(directory, { ...options, storage: inner }, ({ tree }) => {
          t.is(work.judge(tree), '', `${what}, closed`)
          tree.put('after', 'all')
          t.true(tree.checkpoint())
        })
      }
      t.log(`${n - 1} calls, the store failed after ${failed}`)
    })
  }
}

test('a disk that is full for a while: changes fail or wait in the log, and all goes on when space comes back', t => {
  const directory = emptyDirectory(t)
  for (let n = 5; n < 400; n = Math.ceil(n * 1.3)) {
    const inner = powerCutStorage(directory)
    const storage = new FailingStorage(inner, { failAt: n, kinds: ['write', 'open'], code: 'ENOSPC', sticky: true })
    const options = { ...SMALL, storage, segmentBytes: 100_000 }
    const work = new Workload()
    work.run(directory, options, 90, false)
    if (work.store === undefined) continue
    const { tree } = work.store
    const message = work.errors.map(error => `${error.code} ${error.message}`).join('; ')
    t.false(work.hasFailed(), `write ${n}: ${message}`)
    storage.heal()
    tree.put('space', 'is back')
    for (const state of work.states) state.set('space', 'is back')
    t.notThrows(() => tree.checkpoint())
    t.is(work.judge(tree), '', `write ${n}: ${message}`)
    work.store.close()
    withStore(directory, { ...options, storage: inner }, reopened =>
      t.is(work.judge(reopened.tree), '', `write ${n}, closed`),
    )
  }
})

test('a change that fails half-way is not written by closing, and the log has all of it', t => {
  const directory = emptyDirectory(t)
  const inner = powerCutStorage(directory)
  const storage = new FailingStorage(inner, { kinds: ['write'], code: 'EIO', sticky: true })
  const options = { ...SMALL, storage }
  const store = openStore(directory, options)
  const keys = Array.from({ length: 80 }, (_, i) => `group-${i % 16}/${i}`)
  for (const key of keys) store.tree.put(key, 'x'.repeat(60_000))
  store.tree.checkpoint()
  storage.failAt = storage.calls + 1
  const change = () =>
    store.tree.atomic(batch => {
      for (const key of keys) batch.put(key, 'y'.repeat(40_000))
    })
  t.throws(change, { code: 'HOLT_FAILED' })
  t.throws(() => store.tree.put('more', 'x'), { code: 'HOLT_FAILED' })
  t.throws(() => store.tree.checkpoint(), { code: 'HOLT_FAILED' })
  storage.heal()
  store.close()
  withStore(directory, { ...options, storage: inner }, ({ tree }) => {
    for (const key of keys) t.regex(tree.get(key)!.toString(), /^y+$/)
    t.deepEqual(tree.check().problems, [])
  })
})

test('a round that fails after a change was acknowledged does not fail the change', t => {
  const directory = emptyDirectory(t)
  const inner = powerCutStorage(directory)
  const storage = new FailingStorage(inner, { kinds: ['datasync'], code: 'EIO' })
  const store = openStore(directory, { ...SMALL, storage, segmentBytes: 64 << 20 })
  const value = Buffer.alloc(60_000)
  storage.failAt = storage.calls + 2 // the log's is the first of a round, that of frames.dat the second
  let puts = 0
  t.throws(
    () => {
      for (; puts < 1000; puts++) store.tree.put(`key ${puts % 50}`, value)
    },
    { code: 'HOLT_FAILED' },
  )
  t.true(puts * value.length > 16 << 20, `${puts}`)
  t.is(store.tree.lastSeq(), puts)
  closeAnyhow(store)
})

test('a round that fails at its first frame lets go of all others: writers go on on a pool of 8 frames', t => {
  const directory = emptyDirectory(t)
  const storage = new FailingStorage(powerCutStorage(directory), { kinds: ['write'], code: 'ENOSPC' })
  const options = { ...SMALL, storage, segmentBytes: 64 << 20 }
  const work = (byte: number) => {
    for (let i = 0; i < 40; i++) store.tree.put(`group-${i % 4}/${i}`, Buffer.alloc(40_000, byte))
  }
  const store = openStore(directory, options)
  work(1)
  t.true(store.tree.stats().dirtyFrames > 3)
  storage.failAt = storage.calls + 1
  t.throws(() => store.tree.checkpoint(), { code: 'HOLT_FULL' })
  const { copiesAside } = store.tree.stats().counters
  work(2)
  t.is(store.tree.stats().counters.copiesAside, copiesAside)
  t.true(store.tree.checkpoint())
  store.close()
})
