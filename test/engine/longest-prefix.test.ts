/**
 * The longest key that is a prefix of another: against a scan of all keys, over frames, run crossings and keys that end
 * at inner nodes, on a pool of eight frames.
 */
import assert from 'node:assert/strict'
import test from 'ava'
import { openTree } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { emptyDirectory, SEED, SMALL } from './store-fixture.ts'

/** Searches of a run; set HOLTFS_SEARCHES for a longer one. */
const SEARCHES = Number(process.env.HOLTFS_SEARCHES ?? 1500)

test('agrees with a search through all keys, over many frames', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const int = (n: number) => Math.floor(random() * n)
  const tree = openTree(emptyDirectory(t), SMALL)
  const model = new Map<string, { value: Buffer; version: number }>()
  const anyKey = () => {
    let key = ''
    // Short alphabets nest; numbers in two bytes branch widely, which makes run crossings.
    for (let i = int(7); i > 0; i--) {
      key += int(3) === 0 ? String.fromCharCode(int(256), int(256)) : 'abc/'.slice(0, 1 + int(4))
    }
    return key
  }
  const search = (key: string) => {
    let length = key.length
    while (length >= 0 && !model.has(key.slice(0, length))) length--
    const found = tree.longestPrefix(Buffer.from(key, 'latin1'))
    assert.equal(found?.key.toString('latin1'), length < 0 ? undefined : key.slice(0, length))
    if (found === undefined) return 0
    const expected = model.get(key.slice(0, length))!
    assert.ok(found.value.equals(expected.value))
    assert.equal(found.version, expected.version)
    return 1
  }
  t.is(tree.longestPrefix('anything'), undefined)
  let found = 0
  for (let i = 0; i < SEARCHES; i++) {
    for (let n = 0; n < 3; n++) {
      const key = anyKey()
      const value = Buffer.alloc(int(3000), int(256))
      model.set(key, { value, version: tree.put(Buffer.from(key, 'latin1'), value) })
    }
    const gone = anyKey()
    if (int(3) === 0) assert.equal(tree.delete(Buffer.from(gone, 'latin1')), model.delete(gone))
    found += search(anyKey() + anyKey())
  }
  for (const key of model.keys()) found += search(`${key}${anyKey()}`)
  const { blobs, counters } = tree.stats()
  t.log({ found, keys: model.size, blobs, ...counters })
  t.true(found > SEARCHES / 2 && blobs > 8 && counters.frameLoads > 100)
  t.deepEqual(tree.check().problems, [])
  tree.close()
})

test('a path deeper than the pool has an answer', t => {
  const tree = openTree(emptyDirectory(t), SMALL)
  // Each level fills frames of its own and has a record that ends there.
  const parts = Array.from({ length: 24 }, (_, i) => `level-${i}/`)
  parts.forEach((_, i) => {
    const path = parts.slice(0, i + 1).join('')
    tree.put(path, `at ${i}`)
    for (let n = 0; n < 60; n++) tree.put(`${path}file-${n}`, Buffer.alloc(8000, n))
  })
  tree.checkpoint()
  const deepest = parts.join('')
  t.is(tree.longestPrefix(`${deepest}nothing`)?.key.toString(), deepest)
  tree.delete(deepest)
  const above = parts.slice(0, -1).join('')
  t.is(tree.longestPrefix(`${deepest}nothing`)?.value.toString(), 'at 22')
  for (let i = 22; i > 0; i--) tree.delete(parts.slice(0, i + 1).join(''))
  t.is(tree.longestPrefix(`${above}nothing`)?.key.toString(), 'level-0/')
  t.true(tree.stats().blobs > 16)
  tree.close()
})
