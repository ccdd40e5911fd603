/** Subtrees cut at every kind of place and hung at every kind of place, compared with the model. */
import test from 'ava'
import { openStore, type Store, type Tree } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { Model } from './model.ts'
import { assertHolds, copyOf, emptyDirectory, FRAME, SEED, SMALL, withStore } from './store-fixture.ts'

/** A tree beside its model; every rename is done in both and then compared. */
class Both {
  readonly model = new Model()
  readonly tree: Tree

  constructor(tree: Tree) {
    this.tree = tree
  }

  put(key: string, size = 20): void {
    const value = Buffer.alloc(size, key.length)
    this.model.put(key, value, this.tree.put(Buffer.from(key, 'latin1'), value))
  }

  fill(prefix: string, count: number, size: number): void {
    for (let i = 0; i < count; i++) this.put(`${prefix}/${i % 7}/${i}`, size)
  }

  rename(from: string, to: string): boolean {
    const { model, tree } = this
    const moves = model.keysBelow(from).length > 0 && model.keysBelow(to).length === 0
    const moved = tree.renamePrefix(Buffer.from(from, 'latin1'), Buffer.from(to, 'latin1'))
    if (moved !== moves) throw new Error(`renamePrefix of ${from} to ${to}: ${moved}`)
    if (moves) model.renamePrefix(from, to)
    return moves
  }

  expected(): Map<string, Buffer> {
    return new Map(this.model.keysBelow('').map(key => [key, this.model.get(key)!.value]))
  }

  compare(what: string): void {
    assertHolds(this.tree, this.expected(), what)
    for (const key of this.model.keysBelow('')) {
      const version = this.tree.getRecord(Buffer.from(key, 'latin1'))?.version
      if (version !== this.model.get(key)!.version) throw new Error(`${what}: version of ${key.slice(0, 40)}`)
    }
  }
}

const LONG = 'long-edge-'.repeat(40)

/** How much lies below the source: in one leaf, in its frame copied, in a blob of its own, in several blobs. */
const SIZES: Record<string, (both: Both, prefix: string) => void> = {
  'one key': (both, prefix) => both.put(`${prefix}/only`),
  'one key that is the prefix': (both, prefix) => both.put(prefix),
  'a prefix key and keys below': (both, prefix) => {
    both.put(prefix)
    both.fill(prefix, 5, 10)
  },
  'a few keys': (both, prefix) => both.fill(prefix, 9, 30),
  'nearly 16 KB': (both, prefix) => both.fill(prefix, 29, 490),
  'more than 16 KB': (both, prefix) => both.fill(prefix, 180, 490),
  'more than a frame': (both, prefix) => both.fill(prefix, 120, 9000),
  'a long edge': (both, prefix) => both.fill(`${prefix}/${LONG}`, 9, 30),
  'long edges to several frames': (both, prefix) => both.fill(`${prefix}/${LONG}`, 100, 9000),
}

/** Where it hangs, and where it goes. `src` is the subtree's name. */
const PLACES: Record<string, { names: (long: string) => string[]; from: string; to: string }> = {
  'beside siblings': { names: () => ['a/other', 'a/srd', 'b/x'], from: 'a/src', to: 'a/dst' },
  'the only one': { names: () => [], from: 'src', to: 'dst' },
  'below an existing parent': { names: () => ['dst', 'dst/x', 'e'], from: 'src', to: 'dst/src' },
  'out of its parent': { names: () => ['p', 'p/q'], from: 'p/q/src', to: 'src' },
  'cut inside an edge': { names: () => ['zz'], from: 's', to: 'new' },
  'hung inside an edge': { names: long => [`d/${long}1`, `d/${long}2`], from: 'src', to: `d/long-edge-x` },
  'hung at the end of an edge': { names: long => [`d/${long}1`, `d/${long}2`], from: 'src', to: `d/${LONG}x` },
  'beyond a leaf': { names: () => ['d'], from: 'src', to: 'd/e/f' },
  'inside a leaf': { names: () => ['d/e/f/g/h'], from: 'src', to: 'd/e/x' },
  'to a very long name': { names: () => ['d'], from: 'src', to: LONG.repeat(4) },
  'from a very long name': { names: () => ['d'], from: `${LONG.repeat(4)}src`, to: 'dst' },
  'a name that is a byte longer': { names: () => ['srd'], from: 'src/', to: 'srcx' },
}

for (const [size, fill] of Object.entries(SIZES)) {
  test(`a subtree of ${size} moves from and to every kind of place and back`, t => {
    const directory = emptyDirectory(t)
    let n = 0
    const isLarge = size.includes('frame')
    for (const [place, { names, from, to }] of Object.entries(PLACES)) {
      if (isLarge && n % 2 === 1 && n++ > 0) continue
      const store = openStore(`${directory}/${n++}`, { ...SMALL, poolBytes: 16 * FRAME })
      const both = new Both(store.tree)
      for (const name of names(LONG)) both.put(name)
      fill(both, place === 'a name that is a byte longer' ? 'src/' : place === 'cut inside an edge' ? 'src' : from)
      both.compare(`${place}, filled`)
      t.true(both.rename(from, to), place)
      both.compare(`${place}, moved`)
      both.rename(to, from)
      both.compare(`${place}, moved back`)
      both.rename(from, to)
      const killed = copyOf(t, `${directory}/${n - 1}`)
      store.close()
      withStore(killed, SMALL, ({ tree }) => assertHolds(tree, both.expected(), `${place}, replayed`))
      withStore(`${directory}/${n - 1}`, SMALL, ({ tree }) => assertHolds(tree, both.expected(), `${place}, reopened`))
    }
  })
}

