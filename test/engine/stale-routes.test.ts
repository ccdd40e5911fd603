/**
 * Handles that have routes to directories cached, while another one renames, merges, spills, evicts, compacts, frees blobs
 * and uses their ids again: every answer is that of a sorted map, for keys that are there and for keys that were.
 */
import test from 'ava'
import { openShared, openStore } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, emptyDirectory, SEED, SMALL } from './store-fixture.ts'

const STEPS = Number(process.env.HOLTFS_ROUTE_STEPS ?? 600)

test('a cached route never leads to where a key was', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const int = (n: number) => Math.floor(random() * n)
  const store = openStore(emptyDirectory(t), SMALL)
  const { tree } = store
  const readers = [tree, openShared(store.share()), openShared(store.share())]
  /** Changes begin at routes as well: each is made by another handle. */
  const writer = () => readers[int(readers.length)]
  const model = new Map<string, Buffer>()
  const directory = () => `/work/area-${int(4)}/group-${int(6)}/`
  const fileOf = (at: string, n: number) => `${at}file-${String(n).padStart(3, '0')}`
  let moves = 0

  const put = (key: string, bytes: number) => {
    const value = Buffer.alloc(bytes, `${key} ${int(1e6)} `)
    writer().put(key, value)
    model.set(key, value)
  }
  const isBelow = (prefix: string) => [...model.keys()].some(key => key.startsWith(prefix))
  const move = (from: string, to: string) => {
    const expected = isBelow(from) && !isBelow(to)
    t.is(writer().renamePrefix(from, to), expected)
    if (!expected) return
    moves++
    for (const [key, value] of [...model]) {
      if (!key.startsWith(from)) continue
      model.delete(key)
      model.set(to + key.slice(from.length), value)
    }
  }
  const change = () => {
    const at = directory()
    switch (int(9)) {
      case 0: // as a whole, there or back
        return int(2) === 0 ? move(at, `/moved${at}`) : move(`/moved${at}`, at)
      case 1: {
        const area = `/work/area-${int(4)}/`
        return int(2) === 0 ? move(area, `/moved${area}`) : move(`/moved${area}`, area)
      }
      case 2: // emptied, so that its blobs are merged or freed
        for (const key of [...model.keys()]) {
          if (!key.startsWith(at) || int(20) === 0) continue
          t.true(writer().delete(key))
          model.delete(key)
        }
        return
      case 3: // filled, so that it spills
        for (let n = 0; n < 60; n++) put(fileOf(at, int(200)), 2000 + int(8000))
        return
      case 4: // in place, which keeps routes
        for (let n = 0; n < 10; n++) {
          const key = fileOf(at, int(200))
          const old = model.get(key)
          if (old !== undefined) put(key, old.length)
        }
        return
      case 5: {
        const [from, to] = [fileOf(at, int(200)), fileOf(directory(), int(200))]
        const value = model.get(from)
        t.is(writer().rename(from, to, { replace: true }), value !== undefined)
        if (value === undefined) return
        model.delete(from)
        model.set(to, value)
        return
      }
      case 6:
        return int(8) === 0 ? void tree.compact() : void tree.checkpoint()
      default:
        for (let n = 0; n < 10; n++) put(fileOf(at, int(200)), int(900))
    }
  }
  const compare = (key: string) => {
    const expected = model.get(key)
    for (const reader of readers) {
      const found = reader.get(key)
      const isRight = expected === undefined ? found === undefined : found?.equals(expected)
      if (!isRight) t.fail(`${key}: ${found?.subarray(0, 60)} instead of ${expected?.subarray(0, 60)}`)
    }
  }
  for (let step = 0; step < STEPS; step++) {
    change()
    for (let n = 0; n < 6; n++) {
      const at = directory()
      for (let i = 0; i < 12; i++) {
        const key = fileOf(at, int(200))
        compare(key)
        compare(`/moved${key}`)
      }
    }
  }
  assertHolds(tree, model)
  const { counters } = tree.stats()
  t.log({ records: model.size, moves, ...counters })
  t.true(counters.routeHits > 10_000 && moves > 3)
  t.true(counters.merges > 0 && counters.spillovers > 0 && counters.frameEvictions > 0 && counters.blobsFreed > 0)
  store.close()
})

test('a directory that is a blob of its own moves away from its routes, and another one comes in its place', t => {
  const store = openStore(undefined, { poolBytes: 64 << 20 })
  const { tree } = store
  const readers = [tree, openShared(store.share())]
  const name = (move: number, n: number) => `/volume/directory-${move}/file-${n}`
  for (let n = 0; n < 300; n++) tree.put(name(0, n), Buffer.alloc(1000, n))
  for (let move = 0; move < 5; move++) {
    for (let n = 0; n < 300; n++) {
      for (const reader of readers) t.is(reader.get(name(move, n))?.[0], n & 255)
    }
    t.true(tree.renamePrefix(`/volume/directory-${move}/`, `/volume/directory-${move + 1}/`))
    for (let n = 0; n < 300; n++) {
      for (const reader of readers) t.is(reader.get(name(move, n)), undefined)
      if (n % 3 === 0) tree.put(name(move, n), 'another')
      for (const reader of readers) {
        t.is(reader.get(name(move, n))?.toString(), n % 3 === 0 ? 'another' : undefined)
        t.is(reader.get(name(move + 1, n))?.[0], n & 255)
      }
    }
  }
  t.true(tree.stats().counters.routeHits > 3000)
  store.close()
})
