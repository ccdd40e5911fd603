/**
 * Bulk loads of sorted records, compared with a map: key shapes of every kind, into an empty tree, beside and over
 * existing records, on a tiny pool, across checkpoints, reopening and a crash. HOLTFS_LOAD_KEYS for longer runs.
 */
import test from 'ava'
import { type LoadEntry, openStore, openTree, type Tree } from '../../src/index.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { assertHolds, copyOf, emptyDirectory, FRAME, SEED, SMALL, withStore } from './store-fixture.ts'

const COUNT = Number(process.env.HOLTFS_LOAD_KEYS ?? 1500)

type Shape = (i: number, random: Random) => string

/** Keys as latin1. */
const SHAPES: Record<string, Shape> = {
  paths: i => `/usr/local/share/category-${Math.floor(i / 100)}/file-${String(i % 100).padStart(4, '0')}`,
  'deep paths': (_i, random) =>
    Array.from({ length: 1 + int(random, 12) }, () => `${'abc'[int(random, 3)]}${int(random, 4)}`).join('/'),
  'binary numbers': i => String.fromCharCode(0, i >> 16, (i >> 8) & 255, i & 255),
  hashes: (_i, random) => text(random, 8),
  'prefixes of each other': (_i, random) => 'ab'.repeat(200).slice(0, int(random, 400)) + text(random, int(random, 2)),
  'long shared prefixes': (_i, random) => 'long-edge-'.repeat(int(random, 40)) + int(random, 300),
  'every length': (_i, random) => `${'x'.repeat(int(random, 4090))}${int(random, 9)}`,
  'a ladder': (i, random) => `${'a'.repeat(i % 4096)}${'Ab'[int(random, 2)]}`,
}

function int(random: Random, n: number): number {
  return Math.floor(random() * n)
}

function text(random: Random, length: number): string {
  let made = ''
  for (let i = 0; i < length; i++) made += String.fromCharCode(int(random, 256))
  return made
}

function records(shape: Shape, count: number, random: Random, valueBytes: number): Map<string, Buffer> {
  const made = new Map<string, Buffer>()
  for (let i = 0; i < count; i++) {
    const length = int(random, 200) === 0 ? int(random, 100 * valueBytes) : int(random, 2 * valueBytes)
    made.set(shape(i, random), Buffer.alloc(Math.min(length, 65536), int(random, 256)))
  }
  return made
}

/** In ascending byte order: latin1 strings compare as their bytes do. */
function sorted(map: Map<string, Buffer>): LoadEntry[] {
  const keys = [...map.keys()].sort((a, b) => (a < b ? -1 : 1))
  return keys.map(key => [Buffer.from(key, 'latin1'), map.get(key)!])
}

/** Loads into the tree and into the map that stands for it. */
function loadBoth(tree: Tree, model: Map<string, Buffer>, loaded: Map<string, Buffer>): void {
  const summary = tree.load(sorted(loaded))
  if (summary.keys !== loaded.size) throw new Error(`${summary.keys} of ${loaded.size} loaded`)
  for (const [key, value] of loaded) model.set(key, value)
}

