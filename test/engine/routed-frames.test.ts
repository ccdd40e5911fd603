/**
 * The routing layout: what compaction writes, what a change makes of it, and that a cold lookup finds what is there and
 * nothing else, without loading frames.
 */
import assert from 'node:assert/strict'
import test, { type ExecutionContext } from 'ava'
import { H_LEAVES } from '../../src/engine/layout.ts'
import { openStore, type Store, type Tree } from '../../src/index.ts'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'
import { seededRandom } from '../support/random.ts'
import { RandomOperations } from './random-operations.ts'
import { assertHolds, emptyDirectory, FRAME, SEED, SMALL, withStore } from './store-fixture.ts'

const OPERATIONS = Number(process.env.HOLTFS_MODEL_OPS ?? 20_000)

type Records = Map<string, Buffer>

/** Keys of several shapes: paths, keys that end where others go on, numbers that share blobs, and values over pages. */
function records(): Map<string, Records> {
  const paths: Records = new Map()
  for (let i = 0; i < 20_000; i++) paths.set(`usr/share/category-${i >> 6}/file-${i & 63}`, Buffer.alloc(300, i))
  const nested: Records = new Map()
  for (let i = 0; i < 4000; i++) {
    const directory = `part-${i % 40}`
    nested.set(directory, Buffer.alloc(9, i))
    nested.set(`${directory}/${i}`, Buffer.alloc(1500, i))
    nested.set(`${directory}/${i}/below`, Buffer.alloc(100, i))
  }
  const numbers: Records = new Map()
  for (let i = 0; i < 12_000; i++) {
    const key = Buffer.alloc(9, 'i')
    key.writeUInt32BE(i * 350_000, 5)
    numbers.set(key.toString('latin1'), Buffer.alloc(500, i))
  }
  const large: Records = new Map()
  for (let i = 0; i < 900; i++) large.set(`large/${i}`, Buffer.alloc((i * 1117) % 20_000, i))
  large.set('large/most', Buffer.alloc(65_536, 7))
  return new Map([
    ['paths', paths],
    ['nested', nested],
    ['numbers', numbers],
    ['large values', large],
  ])
}

function fill(tree: Tree, expected: Records): void {
  for (const [key, value] of expected) tree.put(Buffer.from(key, 'latin1'), value)
}

function counters(store: Store) {
  return store.tree.stats().counters
}

function shuffled<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[items[i], items[j]] = [items[j], items[i]]
  }
  return items
}

for (const [shape, expected] of records()) {
  test(`every key is found in routed frames and no other: ${shape}`, t => {
    t.log(`seed ${SEED}`)
    const directory = emptyDirectory(t)
    withStore(directory, SMALL, store => {
      fill(store.tree, expected)
      t.true(store.tree.compact() > 0)
      t.true(counters(store).routings > 1)
      t.deepEqual(store.tree.check().problems, [])
      t.is(store.tree.compact(), 0, 'what is compact and routed stays')
    })
    withStore(directory, SMALL, store => {
      for (const key of shuffled([...expected.keys()], seededRandom(SEED)).slice(0, 3000)) {
        const bytes = Buffer.from(key, 'latin1')
        assert.ok(store.tree.get(bytes)?.equals(expected.get(key)!), `${shape}: ${key}`)
        for (const other of [`${key}~`, `${key.slice(0, -1)}~`, key.slice(0, -1)]) {
          if (expected.has(other)) continue
          assert.equal(store.tree.get(Buffer.from(other, 'latin1')), undefined, `${shape}: ${other} is absent`)
        }
      }
      const { coldReads, bloomNegatives, frameLoads } = counters(store)
      t.log({ coldReads, bloomNegatives, frameLoads })
      t.true(coldReads > expected.size / 8)
    })
    withStore(directory, SMALL, ({ tree }) => t.notThrows(() => assertHolds(tree, expected)))
  })
}

/** Counts what is read of frames.dat. */
function countingStorage(): Storage & { bytes: number } {
  return {
    ...hostStorage,
    bytes: 0,
    read(fd, target, at, length, position) {
      const done = hostStorage.read(fd, target, at, length, position)
      this.bytes += done
      return done
    },
  }
}

test('a cold get reads header, routing region and one page, the next one of the blob one page, a miss nothing more', t => {
  const directory = emptyDirectory(t)
  const expected = records().get('paths')!
  withStore(directory, SMALL, ({ tree }) => {
    fill(tree, expected)
    tree.compact()
  })
  const storage = countingStorage()
  withStore(directory, { ...SMALL, storage }, store => {
    const read = (key: string) => {
      const before = storage.bytes
      const found = store.tree.get(key)
      return { found, bytes: storage.bytes - before }
    }
    const first = read('usr/share/category-100/file-1')
    t.true(first.found?.equals(expected.get('usr/share/category-100/file-1')!))
    t.true(first.bytes > 4096 && first.bytes < FRAME / 2, `${first.bytes}`)
    t.is(read('usr/share/category-100/file-2').bytes, 4096)
    t.deepEqual(read('usr/share/category-100/fine-2'), { found: undefined, bytes: 0 })
    t.is(counters(store).frameLoads, 1, 'the root')
    for (let i = 0; i < 100; i++) read('usr/share/category-100/file-3')
    t.true(counters(store).frameLoads > 1, 'a blob that is asked for again and again is loaded')
    t.is(read('usr/share/category-100/file-4').bytes, 0)
  })
})

