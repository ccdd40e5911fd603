/** Directories whose entries are in several blobs by runs of their first bytes: a route to one is not taken for the others. */
import assert from 'node:assert/strict'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { emptyDirectory, FRAME, SEED } from './store-fixture.ts'

test('every entry of a directory that is spread over run crossings is found, in any order', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const store = openStore(emptyDirectory(t), { poolBytes: 64 * FRAME, background: false })
  const { tree } = store
  const keys: Buffer[] = []
  for (let i = 0; i < 6000; i++) {
    const name = Buffer.from([random() * 256, random() * 256, i >> 8, i])
    keys.push(Buffer.concat([Buffer.from(`directory-${i % 3}/`), name]))
  }
  keys.forEach((key, i) => void tree.put(key, Buffer.alloc(700, i)))
  for (let pass = 0; pass < 2; pass++) {
    for (let n = 0; n < 20_000; n++) {
      const i = Math.floor(random() * keys.length)
      assert.ok(tree.get(keys[i])?.equals(Buffer.alloc(700, i)), `key ${keys[i].toString('hex')}`)
    }
    tree.compact()
  }
  t.true(tree.stats().blobs > 5)
  store.close()
})