for (const [name, shape] of Object.entries(SHAPES)) {
  for (const valueBytes of [30, 600]) {
    test(`${name}, values of ${valueBytes} bytes: into an empty tree, beside and over what is there, replayed`, t => {
      t.log(`seed ${SEED}`)
      const random = seededRandom(SEED)
      const count = name === 'every length' ? COUNT >> 2 : COUNT
      const directory = emptyDirectory(t)
      const options = { ...SMALL, poolBytes: 8 * FRAME }
      const store = openStore(directory, options)
      const { tree } = store
      const model = new Map<string, Buffer>()

      loadBoth(tree, model, records(shape, count, random, valueBytes))
      assertHolds(tree, model, 'into an empty tree')
      const killed = copyOf(t, directory)
      withStore(killed, options, replayed => assertHolds(replayed.tree, model, 'replayed'))
      withStore(killed, options, reopened => assertHolds(reopened.tree, model, 'replayed and reopened'))

      // Over it and between it: the same shape again, other keys of it, and a few single changes in between.
      tree.checkpoint()
      loadBoth(
        tree,
        model,
        records((i, r) => shape(i + int(r, count), r), count >> 1, random, valueBytes),
      )
      for (const key of [...model.keys()].filter(() => int(random, 10) === 0)) {
        tree.delete(Buffer.from(key, 'latin1'))
        model.delete(key)
      }
      loadBoth(
        tree,
        model,
        records((i, r) => `${shape(i, r)}${'~'.repeat(int(r, 3))}`.slice(0, 4096), count >> 2, random, valueBytes),
      )
      assertHolds(tree, model, 'over and between')

      // Beside it, below a name of its own.
      loadBoth(
        tree,
        model,
        records((i, r) => `beside/${shape(i, r)}`.slice(0, 4096), count >> 1, random, valueBytes),
      )
      assertHolds(tree, model, 'beside')
      const crashed = copyOf(t, directory)
      withStore(crashed, options, replayed => assertHolds(replayed.tree, model, 'all replayed'))
      store.close()
      withStore(directory, options, reopened => t.notThrows(() => assertHolds(reopened.tree, model, 'all reopened')))
    })
  }
}

for (const name of ['paths', 'binary numbers', 'deep paths', 'hashes']) {
  test(`loads of ${name}, one behind the other, fill the frames, with changes and compactions in between`, t => {
    t.log(`seed ${SEED}`)
    const random = seededRandom(SEED)
    const directory = emptyDirectory(t)
    const model = new Map<string, Buffer>()
    const all = sorted(records(SHAPES[name], 12 * COUNT, random, 32)) as [Buffer, Buffer][]
    const options = { ...SMALL, poolBytes: 12 * FRAME }
    withStore(directory, options, ({ tree }) => {
      tree.load([['0', 'before'], ...all.slice(0, 700).filter(([key]) => key.toString('latin1') > '0')])
      for (const [key, value] of [...all.slice(0, 700), [Buffer.from('0'), Buffer.from('before')]]) {
        tree.put(key, value)
        model.set(key.toString('latin1'), value)
      }
      for (let i = 700; i < all.length; ) {
        const next = i + 1 + int(random, all.length / 6)
        const summary = tree.load(all.slice(i, next))
        for (const [key, value] of all.slice(i, next)) model.set(key.toString('latin1'), value)
        t.is(summary.keys, Math.min(next, all.length) - i)
        // The last keys go, and some others: the next load begins on the way to what is left.
        for (let j = 0; j < int(random, 40); j++) {
          const [gone] = all[Math.max(0, Math.min(next, all.length) - 1 - int(random, 60))]
          t.is(tree.delete(gone), model.delete(gone.toString('latin1')))
        }
        if (int(random, 3) === 0) tree.compact()
        if (int(random, 3) === 0) tree.checkpoint()
        i = next
      }
      assertHolds(tree, model, 'loaded')
    })
    const killed = copyOf(t, directory)
    withStore(killed, options, ({ tree }) => t.notThrows(() => assertHolds(tree, model, 'reopened')))
  })
}

test('one load fills its frames', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const model = new Map<string, Buffer>()
  withStore(directory, SMALL, ({ tree }) => {
    const loaded = new Map<string, Buffer>()
    const count = 40 * COUNT
    for (let i = 0; i < count; i++) loaded.set(SHAPES.paths(i, random), Buffer.alloc(int(random, 64), i))
    loadBoth(tree, model, loaded)
    assertHolds(tree, model, 'loaded')
    const { blobs } = tree.stats()
    t.log(`${blobs} blobs for ${count} keys`)
    t.true(blobs <= 2 + (count * 56 * 1.8) / FRAME, `${blobs} blobs for ${count} keys`)
  })
  withStore(directory, SMALL, ({ tree }) => t.notThrows(() => assertHolds(tree, model, 'reopened')))
})

