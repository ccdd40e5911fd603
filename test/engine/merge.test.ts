/** A blob that deletes leave nearly empty goes back into its parent, with what it still holds. */
import test from 'ava'
import { openTree } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, emptyDirectory, SEED, SMALL } from './store-fixture.ts'

test('subtrees that renames made blobs of, and that lose most of their keys, are merged into their parent', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  let tree = openTree(directory, SMALL)
  const model = new Map<string, Buffer>()
  for (let cycle = 0; cycle < 12; cycle++) {
    for (let i = 0; i < 400; i++) tree.put(`new/file-${cycle}-${i}`, Buffer.alloc(260, i))
    t.true(tree.renamePrefix('new/', `home/${cycle % 3}/${cycle}/`))
    t.true(tree.stats().blobs > 1)
    for (let i = 0; i < 400; i++) {
      const key = `home/${cycle % 3}/${cycle}/file-${cycle}-${i}`
      if (random() < 0.98) t.is(tree.delete(key), true)
      else model.set(key, Buffer.alloc(260, i))
    }
    assertHolds(tree, model)
  }
  const { blobs, counters } = tree.stats()
  t.log(`${blobs} blobs for ${model.size} keys after ${counters.merges} merges`)
  t.is(blobs, 1)
  t.true(counters.merges > 3)
  tree.close()
  tree = openTree(directory, SMALL)
  assertHolds(tree, model)
  tree.close()
})