test('frames that gain nothing stay plain', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, store => {
    // The root, and a blob of less than 64 KB.
    for (let i = 0; i < 700; i++) store.tree.put(`a/${i}`, Buffer.alloc(1000, i))
    for (let i = 0; i < 700; i++) if (i % 12 !== 0) store.tree.delete(`a/${i}`)
    store.tree.compact()
    t.is(counters(store).routings, 0)
  })
  const memory = openStore(undefined, { poolBytes: 32 * FRAME })
  for (let i = 0; i < 3000; i++) memory.tree.put(`a/${i}`, Buffer.alloc(1000, i))
  memory.tree.compact()
  t.is(counters(memory).routings, 0)
})

/** Disk images with the routing layout that are current. */
function routedImages(t: ExecutionContext, directory: string, use: (tree: Tree) => void): number {
  withStore(directory, SMALL, ({ tree }) => use(tree))
  return withStore(directory, { ...SMALL, readOnly: true }, store => {
    const disk = new Int32Array(store.share().engine.blobs, (1 << 20) * 4, 1 << 20)
    const fd = store.share().framesFd
    const header = Buffer.alloc(512)
    let routed = 0
    for (const slot of disk) {
      if (slot === 0) continue
      hostStorage.read(fd, header, 0, header.length, (slot - 1) * FRAME)
      if (header.readUInt32LE(H_LEAVES) !== 0) routed++
    }
    t.deepEqual(store.tree.check().problems, [])
    return routed
  })
}

test('values of the same size and deletes leave a frame routed, a new key makes it plain, compaction routes it again', t => {
  const directory = emptyDirectory(t)
  const expected = records().get('paths')!
  const name = 'usr/share/category-100/'
  const all = routedImages(t, directory, tree => {
    fill(tree, expected)
    tree.compact()
  })
  t.true(all > 2)
  const write = (key: string, value: Buffer | undefined) => (tree: Tree) => {
    if (value === undefined) {
      tree.delete(key)
      expected.delete(key)
    } else {
      tree.put(key, value)
      expected.set(key, value)
    }
  }
  t.is(routedImages(t, directory, write(`${name}file-1`, Buffer.alloc(300, 255))), all)
  t.is(routedImages(t, directory, write(`${name}file-2`, Buffer.alloc(250, 254))), all)
  t.is(routedImages(t, directory, write(`${name}file-3`, undefined)), all)
  withStore(directory, SMALL, ({ tree }) => t.notThrows(() => assertHolds(tree, expected)))
  t.is(routedImages(t, directory, write(`${name}new`, Buffer.alloc(60, 1))), all - 1)
  t.is(routedImages(t, directory, write(`${name}file-4`, Buffer.alloc(600, 1))), all - 1)
  withStore(directory, SMALL, ({ tree }) => {
    for (const [key, value] of expected) assert.ok(tree.get(key)?.equals(value), key)
  })
  t.is(
    routedImages(t, directory, tree => tree.compact()),
    all,
  )
  withStore(directory, SMALL, ({ tree }) => t.notThrows(() => assertHolds(tree, expected)))
})

test('frames that nobody changes are routed one by one, others are left alone', t => {
  const directory = emptyDirectory(t)
  const expected = records().get('paths')!
  withStore(directory, { ...SMALL, poolBytes: 64 * FRAME }, store => {
    const { tree } = store
    const { upkeep } = tree
    fill(tree, expected)
    t.deepEqual(upkeep.collectCold(), [], 'what is not on disk is not cold')
    tree.checkpoint()
    const cold = [...upkeep.collectCold(), ...upkeep.collectCold()]
    t.true(cold.length > 8)
    t.deepEqual(upkeep.collectCold(), [], 'each is offered once')
    t.is(new Set(cold).size, cold.length)
    for (const blob of cold) t.is(upkeep.route(blob), 'done')
    for (const blob of cold) t.is(upkeep.route(blob), 'kept')
    t.is(counters(store).routings, cold.length)
    t.notThrows(() => assertHolds(tree, expected))
    tree.checkpoint()
    tree.put('usr/share/category-100/new', 'plain again')
    tree.checkpoint()
    t.deepEqual(upkeep.collectCold(), [], 'changed since the last call')
    t.is(upkeep.collectCold().length, 1)
  })
})

test('random operations agree with a sorted map while frames are routed, evicted, changed and written by rounds', t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const random = seededRandom(SEED)
  const shape = { keySpace: 90, valueBytes: 900, maxKeys: 9000 }
  const run = new RandomOperations(openStore(directory, SMALL).tree, SEED, shape)
  let coldReads = 0
  const look = () => {
    const before = run.tree.stats().counters.coldReads
    for (const key of shuffled(run.model.keysBelow(''), random).slice(0, 1500)) {
      const bytes = Buffer.from(key, 'latin1')
      assert.ok(run.tree.get(bytes)?.equals(run.model.get(key)!.value), `value of ${key}`)
      const other = random() < 0.5 ? `${key}\0` : `${key.slice(0, -1)}\x7f`
      assert.equal(run.tree.get(Buffer.from(other, 'latin1')) === undefined, run.model.get(other) === undefined, other)
    }
    coldReads += run.tree.stats().counters.coldReads - before
  }
  for (let i = 1; i <= OPERATIONS; i++) {
    run.step()
    if (i % 1501 === 0) run.tree.checkpoint()
    if (i % 2003 === 0) {
      run.tree.compact()
      look()
    }
    if (i % 2503 === 0) look()
    if (i % 5003 === 0) run.compareAll()
    if (i % 7001 === 0) {
      run.tree.close()
      run.tree = openStore(directory, SMALL).tree
      look()
    }
  }
  run.compareAll()
  t.log({ keys: run.model.size, ...run.tree.stats().counters, coldReads })
  run.tree.close()
  t.true(coldReads > OPERATIONS / 20)
})