test('an entry that does not ascend ends the load, and what came before it is kept', t => {
  const refusals: [string, readonly [string, string]][] = [
    ['HOLT_INVALID', ['b', 'twice']],
    ['HOLT_INVALID', ['a', 'lower']],
    ['HOLT_INVALID', ['', 'lowest']],
    ['HOLT_INVALID', [7 as unknown as string, 'no key']],
    ['HOLT_KEY_TOO_LONG', ['c'.repeat(4097), 'too long']],
    ['HOLT_VALUE_TOO_LONG', ['c', 'x'.repeat(65537)]],
  ]
  for (const [code, entry] of refusals) {
    withStore(emptyDirectory(t), SMALL, ({ tree }) => {
      t.throws(
        () => tree.load([['a', '1'], { key: 'b', value: '2' }, entry, ['d', '3']]),
        { code },
        entry[1].slice(0, 9),
      )
      t.is(tree.get('a')?.toString(), '1')
      t.is(tree.get('b')?.toString(), '2')
      t.is(tree.check().records, 2)
    })
  }
})

test('order is kept across chunks, and the message says which key and how many are loaded', t => {
  withStore(emptyDirectory(t), SMALL, ({ tree }) => {
    function* entries(): Generator<LoadEntry> {
      for (let i = 0; i < 40; i++) yield [`key-${String(i).padStart(3, '0')}`, Buffer.alloc(60_000, i)]
      yield ['key-010', 'again']
    }
    const error = t.throws(() => tree.load(entries()), { code: 'HOLT_INVALID' })
    t.regex(error?.message ?? '', /key-010.* 40 records are loaded/)
    t.is(tree.check().records, 40)
    t.true(tree.stats().lastSeq > 1, 'several chunks')
  })
})

test('an iterable that throws, one that reads the tree, and one without entries', t => {
  withStore(emptyDirectory(t), SMALL, ({ tree }) => {
    function* failing(): Generator<LoadEntry> {
      yield ['a', '1']
      throw new RangeError('no more')
    }
    t.throws(() => tree.load(failing()), { instanceOf: RangeError })
    t.is(tree.get('a')?.toString(), '1')
    t.deepEqual(tree.load([]), { keys: 0, chunks: 0, version: 0 })
    function* copies(): Generator<LoadEntry> {
      for (const { key } of tree.range()) {
        tree.put('beside', 'written meanwhile')
        yield [`copy-of-${key}`, tree.get(key!)!]
      }
    }
    t.is(tree.load(copies()).keys, 2)
    t.deepEqual(tree.getRecord('copy-of-a'), { value: Buffer.from('1'), version: tree.stats().lastSeq })
  })
})

test('a load into memory, and one that the pool cannot hold', t => {
  const store = openStore(undefined, SMALL)
  const random = seededRandom(SEED)
  const model = new Map<string, Buffer>()
  loadBoth(store.tree, model, records(SHAPES.paths, COUNT, random, 30))
  assertHolds(store.tree, model, 'in memory')
  function* endless(): Generator<LoadEntry> {
    for (let i = 0; ; i++) yield [`z${String(i).padStart(9, '0')}`, Buffer.alloc(100)]
  }
  t.throws(() => store.tree.load(endless()), { code: 'HOLT_FULL' })
  t.deepEqual(store.tree.check().problems, [])
  t.is(store.tree.put('still', 'usable'), store.tree.stats().lastSeq)
})

test('room is made for a subtree that is hung below many small ones in a frame that is far from full', t => {
  const tree = openTree(undefined, { poolBytes: 32 * FRAME })
  const expected = new Map<string, number>()
  for (let i = 0; i < 200; i++) {
    const key = `${String.fromCharCode(i < 100 ? i : i + 1)}/record`
    tree.put(Buffer.from(key, 'latin1'), Buffer.alloc(1720, i))
    expected.set(key, i)
  }
  const entries = Array.from({ length: 10 }, (_, i) => ({ key: `${String.fromCharCode(100)}/record-${i}`, n: i }))
  tree.load(entries.map(({ key, n }) => ({ key: Buffer.from(key, 'latin1'), value: Buffer.alloc(17_500, n) })))
  for (const { key, n } of entries) expected.set(key, n)
  for (const [key, n] of expected) t.is(tree.get(Buffer.from(key, 'latin1'))?.[0], n, key)
  t.true(tree.stats().blobs <= 3, `${tree.stats().blobs} blobs`)
  t.deepEqual(tree.check().problems, [])
  tree.close()
})
