/**
 * What a reader meets in the middle of upkeep: whenever a frame has been let go of, every key that is there is found, or
 * the reader is told to try again.
 */
import test from 'ava'
import { Gate } from '../../src/engine/gate.ts'
import { Pool } from '../../src/engine/pool.ts'
import { Lookup } from '../../src/engine/walker/lookup.ts'
import { LiveResidency, type Residency } from '../../src/engine/walker/residency.ts'
import { openStore } from '../../src/index.ts'
import { SMALL } from './store-fixture.ts'

class Busy extends Error {}

/** More steps than a lookup takes that need not begin again. */
const MOST_STEPS = 20

test.serial('frames that change together are seen together', t => {
  const store = openStore(undefined, { ...SMALL, poolBytes: 128 << 20 })
  const { tree } = store
  const kept: Buffer[] = []
  for (let i = 0; i < 12_000; i++) tree.put(`path/${i % 97}/to/${i}`, Buffer.alloc(500, i & 255))
  for (let i = 0; i < 12_000; i++) {
    if (i % 12 === 0) kept.push(Buffer.from(`path/${i % 97}/to/${i}`))
    else tree.delete(`path/${i % 97}/to/${i}`)
  }
  const { engine } = store.share()
  const pool = new Pool(engine, undefined)
  const live = new LiveResidency(pool, new Gate(pool.control))
  let steps = 0
  const impatient: Residency = {
    slotOf(blob) {
      if (++steps > MOST_STEPS) throw new Busy()
      return live.slotOf(blob)
    },
    holds: (slot, blob) => live.holds(slot, blob),
    fetchBelow: () => t.fail('all is resident') as never,
  }
  const lookup = new Lookup(pool, new Gate(pool.control), impatient)
  let found = 0
  let busy = 0
  const endWrite = Pool.prototype.endWrite
  Pool.prototype.endWrite = function (this: Pool, ...operands: Parameters<Pool['endWrite']>) {
    endWrite.apply(this, operands)
    // Frames of a private pool concern nobody.
    if (this.u8.buffer !== pool.u8.buffer) return
    for (let i = busy % 7; i < kept.length; i += 7) {
      steps = 0
      try {
        if (!lookup.get(kept[i], 0, kept[i].length, undefined, 0)) t.fail(`${kept[i]} is not found`)
        found++
      } catch (error) {
        if (!(error instanceof Busy)) throw error
        busy++
      }
    }
  }
  try {
    tree.compact()
  } finally {
    Pool.prototype.endWrite = endWrite
  }
  const { merges } = tree.stats().counters
  t.log({ merges, found, busy, blobs: tree.stats().blobs })
  t.true(merges > 3 && found > 300)
  t.deepEqual(tree.check().problems, [])
  store.close()
})
