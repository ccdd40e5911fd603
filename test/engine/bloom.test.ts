import test from 'ava'
import {
  BLOOM_HASHES,
  bloomAdd,
  bloomMayHold,
  bloomSize,
  HASH_START,
  hashBytes,
} from '../../src/engine/walker/bloom.ts'
import { seededRandom } from '../support/random.ts'
import { SEED } from './store-fixture.ts'

const stateOf = (key: Buffer) => hashBytes(HASH_START, key, 0, key.length)

test('a bloom filter holds every key that was added, and takes few others for one', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  for (const keys of [1, 7, 100, 8000]) {
    const size = bloomSize(keys)
    const filter = new Uint8Array(size + 16)
    const added: Buffer[] = []
    for (let i = 0; i < keys; i++) {
      // Neighbouring keys, as leaves of one frame have them, and some that are anything.
      const key = Buffer.from(i % 3 === 0 ? `${random()}` : `category-${i >> 6}/file-${i & 63}`)
      added.push(key)
      bloomAdd(filter, 8, size, stateOf(key))
    }
    for (const key of added) t.true(bloomMayHold(filter, 8, size, BLOOM_HASHES, stateOf(key)), `${key}`)
    t.is(
      filter.subarray(0, 8).findIndex(byte => byte !== 0),
      -1,
    )
    t.is(
      filter.subarray(8 + size).findIndex(byte => byte !== 0),
      -1,
    )
    if (keys < 1000) continue
    let wrong = 0
    for (let i = 0; i < 20_000; i++) {
      if (bloomMayHold(filter, 8, size, BLOOM_HASHES, stateOf(Buffer.from(`category-${i >> 6}/new-${i & 63}`)))) wrong++
    }
    t.log(`${wrong} of 20000 absent keys pass`)
    t.true(wrong < 400)
  }
})
