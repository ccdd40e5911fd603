/** A store that was closed has no log; one that was not must have one, whoever took it away. */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openStore, type StoreOptions, type Tree } from '../../src/index.ts'
import { FailingStorage } from '../support/failing-storage.ts'
import { seededRandom } from '../support/random.ts'
import {
  assertHolds,
  closeAnyhow,
  copyOf,
  emptyDirectory,
  powerCutStorage,
  SEED,
  SMALL,
  withStore,
} from './store-fixture.ts'

const wal = (directory: string) => join(directory, 'wal')

/** Changes that leave the store in one of the ways in which it may be closed. */
const LAST_CHANGES: Record<string, (tree: Tree) => void> = {
  'changes since the last checkpoint': tree => {
    tree.checkpoint()
    tree.put('b', '2')
  },
  'no changes since the last checkpoint': tree => {
    tree.put('b', '2')
    tree.checkpoint()
  },
}

const EXPECTED = new Map([
  ['a', Buffer.from('1')],
  ['b', Buffer.from('2')],
])

test('a closed store has no log, needs none, and gets one again', t => {
  const directory = emptyDirectory(t)
  for (let run = 0; run < 3; run++) {
    withStore(directory, SMALL, ({ tree }) => {
      for (const before of [0, 1, 2]) t.is(tree.get(`run ${before}`) !== undefined, before < run)
      tree.put(`run ${run}`, 'x')
      t.is(readdirSync(wal(directory)).length, 1)
    })
    t.deepEqual(readdirSync(wal(directory)), [])
    rmSync(wal(directory), { recursive: true })
    withStore(directory, { ...SMALL, readOnly: true }, ({ tree }) => t.is(tree.get(`run ${run}`)?.toString(), 'x'))
  }
})

test('closing what a kill left deletes its log, also when the last checkpoint holds all of it', t => {
  for (const [what, change] of Object.entries(LAST_CHANGES)) {
    const directory = emptyDirectory(t)
    const store = openStore(directory, SMALL)
    store.tree.put('a', '1')
    change(store.tree)
    const killed = copyOf(t, directory)
    closeAnyhow(store)
    t.is(readdirSync(wal(killed)).length, 1, what)
    withStore(killed, SMALL, ({ tree }) => assertHolds(tree, EXPECTED, what))
    t.deepEqual(readdirSync(wal(killed)), [], what)
    withStore(killed, SMALL, ({ tree }) => assertHolds(tree, EXPECTED, what))
  }
})

test('a log that is taken away from a store that was not closed is missed', t => {
  const directory = emptyDirectory(t)
  const options = { ...SMALL, segmentBytes: 300 }
  const steps: ((tree: Tree) => unknown)[] = [
    tree => tree.put('before any checkpoint', '1'),
    tree => tree.checkpoint(),
    tree => tree.put('after one', '2'),
    tree => tree.compact(),
    tree => tree.checkpoint(),
  ]
  for (let run = 0; run < 2; run++) {
    const store = openStore(directory, options)
    for (const [i, step] of steps.entries()) {
      step(store.tree)
      const killed = copyOf(t, directory)
      rmSync(wal(killed), { recursive: true })
      for (const readOnly of [false, true]) {
        t.throws(
          () => openStore(killed, { ...options, readOnly }),
          { code: 'HOLT_MISSING_WAL' },
          `run ${run}, step ${i}`,
        )
      }
    }
    store.close()
  }
})

test('compaction and rounds without a change need no log', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, ({ tree }) => {
    for (let i = 0; i < 2000; i++) tree.put(`key ${i}`, 'x'.repeat(300))
    for (let i = 0; i < 2000; i += 2) tree.delete(`key ${i}`)
  })
  const store = openStore(directory, SMALL)
  t.true(store.tree.compact() > 0)
  t.true(store.tree.checkpoint())
  withStore(copyOf(t, directory), SMALL, ({ tree }) => t.is(tree.check().records, 1000))
  t.deepEqual(readdirSync(wal(directory)), [])
  store.close()
})

test('opening, reading and closing changes nothing, and makes nothing durable', t => {
  const directory = emptyDirectory(t)
  const storage = powerCutStorage(directory)
  withStore(directory, { ...SMALL, storage }, ({ tree }) => tree.put('a', '1'))
  const { calls } = storage
  withStore(directory, { ...SMALL, storage }, ({ tree }) => {
    t.is(tree.get('a')?.toString(), '1')
    tree.flush()
    tree.sync()
    t.false(tree.checkpoint())
  })
  t.is(storage.calls, calls)
})

for (const [what, change] of Object.entries(LAST_CHANGES)) {
  for (const runs of [1, 2]) {
    test(`a power cut or a failure at every call of closing: ${what}, run ${runs}`, t => {
      t.log(`seed ${SEED}`)
      const directory = emptyDirectory(t)
      const options: StoreOptions = { ...SMALL, durability: 'sync', segmentBytes: 200 }
      const holds = (given: StoreOptions, where: string) =>
        withStore(directory, { ...options, ...given }, ({ tree }) => assertHolds(tree, EXPECTED, where))
      for (let n = 1; ; n++) {
        const storage = powerCutStorage(directory)
        if (runs === 2) withStore(directory, { ...options, storage }, ({ tree }) => tree.put('a', 'first'))
        const store = openStore(directory, { ...options, storage })
        store.tree.put('a', '1')
        change(store.tree)
        storage.freezeAt = storage.calls + n
        closeAnyhow(store)
        const { isFrozen } = storage
        for (let variant = 0; variant < 8; variant++) {
          const after = variant === 0 ? storage.crash() : storage.crash({ random: seededRandom(SEED + variant) })
          holds({ storage: after }, `call ${n}, cut ${variant}`)
          holds({ storage: after }, `call ${n}, cut ${variant}, closed`)
        }
        if (!isFrozen) break
      }
      for (const code of ['EIO', 'ENOSPC']) {
        for (let n = 1; ; n++) {
          const inner = powerCutStorage(directory)
          if (runs === 2) withStore(directory, { ...options, storage: inner }, ({ tree }) => tree.put('a', 'first'))
          const storage = new FailingStorage(inner, { code })
          const store = openStore(directory, { ...options, storage })
          store.tree.put('a', '1')
          change(store.tree)
          storage.failAt = storage.calls + n
          closeAnyhow(store)
          holds({ storage: inner }, `${code} at call ${n}`)
          if (!storage.hasFailed) break
        }
      }
      t.pass()
    })
  }
}
