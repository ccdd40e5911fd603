/**
 * frames.dat gives back what is free in it: cut behind its last slot in use, with holes where others are free, and never
 * a byte that a checkpoint needs, wherever the power goes or a call fails.
 */
import { constants, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { FrameFile } from '../../src/engine/frame-file.ts'
import { Gate } from '../../src/engine/gate.ts'
import { Pool } from '../../src/engine/pool.ts'
import { C_DISK_HINT, C_SHRINK, createEngineShared } from '../../src/engine/shared.ts'
import { shrinkFrames, slackOf } from '../../src/engine/shrink.ts'
import { openStore, openTree, type Tree } from '../../src/index.ts'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'
import { FailingStorage } from '../support/failing-storage.ts'
import { seededRandom } from '../support/random.ts'
import {
  closeAnyhow,
  contents,
  emptyDirectory,
  FRAME,
  powerCutStorage,
  SEED,
  SMALL,
  withStore,
} from './store-fixture.ts'

const VALUE = 45_000
const GROUPS = 4
const RECORDS = 10

function key(group: number, i: number): string {
  return `group-${group}/${i}`
}

/** A frame a group, or a record of one of them left. */
function fill(tree: Tree): void {
  for (let i = 0; i < RECORDS; i++) {
    for (let group = 0; group < GROUPS; group++) tree.put(key(group, i), Buffer.alloc(VALUE, group + i))
  }
  tree.checkpoint()
}

function empty(tree: Tree): void {
  tree.atomic(batch => {
    for (let i = 0; i < RECORDS; i++) {
      for (let group = 0; group < GROUPS; group++) if (i > 0 || group !== 1) batch.delete(key(group, i))
    }
  })
}

function sizeIn(storage: Storage, directory: string): { size: number; allocated: number } {
  const fd = storage.open(join(directory, 'frames.dat'), constants.O_RDONLY)
  const size = storage.size(fd)
  const allocated = storage.allocated(fd)
  storage.close(fd)
  return { size, allocated }
}

test('a power cut at every call while the file is cut and moved together loses nothing', t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const options = { ...SMALL, durability: 'sync' as const }
  const first = powerCutStorage(directory)
  withStore(directory, { ...options, storage: first }, ({ tree }) => fill(tree))
  let n = 1
  for (; ; n++) {
    const storage = first.crash()
    const store = openStore(directory, { ...options, storage })
    storage.freezeAt = storage.calls + n
    let step = 0
    try {
      empty(store.tree)
      step = 1
      store.tree.compact()
      store.tree.checkpoint()
      store.tree.put('more', 'records')
      step = 2
      store.tree.checkpoint()
      store.close()
    } catch {
      // The power is gone.
    }
    const { isFrozen } = storage
    for (let variant = 0; variant < 2; variant++) {
      const after = variant === 0 ? storage.crash() : storage.crash({ random: seededRandom(SEED + n) })
      if (variant === 0) closeAnyhow(store)
      withStore(directory, { ...options, storage: after }, ({ tree }) => {
        const found = contents(tree)
        const what = `seed ${SEED}, call ${n}, cut ${variant}, step ${step}: ${found.size} records`
        t.deepEqual(tree.check().problems, [], what)
        if (step === 0) t.true(found.size === 1 || found.size === RECORDS * GROUPS, what)
        else t.true(found.size === 1 + Number(found.has('more')) && (step < 2 || found.has('more')), what)
        t.deepEqual(found.get(key(1, 0)), Buffer.alloc(VALUE, 1), what)
      })
    }
    if (!isFrozen) {
      t.true(sizeIn(storage, directory).size <= 2 * FRAME)
      break
    }
  }
  t.log(`${n - 1} calls`)
})

for (const kind of ['truncate', 'write', 'read'] as const) {
  test(`the n-th ${kind} fails: the round before it counts, and the file shrinks at the next`, t => {
    const directory = emptyDirectory(t)
    const first = powerCutStorage(directory)
    withStore(directory, { ...SMALL, storage: first }, ({ tree }) => fill(tree))
    let n = 1
    for (; ; n++) {
      const inner = first.crash()
      const storage = new FailingStorage(inner, { kinds: [kind], code: 'ENOSPC' })
      const store = openStore(directory, { ...SMALL, storage })
      empty(store.tree)
      storage.failAt = storage.calls + n
      for (let i = 0; i < 3; i++) {
        try {
          store.tree.compact()
          store.tree.checkpoint()
        } catch (error) {
          if (kind === 'truncate' && storage.failures.some(({ path }) => path.endsWith('frames.dat'))) throw error
        }
      }
      t.deepEqual(store.tree.check().problems, [])
      t.is(contents(store.tree).size, 1)
      t.true(sizeIn(inner, directory).size <= 2 * FRAME, `${kind} ${n}: ${sizeIn(inner, directory).size}`)
      store.close()
      withStore(directory, { ...SMALL, storage: inner }, ({ tree }) => t.is(contents(tree).size, 1))
      if (!storage.hasFailed) break
    }
    t.log(`${n - 1} calls`)
  })
}

test('holes are made of free slots only, and the file ends behind the last slot in use', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  for (let run = 0; run < 12; run++) {
    const slots = 600
    const punched = new Set<number>()
    let size = slots * FRAME
    let fails = run % 4 === 3
    const storage: Storage = {
      ...hostStorage,
      size: () => size,
      allocated: () => size,
      truncate: (_fd, length) => {
        size = length
      },
      punch: (_fd, position, length) => {
        if (fails) throw new Error('EIO')
        for (let at = position; at < position + length; at += FRAME) punched.add(at / FRAME)
      },
    }
    const pool = new Pool(createEngineShared(0), new FrameFile(storage, -1))
    for (let slot = 0; slot < slots; slot++) pool.disk.allocate()
    const full = random()
    const used = new Set<number>()
    for (let slot = 0; slot < slots; slot++) {
      if (random() < full && slot < slots - run * 40) used.add(slot)
      else pool.disk.release(slot)
    }
    const before = pool.disk.refs.slice()
    const isAsked = run % 2 === 1
    pool.control[C_SHRINK] = Number(isAsked)
    shrinkFrames(pool, new Gate(pool.control), run)
    t.is(Buffer.compare(pool.disk.refs, before), 0)
    const end = Math.max(-1, ...used) + 1
    t.true(size >= end * FRAME)
    t.false([...punched].some(slot => used.has(slot)))
    if (fails) {
      fails = false
      shrinkFrames(pool, new Gate(pool.control), run)
    }
    t.is(pool.control[C_SHRINK], 0)
    const free = size / FRAME - used.size - punched.size
    t.true(
      free <= (isAsked ? 0 : slackOf(used.size, run)),
      `${free} of ${size / FRAME} slots free, ${used.size} in use`,
    )
    // The slots that are free now are taken again, the lowest first.
    pool.control[C_DISK_HINT] = 0
    let lowest = 0
    while (used.has(lowest)) lowest++
    t.is(pool.disk.allocate(), lowest)
  }
})

test('cycles of growing and shrinking leave a file of the size that the tree needs', t => {
  const directory = emptyDirectory(t)
  const tree = openTree(directory, SMALL)
  const sizes: number[] = []
  for (let cycle = 0; cycle < 6; cycle++) {
    fill(tree)
    empty(tree)
    tree.compact()
    tree.checkpoint()
    sizes.push(statSync(join(directory, 'frames.dat')).size / FRAME)
    t.is(tree.stats().blobs, 1)
  }
  t.log(sizes.join(' '))
  t.true(Math.max(...sizes) <= 2)
  tree.close()
})
