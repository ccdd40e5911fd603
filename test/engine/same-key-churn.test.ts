/** Full frames: updates of changing size, deletions that shrink nodes, and odd subtrees to move out. */
import test from 'ava'
import { H_USED, LEAF_HEAD } from '../../src/engine/layout.ts'
import { openStore, openTree } from '../../src/index.ts'
import { FRAME_SIZE, SPILL_RESERVE } from '../../src/limits.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, emptyDirectory, SEED, SMALL, withStore } from './store-fixture.ts'

test('updates of the same keys with changing sizes neither grow the tree nor fail', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  const { tree } = store
  const expected = new Map<string, Buffer>()
  let blobs = 0
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 1000; i++) {
      const key = `inode/${Math.floor(random() * 600)}`
      const value = Buffer.alloc(Math.floor(random() * 1000), round)
      tree.put(key, value)
      expected.set(key, value)
    }
    if (round % 10 === 0) tree.checkpoint()
    if (round === 9) blobs = tree.stats().blobs
  }
  assertHolds(tree, expected)
  t.true(tree.stats().blobs <= blobs + 2, `${tree.stats().blobs} blobs, after the first rounds ${blobs}`)
  store.close()
  withStore(directory, SMALL, reopened => assertHolds(reopened.tree, expected))
})

test('one record that is written again and again, small and large, stays one record', t => {
  const tree = openTree(undefined, { poolBytes: 16 * 512 * 1024 })
  for (let i = 0; i < 20_000; i++) tree.put('only', Buffer.alloc((i * 7919) % 65_537, i))
  t.is(tree.get('only')?.length, (19_999 * 7919) % 65_537)
  t.is(tree.check().records, 1)
  t.true(tree.stats().blobs < 4)
})

test('a large record whose key is the start of all others stays readable when its frame spills', t => {
  const tree = openTree(undefined, { poolBytes: 256 << 20 })
  const expected = new Map([['a', Buffer.alloc(65_536, 1)]])
  tree.put('a', expected.get('a')!)
  for (let second = 0; second < 3; second++) {
    for (let first = 0; first < 256; first++) {
      const key = String.fromCharCode(97, first, second)
      expected.set(key, Buffer.alloc(1000, first))
      tree.put(Buffer.from(key, 'latin1'), expected.get(key)!)
    }
  }
  t.true(tree.stats().counters.spillovers > 0)
  assertHolds(tree, expected)
})

test('records of the largest size nested in each other spill', t => {
  const tree = openTree(undefined, { poolBytes: 32 << 20 })
  const expected = new Map<string, Buffer>()
  for (let i = 0; i < 40; i++) {
    expected.set('/deep'.repeat(i), Buffer.alloc(65_536 - i, i))
    tree.put('/deep'.repeat(i), expected.get('/deep'.repeat(i))!)
  }
  assertHolds(tree, expected)
  t.true(tree.stats().counters.spillovers > 4)
})

test('deletions in a full frame leave the room that a spillover needs', t => {
  const { tree, share } = openStore(undefined, { poolBytes: 16 << 20 })
  const expected = new Map<string, Buffer>()
  const put = (key: string, size: number) => {
    const value = Buffer.alloc(size, 7)
    tree.put(key, value)
    expected.set(key, value)
  }
  /** Bytes left in the only frame, which stays in pool slot 0 until it is compacted. */
  const room = () => FRAME_SIZE - new Uint32Array(share().engine.pool)[H_USED >> 2]
  const edge = 'edge'.repeat(27)
  for (let i = 0; i < 300; i++) put(`large-${edge}${i}`, 1000)
  let groups = 0
  for (; room() > 5000; groups++) {
    put(`g${groups}/${edge}0`, 400)
    put(`g${groups}/${edge}1`, 400)
  }
  const filler = `large-${edge}0`
  put(filler, 2000)
  put(filler, room() - SPILL_RESERVE - LEAF_HEAD)
  t.is(room(), SPILL_RESERVE)
  t.is(tree.stats().counters.compactions, 0)
  // What is left of each group hangs by a longer edge.
  for (let i = 0; i < 5; i++) {
    tree.delete(`g${i}/${edge}0`)
    expected.delete(`g${i}/${edge}0`)
  }
  put('new', 100)
  t.is(tree.stats().counters.spillovers, 1)
  assertHolds(tree, expected)
})
