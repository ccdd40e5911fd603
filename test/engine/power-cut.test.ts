/**
 * Power cuts at every changing call of a workload with rounds, log rotation and a rewritten manifest: what was durable
 * is there, nothing is half applied, and the structure is sound.
 */
import test from 'ava'
import { appendCheckpoint, readManifest } from '../../src/engine/manifest.ts'
import { openStore, type StoreOptions } from '../../src/index.ts'
import type { PowerCutStorage } from '../support/power-cut-storage.ts'
import { seededRandom } from '../support/random.ts'
import { steps, Workload } from './fault-workload.ts'
import { closeAnyhow, emptyDirectory, powerCutStorage, SEED, SMALL, withStore } from './store-fixture.ts'

type Judge = (work: Workload, after: PowerCutStorage, what: string) => void

/** Runs the workload on `storage`, which loses its power at its n-th call from now; false when it came to its end before. */
function cutAt(
  n: number,
  storage: PowerCutStorage,
  directory: string,
  options: StoreOptions,
  variants: number,
  judge: Judge,
): boolean {
  const random = seededRandom(SEED + n)
  const work = new Workload()
  storage.freezeAt = storage.calls + n
  work.run(directory, { ...options, storage }, 0, false)
  const { isFrozen } = storage
  for (let variant = 0; variant < variants; variant++) {
    const after = variant === 0 ? storage.crash() : storage.crash({ random })
    if (variant === 0) closeAnyhow(work.store) // no power, or all is written: it only lets go of the lock
    judge(work, after, `seed ${SEED}, call ${n}, cut ${variant}: ${work.errors[0]?.message ?? 'not frozen'}`)
  }
  return isFrozen
}

for (const durability of ['sync', 'process'] as const) {
  test(`a power cut at every call of a workload keeps what was durable, ${durability}`, t => {
    t.log(`seed ${SEED}`)
    const directory = emptyDirectory(t)
    const options = { ...SMALL, durability, segmentBytes: 3000 }
    const judge: Judge = (work, after, what) => {
      withStore(directory, { ...options, storage: after }, ({ tree }) => {
        t.is(work.judgeAfterCut(tree), '', what)
        tree.put('goes', 'on')
        tree.checkpoint()
      })
      const again = after.crash()
      withStore(directory, { ...options, storage: again }, ({ tree }) => t.is(tree.get('goes')?.toString(), 'on', what))
    }
    let n = 1
    while (cutAt(n, powerCutStorage(directory), directory, options, 3, judge)) n++
    t.log(`${n - 1} calls`)
    t.true(n > 60)
  })
}

test('a power cut while the manifest is rewritten keeps the old one or has the new one', t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const first = powerCutStorage(directory)
  withStore(directory, { ...SMALL, storage: first }, ({ tree }) => {
    tree.put('before', 'the rewriting')
  })
  // A record of blobs that do not exist makes the manifest large enough.
  const last = readManifest(first, directory)
  const pairs = new Uint32Array(2 * 140_000)
  for (let i = 0; i < 140_000; i++) pairs[2 * i] = 100 + i
  appendCheckpoint(first, directory, last.size, last, pairs, 140_000)
  const options = { ...SMALL, durability: 'sync' as const, segmentBytes: 3000 }
  const judge: Judge = (work, after, what) => {
    withStore(directory, { ...options, storage: after }, ({ tree }) => {
      t.is(tree.get('before')?.toString(), 'the rewriting', what)
      tree.delete('before')
      t.is(work.judgeAfterCut(tree), '', what)
    })
  }
  let n = 1
  for (; ; n++) {
    const storage = first.crash()
    if (!cutAt(n, storage, directory, options, 2, judge)) {
      t.true(storage.list(directory).includes('manifest'))
      t.true(readManifest(storage, directory).size < 10_000)
      break
    }
  }
})

test('random workloads across frames survive random power cuts', t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const options = { ...SMALL, durability: 'sync' as const, segmentBytes: 200_000 }
  const calls = countCalls(directory, options)
  for (let run = 0; run < 12; run++) {
    const random = seededRandom(SEED + run)
    const storage = powerCutStorage(directory)
    storage.freezeAt = storage.calls + 1 + Math.floor(random() * calls)
    const work = new Workload()
    work.run(directory, { ...options, storage }, 90, false)
    const after = storage.crash({ random })
    closeAnyhow(work.store)
    withStore(directory, { ...options, storage: after }, ({ tree }) => {
      t.is(work.judgeAfterCut(tree), '', `seed ${SEED}, run ${run}`)
    })
  }
})

function countCalls(directory: string, options: StoreOptions): number {
  const storage = powerCutStorage(directory)
  const store = openStore(directory, { ...options, storage })
  const before = storage.calls
  for (const step of steps(90)) step.run(store.tree)
  const calls = storage.calls - before
  store.close()
  return calls
}

test('the first open of a store survives a power cut at every call', t => {
  const directory = emptyDirectory(t)
  for (let n = 1; ; n++) {
    const storage = powerCutStorage(directory)
    storage.freezeAt = storage.calls + n
    const opened = (() => {
      try {
        return openStore(directory, { ...SMALL, storage, durability: 'sync' })
      } catch {
        return undefined
      }
    })()
    for (let seed = 0; seed < 4; seed++) {
      const after = storage.crash({ random: seededRandom(seed) })
      if (seed === 0) closeAnyhow(opened)
      withStore(directory, { ...SMALL, storage: after }, ({ tree }) => {
        tree.put('key', 'value')
        t.is(tree.check().records, 1)
      })
    }
    if (opened !== undefined) break
  }
})
