/** Every kind of page of a routed image damaged: a cold lookup refuses what it would read of it, and answers the rest. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { H_BLOOM, H_BLOOM_BYTES, H_LEAVES, H_USED } from '../../src/engine/layout.ts'
import { readManifest } from '../../src/engine/manifest.ts'
import { HoltError } from '../../src/index.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { seededRandom } from '../support/random.ts'
import { emptyDirectory, FRAME, SEED, SMALL, withStore } from './store-fixture.ts'

const PAGE = 4096

test('a flipped bit in any kind of page of a routed image is found by the cold lookup that needs the page', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const keys: string[] = []
  const valueFor = (i: number) => Buffer.alloc(1400, i)
  withStore(directory, SMALL, ({ tree }) => {
    // More blobs than frames, and keys visited in turns, so that blobs stay cold.
    for (let i = 0; i < 4400; i++) keys.push(`directory-${String((i * 37) % 160).padStart(3, '0')}/file-${i}`)
    keys.forEach((key, i) => void tree.put(key, valueFor(i)))
    tree.compact()
    t.deepEqual(tree.check().problems, [])
  })
  const readAll = () =>
    withStore(directory, { ...SMALL, readOnly: true }, ({ tree }) => {
      let refused = 0
      keys.forEach((key, i) => {
        try {
          if (!tree.get(key)?.equals(valueFor(i))) t.fail(`wrong value of ${key}`)
          if (tree.get(`${key}~`) !== undefined) t.fail(`${key}~ is there`)
        } catch (error) {
          if (!(error instanceof HoltError) || error.code !== 'HOLT_CORRUPT_FRAME') throw error
          refused++
        }
      })
      return { refused, ...tree.stats().counters }
    })
  const intact = readAll()
  t.is(intact.refused, 0)
  t.log({ coldReads: intact.coldReads, frameLoads: intact.frameLoads })
  t.true(intact.coldReads > keys.length)

  const slots = [...readManifest(hostStorage, directory).slots.values()].map(slot => slot - 1)
  const fd = openSync(join(directory, 'frames.dat'), 'r+')
  t.teardown(() => closeSync(fd))
  const header = new Uint32Array(128)
  let routed = 0
  for (const slot of slots) {
    readSync(fd, header, 0, 512, slot * FRAME)
    const leaves = header[H_LEAVES >> 2]
    if (leaves === 0 || routed++ > 1) continue
    const used = header[H_USED >> 2]
    const bloom = header[H_BLOOM >> 2]
    const anywhere = (from: number, to: number) => from + Math.floor(random() * (to - from))
    const places: Record<string, number> = {
      'the first header bytes': 3,
      'the header': anywhere(0, PAGE),
      geometry: H_LEAVES + anywhere(0, 20),
      'a checksum': 512 + anywhere(0, 4 * (Math.ceil(used / PAGE) - 1)),
      'the routing region': anywhere(PAGE, bloom),
      'the bloom filter': anywhere(bloom, bloom + header[H_BLOOM_BYTES >> 2]),
      'the last byte of the region': leaves - 1,
      'the first leaf page': anywhere(leaves, leaves + PAGE),
      'a leaf page': anywhere(leaves, used),
      'the last used byte': used - 1,
    }
    for (const [what, at] of Object.entries(places)) {
      const byte = Buffer.alloc(1)
      const damaged = Buffer.alloc(1)
      readSync(fd, byte, 0, 1, slot * FRAME + at)
      damaged[0] = byte[0] ^ (1 << anywhere(0, 8))
      writeSync(fd, damaged, 0, 1, slot * FRAME + at)
      const { refused } = readAll()
      t.true(refused > 0, `${what} of slot ${slot}, byte ${at}`)
      writeSync(fd, byte, 0, 1, slot * FRAME + at)
    }
  }
  t.true(routed > 5)
  t.is(readAll().refused, 0)
})
