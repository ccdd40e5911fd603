/** Trees filled and emptied again, in several shapes and orders: sound at each phase, and nothing left behind: one blob, one slot. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openTree, type Tree } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { emptyDirectory, FRAME, SEED, SMALL } from './store-fixture.ts'

/** Keys of each run; HOLTFS_EMPTIED_KEYS=1000000 for the long one. */
const KEYS = Number(process.env.HOLTFS_EMPTIED_KEYS ?? 6000)

const SHAPES: Record<string, (i: number) => string> = {
  counted: i => `key-${String(i).padStart(8, '0')}`,
  paths: i => `home/user-${i % 17}/project-${i % 131}/src/file-${i}.ts`,
  nested: i => `${'d/'.repeat(i % 40)}file-${i}`,
  numbers: i => numberKey(i),
  binary: i => String.fromCharCode(i & 255, (i * 31) & 255, (i >> 8) & 255, (i >> 16) & 255),
}

/** 8 bytes, big-endian, behind a name space: such keys branch widely, and their blobs hang by run crossings. */
function numberKey(i: number): string {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(i))
  return `i${number.toString('latin1')}`
}

const ORDERS: Record<string, (keys: string[]) => string[]> = {
  'as inserted': keys => keys,
  backwards: keys => [...keys].reverse(),
  sorted: keys => [...keys].sort(),
  shuffled: keys => shuffled(keys, seededRandom(SEED)),
  'one group after the other': keys => byGroup(keys),
}

function shuffled(keys: string[], random: () => number): string[] {
  const list = [...keys]
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[list[i], list[j]] = [list[j], list[i]]
  }
  return list
}

/** Keys of one directory, or with the same first bytes, together; the groups in no order. */
function byGroup(keys: string[]): string[] {
  const groups = new Map<string, string[]>()
  for (const key of keys) {
    const group = key.slice(0, Math.max(key.lastIndexOf('/'), key.length - 2))
    const members = groups.get(group)
    if (members === undefined) groups.set(group, [key])
    else members.push(key)
  }
  return shuffled([...groups.keys()], seededRandom(SEED)).flatMap(group => groups.get(group)!)
}

function bytes(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

/** Throws unless the tree holds this many records in a sound structure; returns its blobs. */
function sound(tree: Tree, records: number): number {
  const summary = tree.check()
  if (summary.problems.length > 0 || summary.records !== records) {
    throw new Error(`${summary.records} of ${records} records, ${JSON.stringify(summary.problems.slice(0, 3))}`)
  }
  return summary.blobs
}

for (const [shape, keyOf] of Object.entries(SHAPES)) {
  test(`${shape} keys are inserted and deleted in every order, until one blob is left`, t => {
    t.log(`seed ${SEED}`)
    const directory = emptyDirectory(t)
    const options = { ...SMALL, poolBytes: 64 << 20, durability: 'async' as const }
    let tree = openTree(directory, options)
    const keys = Array.from({ length: KEYS }, (_, i) => keyOf(i))
    const value = Buffer.alloc(90, 'v')
    let largest = 0
    for (const [order, sort] of Object.entries(ORDERS)) {
      for (const key of shape === 'paths' ? shuffled(keys, seededRandom(SEED + 1)) : keys) tree.put(bytes(key), value)
      largest = Math.max(largest, sound(tree, keys.length))
      tree.checkpoint()
      const doomed = sort(keys)
      doomed.forEach((key, i) => {
        if (!tree.delete(bytes(key))) throw new Error(`${order}: ${i} was not there`)
        if (i === doomed.length >> 1) sound(tree, doomed.length - i - 1)
      })
      t.is(sound(tree, 0), 1, order)
      t.is(tree.stats().blobs, 1, order)
      t.true(tree.isPrefixEmpty(''))
      tree.compact()
      tree.checkpoint()
      t.true(statSync(join(directory, 'frames.dat')).size <= FRAME, order)
      if (order !== 'sorted') continue
      tree.close()
      tree = openTree(directory, options)
      t.is(sound(tree, 0), 1)
    }
    t.true(largest > 1)
    tree.close()
  })
}

test('disk slots are used again: cycles of filling and emptying with checkpoints do not grow the file', t => {
  const directory = emptyDirectory(t)
  const tree = openTree(directory, SMALL)
  const size = () => statSync(join(directory, 'frames.dat')).size
  let first = 0
  for (let cycle = 0; cycle < 12; cycle++) {
    for (let i = 0; i < 400; i++) tree.put(`cycle-${cycle}/${i % 20}/${i}`, Buffer.alloc(15_000, cycle))
    tree.checkpoint()
    for (let i = 0; i < 400; i++) tree.delete(`cycle-${cycle}/${i % 20}/${i}`)
    tree.checkpoint()
    t.is(sound(tree, 0), 1)
    if (cycle === 1) first = size()
  }
  t.true(size() <= first * 1.3, `${size()} bytes, after two cycles ${first}`)
  tree.close()
})
