/** What views leave behind when they are closed: nothing. */
import assert from 'node:assert/strict'
import { ROOT_BLOB } from '../../src/engine/layout.ts'
import { Pool } from '../../src/engine/pool.ts'
import { C_BLOB_HIGH } from '../../src/engine/shared.ts'
import type { Store } from '../../src/index.ts'
import { MAX_BLOBS } from '../../src/limits.ts'

/** Throws when a slot, a word or a reference is held for a view. No view may be open, and no round in flight. */
export function assertNothingHeld(store: Store): void {
  const pool = new Pool(store.share().engine, undefined)
  assert.deepEqual(
    pool.blobOf.filter(blob => blob < 0),
    new Int32Array(0),
  )
  assert.ok(pool.views.holders.every(mask => mask === 0) && pool.views.backing.every(disk => disk === 0))
  assert.ok(pool.views.kept.subarray(0, 8 * MAX_BLOBS).every(word => word === 0))
  const expected = new Uint8Array(pool.disk.refs.length)
  for (let blob = ROOT_BLOB; blob <= pool.control[C_BLOB_HIGH]; blob++) {
    if (pool.diskSlotOf[blob] !== 0) expected[pool.diskSlotOf[blob] - 1]++
    if (pool.committedOf[blob] !== 0) expected[pool.committedOf[blob] - 1]++
  }
  assert.ok(Buffer.compare(expected, pool.disk.refs) === 0, 'references to disk slots')
  const { views, viewImages, viewSlots } = store.tree.stats()
  assert.deepEqual({ views, viewImages, viewSlots }, { views: 0, viewImages: 0, viewSlots: 0 })
}
