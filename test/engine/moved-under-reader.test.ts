/** A subtree is moved while a reader is inside it: the frames that it is in stay as they are, but the way to them does not. */
import test from 'ava'
import { Gate } from '../../src/engine/gate.ts'
import { Pool } from '../../src/engine/pool.ts'
import { Lookup } from '../../src/engine/walker/lookup.ts'
import { LiveResidency, type Residency } from '../../src/engine/walker/residency.ts'
import { openStore } from '../../src/index.ts'
import { SMALL } from './store-fixture.ts'

const DEPTH = 3

test('a key that was put below the new name is not found below the old one', t => {
  const store = openStore(undefined, { ...SMALL, poolBytes: 64 << 20 })
  const { tree } = store
  // Blobs within blobs: root, from/, from/a/.
  const value = Buffer.alloc(1000, 1)
  for (let i = 0; i < 400; i++) tree.put(`other/${i}`, value)
  for (let i = 0; i < 1200; i++) tree.put(`from/a/${i}`, value)
  for (let i = 0; i < 600; i++) tree.put(`from/b/${i}`, value)
  const { engine } = store.share()
  const pool = new Pool(engine, undefined)
  const gate = new Gate(pool.control)
  const live = new LiveResidency(pool, gate)
  for (let before = 1; before < DEPTH; before++) {
    let crossings = 0
    let moved = 0
    const overtaken: Residency = {
      slotOf(blob) {
        if (crossings++ === before) {
          moved++
          t.true(tree.renamePrefix('from/', 'to/'))
          tree.put('to/a/1000-new', 'of the new name')
        }
        return live.slotOf(blob)
      },
      holds: (slot, blob) => live.holds(slot, blob),
      fetchBelow: (parent, version, blob) => live.fetchBelow(parent, version, blob),
    }
    const lookup = new Lookup(pool, gate, overtaken)
    const key = Buffer.from('from/a/1000-new')
    t.false(lookup.get(key, 0, key.length, undefined, 0), `moved before crossing ${before}`)
    t.is(moved, 1, 'the way leads through so many blobs')
    t.true(tree.renamePrefix('to/', 'from/'))
    t.true(tree.delete('from/a/1000-new'))
  }
  store.close()
})
