/** Both sides of every bound of the tree's interface: what is refused changes neither the tree, nor the seq, nor the log. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { HoltError, openStore, openTree, type Tree } from '../../src/index.ts'
import { MAX_RECORD, MAX_USER_KEY, MAX_VALUE } from '../../src/limits.ts'
import { assertHolds, emptyDirectory, SMALL, withStore } from './store-fixture.ts'

function walBytes(directory: string): number {
  const wal = join(directory, 'wal')
  return readdirSync(wal).reduce((sum, name) => sum + statSync(join(wal, name)).size, 0)
}

test('the longest key and value are kept, longer ones are refused before anything happens', t => {
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  const { tree } = store
  const long = Buffer.alloc(MAX_USER_KEY, 'k')
  const large = Buffer.alloc(MAX_VALUE, 'v')
  t.is(MAX_USER_KEY, 4096)
  t.is(MAX_VALUE, 65_536)
  tree.put(long, large)
  tree.put('other', 'value')
  const expected = new Map([
    [long.toString(), large],
    ['other', Buffer.from('value')],
  ])
  const tooLong = Buffer.alloc(MAX_USER_KEY + 1, 'k')
  const tooLarge = Buffer.alloc(MAX_VALUE + 1, 'v')
  const key = 'HOLT_KEY_TOO_LONG'
  const value = 'HOLT_VALUE_TOO_LONG'
  const refused: [string, (tree: Tree) => unknown][] = [
    [key, tree => tree.put(tooLong, 'x')],
    [key, tree => tree.put(tooLong.toString(), 'x')],
    [key, tree => tree.put('é'.repeat(2049), 'x')],
    [value, tree => tree.put('x', tooLarge)],
    [value, tree => tree.put('x', tooLarge.toString())],
    [key, tree => tree.delete(tooLong)],
    [key, tree => tree.get(tooLong)],
    [key, tree => tree.putIfAbsent(tooLong, 'x')],
    [value, tree => tree.putIfAbsent('x', tooLarge)],
    [key, tree => tree.compareAndPut(tooLong, 1, 'x')],
    [key, tree => tree.rename('other', tooLong)],
    [key, tree => tree.rename(tooLong, 'other')],
    [key, tree => tree.renamePrefix('other', tooLong)],
    [key, tree => tree.isPrefixEmpty(tooLong)],
    [key, tree => [...tree.range({ prefix: tooLong })]],
    [key, tree => [...tree.range({ startAfter: tooLong })]],
    ['HOLT_INVALID', tree => [...tree.range({ delimiter: '//' })]],
    ['HOLT_INVALID', tree => tree.renamePrefix('', 'x')],
    ['HOLT_INVALID', tree => tree.renamePrefix('other', 'other/x')],
    ['HOLT_INVALID', tree => tree.put(5 as unknown as string, 'x')],
    ['HOLT_INVALID', tree => tree.put('x', undefined as unknown as string)],
    [
      value,
      tree =>
        tree.atomic(batch => {
          batch.put('first', 'of a batch')
          batch.delete('other')
          batch.put('second', tooLarge)
        }),
    ],
    [
      'HOLT_BATCH_TOO_LARGE',
      tree =>
        tree.atomic(batch => {
          for (let i = 0; i * MAX_VALUE <= MAX_RECORD; i++) batch.put(`part ${i}`, large)
        }),
    ],
  ]
  const seq = tree.lastSeq()
  const bytes = walBytes(directory)
  refused.forEach(([code, change], i) => {
    const error = t.throws(() => change(tree), { instanceOf: HoltError, code }, `${i}`)
    t.is(error?.applied, 'not-applied')
    t.is(tree.lastSeq(), seq)
    t.is(walBytes(directory), bytes)
  })
  t.throws(
    () =>
      tree.atomic(batch => {
        batch.put('first', 'of a batch')
        throw new RangeError('of the caller')
      }),
    { instanceOf: RangeError },
  )
  t.is(tree.lastSeq(), seq)
  assertHolds(tree, expected)
  t.is(tree.put('other', 'value'), seq + 1)
  store.close()
  withStore(directory, SMALL, reopened => assertHolds(reopened.tree, expected))
})

test('a batch just within the limit is one change, on a pool of 8 frames', t => {
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  const expected = new Map<string, Buffer>()
  store.tree.atomic(batch => {
    for (let i = 0; i < 63; i++) {
      const value = Buffer.alloc(MAX_VALUE, i)
      batch.put(`part ${i}`, value)
      expected.set(`part ${i}`, value)
    }
  })
  t.is(store.tree.lastSeq(), 1)
  assertHolds(store.tree, expected)
  store.close()
  withStore(directory, SMALL, ({ tree }) => assertHolds(tree, expected))
})

test('any bytes are a key: empty, of every byte, starts of each other', t => {
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  const { tree } = store
  const expected = new Map<string, Buffer>()
  const keys = ['', '\0', '\0\0', 'ÿ', 'ÿÿ']
  for (let byte = 0; byte < 256; byte++) {
    const one = String.fromCharCode(byte)
    keys.push(one, `${one}x`, `x${one}`, one.repeat(300), one.repeat(299) + String.fromCharCode(255 - byte))
  }
  for (let length = 0; length <= MAX_USER_KEY; length += 241) keys.push('p'.repeat(length))
  keys.push(Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join(''))
  keys.forEach((key, i) => {
    const value = Buffer.from(`value ${i}`)
    tree.put(Buffer.from(key, 'latin1'), value)
    expected.set(key, value)
  })
  assertHolds(tree, expected)
  t.deepEqual(
    [...tree.range()].map(entry => entry.key!.toString('latin1')),
    [...expected.keys()].sort((a, b) => (a < b ? -1 : 1)),
  )
  store.close()
  const again = openStore(directory, SMALL)
  assertHolds(again.tree, expected)
  for (const key of [...expected.keys()]) {
    t.true(again.tree.delete(Buffer.from(key, 'latin1')))
    expected.delete(key)
    if (expected.size % 100 === 0) assertHolds(again.tree, expected)
  }
  assertHolds(again.tree, expected)
  again.close()
})

test('a closed tree and a read-only one say so', t => {
  const directory = emptyDirectory(t)
  const tree = openTree(directory, SMALL)
  tree.put('key', 'value')
  tree.close()
  tree.close()
  for (const use of [
    () => tree.get('key'),
    () => tree.put('key', 'x'),
    () => [...tree.range()],
    () => tree.checkpoint(),
  ]) {
    t.throws(use, { code: 'HOLT_CLOSED' })
  }
  const reader = openTree(directory, { ...SMALL, readOnly: true })
  t.is(reader.get('key')?.toString(), 'value')
  for (const change of [() => reader.put('key', 'x'), () => reader.delete('key'), () => reader.checkpoint()]) {
    t.throws(change, { code: 'HOLT_READ_ONLY' })
  }
  reader.close()
  t.throws(() => openStore(directory, { poolBytes: Number.NaN }), { code: 'HOLT_INVALID' })
})
