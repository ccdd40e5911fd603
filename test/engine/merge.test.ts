/** Blobs that deletes leave sparse go back into their parents, or together into one, with what they still hold. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openTree, type Tree } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, emptyDirectory, FRAME, SEED, SMALL } from './store-fixture.ts'

/** Keys of each run; HOLTFS_MERGE_KEYS=1000000 for a long one. */
const KEYS = Number(process.env.HOLTFS_MERGE_KEYS ?? 20_000)
/** Bytes of a value, and of a leaf with its share of the nodes above. */
const VALUE = 112
const LEAF = 160

const number = Buffer.alloc(8)

const SHAPES: Record<string, (i: number) => string> = {
  numbers: i => {
    number.writeBigUInt64BE(BigInt(i))
    return `i${number.toString('latin1')}`
  },
  paths: i => `home/user-${i % 17}/project-${i % 131}/src/file-${i}.ts`,
  hashes: i => {
    number.writeUInt32BE(Math.imul(i, 2654435761) >>> 0)
    number.writeUInt32BE(i, 4)
    return number.toString('latin1')
  },
  nested: i => `${'d/'.repeat(i % 60)}file-${i}`,
}

function bytes(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

function frames(directory: string): number {
  return statSync(join(directory, 'frames.dat')).size / FRAME
}

for (const [shape, keyOf] of Object.entries(SHAPES)) {
  test(`${shape}: the fewer keys are left, the fewer blobs, and the shorter the file`, t => {
    t.log(`seed ${SEED}`)
    const random = seededRandom(SEED)
    const directory = emptyDirectory(t)
    const options = { ...SMALL, poolBytes: 64 << 20, durability: 'async' as const }
    let tree = openTree(directory, options)
    let keys: string[] = []
    for (let i = 0; i < KEYS; i++) {
      keys.push(keyOf(i))
      tree.put(bytes(keyOf(i)), Buffer.alloc(VALUE, i))
    }
    const model = new Map(keys.map((key, i) => [key, Buffer.alloc(VALUE, i)]))
    const full = tree.stats().blobs
    tree.checkpoint()
    for (const part of [0.5, 0.2, 0.05]) {
      const rest: string[] = []
      for (const key of keys) {
        if (random() * keys.length < part * KEYS) {
          rest.push(key)
          continue
        }
        if (!tree.delete(bytes(key))) throw new Error(`${key} is gone`)
        model.delete(key)
      }
      keys = rest
      assertHolds(tree, model, `${part} left`)
      const { blobs } = tree.stats()
      tree.compact()
      tree.checkpoint()
      assertHolds(tree, model, `${part} left, compacted`)
      const packed = tree.stats().blobs
      t.log(
        `${keys.length} keys: ${blobs} of ${full} blobs, compacted ${packed}, ${frames(directory)} frames in the file`,
      )
      t.true(packed <= 1 + (3 * keys.length * (LEAF + keys[0].length)) / FRAME)
      t.true(frames(directory) <= packed + 1)
    }
    tree.close()
    tree = openTree(directory, options)
    assertHolds(tree, model, 'opened again')
    for (const key of keys) tree.delete(bytes(key))
    t.is(tree.stats().blobs, 1)
    tree.compact()
    tree.close()
    t.true(frames(directory) <= 1)
  })
}

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

test('random puts and deletes agree with a map while every blob is compacted, on a pool of 8 frames', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  let tree: Tree = openTree(directory, SMALL)
  const model = new Map<string, Buffer>()
  const shapes = Object.values(SHAPES)
  for (let phase = 0; phase < 12; phase++) {
    const put = [0.95, 0.3, 0.1][phase % 3]
    for (let n = 0; n < 1500; n++) {
      const key = shapes[Math.floor(random() * shapes.length)](Math.floor(random() * 600))
      if (random() < put) {
        const value = Buffer.alloc(Math.floor(random() * 3000), n)
        tree.put(bytes(key), value)
        model.set(key, value)
      } else t.is(tree.delete(bytes(key)), model.delete(key))
    }
    if (phase % 2 === 1) tree.compact()
    assertHolds(tree, model, `phase ${phase}`)
    if (phase % 4 === 3) tree.checkpoint()
    if (phase !== 7) continue
    tree.close()
    tree = openTree(directory, SMALL)
  }
  const { merges, compactions } = tree.stats().counters
  t.log(`${merges} merges, ${compactions} compactions`)
  t.true(merges > 0)
  tree.close()
})
