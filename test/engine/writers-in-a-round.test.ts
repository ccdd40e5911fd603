/**
 * Changes made while a checkpoint round writes its cut: a hook in the host's calls makes them at an exact moment, which
 * another thread would hit only by chance.
 */
import test from 'ava'
import { C_BLOB_HIGH } from '../../src/engine/shared.ts'
import { openStore } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { hooked } from './hooked-storage.ts'
import { assertHolds, copyOf, emptyDirectory, SEED, SMALL, withStore } from './store-fixture.ts'

test('blobs evicted again and again while a round waits for the medium keep their newest image', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const { hooks, options } = hooked(SMALL)
  const store = openStore(directory, options)
  const expected = new Map<string, Buffer>()
  const put = () => {
    const key = `key-${Math.floor(random() * 120)}`
    const value = Buffer.alloc(60_000, Math.floor(random() * 256))
    expected.set(key, value)
    store.tree.put(key, value)
  }
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 15; i++) put()
    hooks.during(0, () => {
      for (let i = 0; i < 40; i++) put()
    })
    t.true(store.tree.checkpoint())
    if (round % 5 === 0) assertHolds(store.tree, expected, `round ${round}`)
  }
  const killed = copyOf(t, directory)
  store.close()
  withStore(killed, SMALL, ({ tree }) => assertHolds(tree, expected, 'killed'))
})

test('an image is not taken for the newest because the newer one got the same disk slot', t => {
  const directory = emptyDirectory(t)
  const { hooks, options } = hooked(SMALL)
  const store = openStore(directory, options)
  const { tree } = store
  const write = (group: number, byte: number) => tree.put(`group-${group}/0`, Buffer.alloc(60_000, byte))
  const read = (group: number) => tree.get(`group-${group}/0`)?.[0]
  const evict = () => {
    for (let group = 1; group < 12; group++) read(group)
  }
  for (let group = 0; group < 12; group++) {
    for (let i = 0; i < 7; i++) tree.put(`group-${group}/${i}`, Buffer.alloc(60_000, 1))
  }
  tree.checkpoint()
  write(0, 2)
  evict() // to a slot that no checkpoint knows
  write(0, 3)
  hooks.during(0, () => {
    evict() // to another one: the first is free
    write(0, 4)
    evict() // to the first one again
    t.is(read(0), 4)
  })
  tree.checkpoint()
  evict()
  t.is(read(0), 4)
  tree.put('more', '')
  tree.checkpoint()
  const killed = copyOf(t, directory)
  store.close()
  withStore(killed, SMALL, reopened => t.is(reopened.tree.get('group-0/0')?.[0], 4))
})

test('what a round writes is the tree at its cut, whatever is written, freed and made again meanwhile', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED + 1)
  const directory = emptyDirectory(t)
  const { hooks, options } = hooked({ ...SMALL, poolBytes: 64 * 512 * 1024 })
  const store = openStore(directory, options)
  const { tree } = store
  const expected = new Map<string, Buffer>()
  const change = () => {
    const name = `d${Math.floor(random() * 6)}`
    const pick = random()
    if (pick < 0.03) {
      for (const key of [...expected.keys()].filter(key => key.startsWith(name))) {
        expected.delete(key)
        tree.delete(key)
      }
    } else if (pick < 0.06) {
      const to = `d${Math.floor(random() * 6)}`
      if (to === name || !tree.renamePrefix(name, to)) return
      for (const [key, value] of [...expected]) {
        if (!key.startsWith(name)) continue
        expected.delete(key)
        expected.set(to + key.slice(2), value)
      }
    } else {
      const key = `${name}/${Math.floor(random() * 60)}`
      const value = Buffer.alloc(Math.floor(random() * 20_000), Math.floor(random() * 256))
      expected.set(key, value)
      tree.put(key, value)
    }
  }
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 50; i++) change()
    hooks.during(round % 4, () => {
      for (let i = 0; i < 50; i++) change()
    })
    tree.checkpoint()
    if (round % 8 !== 7) continue
    assertHolds(tree, expected, `round ${round}`)
    withStore(copyOf(t, directory), SMALL, reopened => assertHolds(reopened.tree, expected, `killed after ${round}`))
  }
  t.true(tree.stats().counters.copiesAside > 0)
  store.close()
  withStore(directory, SMALL, reopened => assertHolds(reopened.tree, expected, 'closed'))
})

test('blob ids are used again when blobs come and go from round to round', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, store => {
    const { tree } = store
    const fill = (name: string) => {
      for (let i = 0; i < 40; i++) tree.put(`${name}/${i}`, Buffer.alloc(20_000, i))
    }
    fill('kept')
    for (let cycle = 0; cycle < 30; cycle++) {
      fill('passing')
      tree.checkpoint()
      for (let i = 0; i < 40; i++) tree.delete(`passing/${i}`)
    }
    t.true(new Int32Array(store.share().engine.control)[C_BLOB_HIGH] < 20)
  })
})
