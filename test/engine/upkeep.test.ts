/** The background merges what deletes leave sparse, below run crossings too, while writers go on. */
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { openTree } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, emptyDirectory, SEED } from './store-fixture.ts'

/** A number as 8 bytes, big-endian: such keys branch widely, and their blobs hang by run crossings. */
function numberKey(n: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(n))
  return `i${bytes.toString('latin1')}`
}

test('sparse blobs below run crossings are merged by the background thread', async t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const options = { poolBytes: 64 << 20, durability: 'async' as const }
  let tree = openTree(directory, options)
  const model = new Map<string, Buffer>()
  const count = 20_000
  for (let i = 0; i < count; i++) tree.put(Buffer.from(numberKey(i), 'latin1'), Buffer.alloc(112, i))
  const full = tree.stats().blobs
  t.true(full > 4)
  for (let i = 0; i < count; i++) {
    const key = numberKey(i)
    if (random() < 0.97) t.true(tree.delete(Buffer.from(key, 'latin1')))
    else model.set(key, Buffer.alloc(112, i))
  }
  for (let i = 0; i < 100 && tree.stats().blobs > 1; i++) {
    await delay(50)
    assertHolds(tree, model)
  }
  t.log(`${full} blobs, then ${tree.stats().blobs} for ${model.size} keys`)
  t.is(tree.stats().blobs, 1)
  tree.close()
  tree = openTree(directory, options)
  assertHolds(tree, model)
  tree.close()
})
