import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openTree } from '../../src/index.ts'
import { RandomOperations } from './random-operations.ts'

/** Seed of the run; set HOLTFS_SEED to run a failing one again, HOLTFS_MODEL_OPS for a longer run. */
const seed = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
const operations = Number(process.env.HOLTFS_MODEL_OPS ?? 60_000)
/** A pool of the smallest size: eight frames. */
const poolBytes = 8 * 512 * 1024

test('random operations agree with a sorted map, in memory', t => {
  t.log(`seed ${seed}`)
  const run = new RandomOperations(openTree(undefined, { poolBytes: 64 << 20 }), seed)
  for (let i = 0; i < operations / 2; i++) {
    run.step()
    if (i % 5000 === 0) run.compareAll()
  }
  run.compareAll()
  t.true(run.model.size > 0)
})

test('random operations agree with a sorted map across checkpoints and reopening, on a pool of 8 frames', t => {
  t.log(`seed ${seed}`)
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-model-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const options = { poolBytes, background: false }
  const shape = { keySpace: 90, valueBytes: 900, maxKeys: 9000 }
  const run = new RandomOperations(openTree(directory, options), seed + 1, shape)
  for (let i = 0; i < operations; i++) {
    run.step()
    if (i % 3001 === 0) run.tree.checkpoint()
    if (i % 10_007 === 0) run.compareAll()
    if (i % 15_013 === 0) {
      run.tree.close()
      run.tree = openTree(directory, options)
    }
  }
  run.compareAll()
  const { counters, blobs } = run.tree.stats()
  t.log({ keys: run.model.size, blobs, ...counters })
  run.tree.close()
  t.true(counters.rounds > 0)
})

test('random operations on deep paths with large values spill over many frames', t => {
  t.log(`seed ${seed}`)
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-model-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const options = { poolBytes, background: false }
  const run = new RandomOperations(openTree(directory, options), seed + 2, { keySpace: 8, valueBytes: 9000, depth: 30 })
  for (let i = 0; i < operations / 10; i++) {
    run.step()
    if (i % 1009 === 0) run.tree.checkpoint()
    if (i % 2003 === 0) run.compareAll()
  }
  run.compareAll()
  const { counters, blobs } = run.tree.stats()
  t.log({ keys: run.model.size, blobs, ...counters })
  // A shortened run does not grow as far.
  if (operations >= 60_000) t.true(counters.spillovers > 10 && blobs > 10 && counters.frameSteals > 0)
  else t.true(counters.spillovers > 0)
  run.tree.close()
  run.tree = openTree(directory, options)
  run.compareAll()
  run.tree.close()
})
