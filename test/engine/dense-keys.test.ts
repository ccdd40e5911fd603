/**
 * Keys that branch widely over small subtrees (hashes, numbers): neighbours must share blobs, or a store of a few
 * megabytes takes hundreds of frames.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openTree, type Tree } from '../../src/index.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { Model } from './model.ts'

const seed = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
const count = Number(process.env.HOLTFS_DENSE_KEYS ?? 8_000)

const shapes: Record<string, (i: number, random: Random) => string> = {
  'two random bytes': (_i, random) => `a${bytes(2, random)}`,
  'eight random bytes': (_i, random) => bytes(8, random),
  'counting up': i => String.fromCharCode(i >> 16, (i >> 8) & 255, i & 255),
  'a path, then four random bytes': (i, random) => `d/${i % 7}/${bytes(4, random)}`,
}

function bytes(n: number, random: Random): string {
  let text = ''
  for (let i = 0; i < n; i++) text += String.fromCharCode(Math.floor(random() * 256))
  return text
}

function compare(tree: Tree, model: Model): void {
  const expected = model.keysBelow('')
  let i = 0
  for (const entry of tree.range()) {
    const key = entry.key!.toString('latin1')
    if (key !== expected[i]) throw new Error(`entry ${i} is ${JSON.stringify(key)}, not ${JSON.stringify(expected[i])}`)
    if (!(entry as { value: Buffer }).value.equals(model.get(key)!.value)) throw new Error(`value of ${key}`)
    i++
  }
  if (i !== expected.length) throw new Error(`${i} entries, not ${expected.length}`)
  const { problems } = tree.check()
  if (problems.length > 0) throw new Error(JSON.stringify(problems.slice(0, 5)))
}

for (const [name, shape] of Object.entries(shapes)) {
  for (const valueBytes of [40, 700]) {
    test(`${name}, values of ${valueBytes} bytes: full frames, right order, emptied again`, t => {
      t.log(`seed ${seed}`)
      const random = seededRandom(seed)
      const directory = mkdtempSync(join(tmpdir(), 'holtfs-dense-'))
      t.teardown(() => rmSync(directory, { recursive: true }))
      const tree = openTree(directory, { poolBytes: 24 << 19, background: false })
      const model = new Model()
      for (let i = 0; i < count; i++) {
        const key = shape(i, random)
        const value = Buffer.alloc(valueBytes, i)
        model.put(key, value, tree.put(Buffer.from(key, 'latin1'), value))
        if (i % 64 === 63) {
          const keys = model.keysBelow(key.slice(0, 2))
          const gone = keys[Math.floor(random() * keys.length)]
          t.is(tree.delete(Buffer.from(gone, 'latin1')), model.delete(gone))
        }
      }
      compare(tree, model)
      const live = model.size * (valueBytes + 40)
      const { blobs, counters } = tree.stats()
      t.log(`${model.size} keys, ${live >> 10} KB, ${blobs} blobs, ${counters.spillovers} spillovers`)
      t.true(blobs <= 2 + (6 * live) / (512 * 1024), `${blobs} blobs for ${live} bytes`)

      for (let i = 0; i < 300; i++) {
        const key = shape(Math.floor(random() * count), random)
        const prefix = key.slice(0, 1 + Math.floor(random() * key.length))
        const after = random() < 0.5 ? '' : shape(Math.floor(random() * count), random)
        const found: string[] = []
        const options = { prefix: Buffer.from(prefix, 'latin1'), startAfter: Buffer.from(after, 'latin1'), limit: 20 }
        for (const entry of tree.range(options)) found.push(entry.key!.toString('latin1'))
        t.deepEqual(found, model.range(prefix, after, '', 20))
      }
      if (model.keysBelow('moved').length === 0) {
        const from = model.keysBelow('')[model.size >> 1].slice(0, 2)
        t.true(tree.renamePrefix(Buffer.from(from, 'latin1'), 'moved'))
        model.renamePrefix(from, 'moved')
        compare(tree, model)
      }

      const keys = model.keysBelow('')
      for (let i = keys.length - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1))
        ;[keys[i], keys[j]] = [keys[j], keys[i]]
      }
      keys.forEach((key, i) => {
        if (!tree.delete(Buffer.from(key, 'latin1'))) t.fail(`${JSON.stringify(key)} is not there`)
        model.delete(key)
        if (i % 4001 === 0) compare(tree, model)
      })
      compare(tree, model)
      t.is(tree.stats().blobs, 1)
      tree.close()
    })
  }
}
