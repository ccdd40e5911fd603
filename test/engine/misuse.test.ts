/** What a calling program does wrong is an error that says so, and never a silently different result. */
import { join } from 'node:path'
import test from 'ava'
import type { AtomicBatch } from '../../src/engine/atomic.ts'
import { HoltError, openTree, type RangeOptions, type StoreOptions } from '../../src/index.ts'
import { emptyDirectory } from './store-fixture.ts'

const invalid = { instanceOf: HoltError, code: 'HOLT_INVALID' }

test('options that mean nothing', t => {
  const directory = join(emptyDirectory(t), 'store')
  for (const durability of ['sycn', '', 1]) {
    const { message } = t.throws(() => openTree(directory, { durability } as unknown as StoreOptions), invalid)
    t.regex(message, /process, sync or async/)
  }
  t.regex(t.throws(() => openTree(''), invalid).message, /directory/)
})

test('ranges that mean nothing', t => {
  const tree = openTree()
  tree.put('a', '1')
  tree.put('b', '2')
  for (const options of [{ limit: -1 }, { limit: 1.5 }, { limit: Number.NaN }, { limit: '2' }, { limit: null }]) {
    t.throws(() => [...tree.range(options as RangeOptions)], invalid, JSON.stringify(options))
    t.throws(() => tree.scan(options as RangeOptions, () => true), invalid, JSON.stringify(options))
  }
  for (const delimiter of [1, null, '', '//', 'é']) {
    t.throws(() => tree.range({ delimiter } as unknown as RangeOptions), invalid, String(delimiter))
  }
  t.is([...tree.range({ limit: Number.POSITIVE_INFINITY })].length, 2)
  t.is([...tree.range({ limit: 0 })].length, 0)
  tree.close()
})

test('a batch that is used after its function has returned, also inside another one', t => {
  const tree = openTree()
  tree.put('old/a', '1')
  let kept: AtomicBatch | undefined
  t.true(
    tree.atomic(batch => {
      kept = batch
    }),
  )
  const late = kept as AtomicBatch
  for (const use of [
    () => late.put('a', '1'),
    () => late.delete('old/a'),
    () => late.putIfAbsent('a', '1'),
    () => late.compareAndPut('a', 0, '1'),
    () => late.deleteIfVersion('old/a', 1),
    () => late.assertVersion('a', 0),
    () => late.assertPrefixEmpty('x'),
    () => late.rename('old/a', 'b'),
    () => late.renamePrefix('old/', 'new/'),
  ]) {
    t.throws(use, invalid)
    t.throws(() => tree.atomic(use), invalid)
  }
  t.deepEqual(
    [...tree.range()].map(entry => entry.key?.toString()),
    ['old/a'],
  )
  tree.close()
})

test('an atomic function that is not synchronous changes nothing', async t => {
  const tree = openTree()
  let rest: Promise<void> | undefined
  t.throws(
    () =>
      tree.atomic(batch => {
        rest = (async () => {
          batch.put('a', '1')
          await Promise.resolve()
          batch.put('b', '2')
        })()
        return rest
      }),
    invalid,
  )
  await t.throwsAsync(rest as Promise<void>, invalid)
  t.is([...tree.range()].length, 0)
  t.is(tree.put('c', '3'), 1)
  tree.close()
})

test('a closed tree lends no key of a buffer either', t => {
  const tree = openTree()
  tree.put('a', '1')
  tree.close()
  t.throws(() => tree.getInto(Buffer.from('a'), 1, Buffer.alloc(1), 0), { code: 'HOLT_CLOSED' })
})