test('cuts at every depth of a path across frames, at and inside the crossings', t => {
  const directory = emptyDirectory(t)
  const store: Store = openStore(directory, SMALL)
  const both = new Both(store.tree)
  const path = 'top/middle-part/inner-part/leaf-part'
  both.fill('top/aside', 30, 9000)
  both.fill('top/middle-part/aside', 60, 9000)
  both.fill('top/middle-part/inner-part/aside', 60, 9000)
  both.fill(path, 90, 9000)
  t.true(store.tree.stats().blobs > 4)
  for (let length = 1; length <= path.length; length++) {
    const from = path.slice(0, length)
    const to = `elsewhere-${length}-${'x'.repeat(length * 9)}`
    t.true(both.rename(from, to))
    if (length % 4 === 0) both.compare(`${from} away`)
    t.true(both.rename(to, from))
    if (length % 4 === 1) both.compare(`${from} back`)
  }
  both.compare('at the end')
  store.close()
  withStore(directory, SMALL, ({ tree }) => assertHolds(tree, both.expected(), 'reopened'))
})

test('random subtrees of a wide and deep tree move', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const int = (n: number) => Math.floor(random() * n)
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  const both = new Both(store.tree)
  const name = () =>
    Array.from({ length: 1 + int(4) }, () => `${'ab'[int(2)]}${int(3)}`).join('/') + LONG.slice(0, int(3) * int(130))
  for (let i = 0; i < 600; i++) both.put(`${name()}/${int(200)}`, int(4000))
  let moved = 0
  for (let i = 0; i < 1500; i++) {
    const from = name().slice(0, 1 + int(300))
    const to = int(3) === 0 ? `n${i}${name()}` : name()
    if (from.startsWith(to) || to.startsWith(from)) continue
    if (both.rename(from, to)) moved++
    if (i % 4 === 0) both.put(`${name()}/${int(200)}`, int(4000))
    if (i % 300 === 0) both.compare(`step ${i}`)
  }
  both.compare('at the end')
  t.true(moved > 100, `${moved} moves`)
  store.close()
  withStore(directory, SMALL, ({ tree }) => assertHolds(tree, both.expected(), 'reopened'))
})

test('a batch that writes below a prefix and renames another one to it does nothing', t => {
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  const both = new Both(store.tree)
  both.fill('a', 20, 10)
  t.false(
    store.tree.atomic(batch => {
      batch.put('b/', 'x')
      batch.renamePrefix('a', 'b')
    }),
  )
  t.false(
    store.tree.atomic(batch => {
      batch.rename('a/0/0', 'bc')
      batch.renamePrefix('a', 'b')
    }),
  )
  const twice = () =>
    store.tree.atomic(batch => {
      batch.renamePrefix('a/1', 'b/1')
      batch.renamePrefix('a', 'b')
    })
  t.throws(twice, { code: 'HOLT_INVALID' })
  t.true(
    store.tree.atomic(batch => {
      batch.put('c/', 'x')
      batch.delete('b/x')
      batch.renamePrefix('a', 'b')
      batch.put('a/y', 'x')
    }),
  )
  store.close()
  withStore(directory, SMALL, ({ tree }) => {
    t.deepEqual([tree.check().records, tree.check().problems], [22, []])
  })
})

test('a rename that would make a key too long is refused, however the key came there, and after reopening', t => {
  const directory = emptyDirectory(t)
  const tooLong = { code: 'HOLT_KEY_TOO_LONG' }
  withStore(directory, SMALL, ({ tree }) => {
    tree.put(`a/${'x'.repeat(4094)}`, 'put')
    tree.load([[`b/${'x'.repeat(4094)}`, 'loaded']])
    tree.put('c', 'renamed')
    t.true(tree.rename('c', `c/${'x'.repeat(4094)}`))
    t.true(tree.renamePrefix('c/', 'd/'))
    tree.put('short/1', 'may grow')
    for (const name of ['a', 'b', 'd']) {
      t.throws(() => tree.renamePrefix(`${name}/`, `${name}0/`), tooLong, name)
      t.true(tree.renamePrefix(`${name}/`, 'e'), name)
      t.true(tree.renamePrefix('ex', `${name}/x`), name)
    }
    t.true(tree.renamePrefix('short', 's'.repeat(4094)))
    t.is(tree.get(`${'s'.repeat(4094)}/1`)?.toString(), 'may grow')
    const staged = () =>
      tree.atomic(batch => {
        batch.put(`f/${'x'.repeat(4094)}`, 'staged')
        batch.renamePrefix('f', 'gg')
      })
    t.throws(staged, tooLong)
  })
  const killed = copyOf(t, directory)
  withStore(killed, SMALL, ({ tree }) => {
    t.throws(() => tree.renamePrefix('a/', 'qqq/'), tooLong)
    t.deepEqual([tree.check().records, tree.check().problems], [4, []])
  })
})

test('keys that grow by many renames grow up to the longest that can be named', t => {
  withStore(emptyDirectory(t), SMALL, ({ tree }) => {
    tree.put('a/x', 'value')
    let name = 'a'
    for (const length of [1001, 2001, 3001, 4001, 4093, 4094]) {
      const longer = (name[0] === 'a' ? 'b' : 'a').repeat(length)
      t.true(tree.renamePrefix(name, longer))
      name = longer
      t.is(tree.get(`${name}/x`)?.toString(), 'value')
    }
    const error = t.throws(() => tree.renamePrefix(name, 'c'.repeat(4095)), { code: 'HOLT_KEY_TOO_LONG' })
    t.regex(error?.message ?? '', /4097/)
    t.true(tree.renamePrefix(name, 'c'))
    t.is(tree.check().records, 1)
  })
})
