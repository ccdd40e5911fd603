/** What a range and a scan hand out: whose the bytes are, when they end, and what stands in their way. */
import test from 'ava'
import { openTree } from '../../src/index.ts'

function filled(count: number) {
  const tree = openTree()
  for (let i = 0; i < count; i++) tree.put(`k${String(i).padStart(5, '0')}`, `value ${i}`)
  return tree
}

test('entries of a range are Buffers of the caller’s own, whatever comes after', t => {
  const tree = filled(2000)
  const entries = [...tree.range()]
  for (const entry of entries.slice(0, 500)) entry.key?.fill(0)
  for (let i = 0; i < 2000; i++) tree.put(`k${String(i).padStart(5, '0')}`, 'another')
  t.is([...tree.range()].length, 2000)
  t.deepEqual(entries[700], {
    key: Buffer.from('k00700'),
    value: Buffer.from('value 700'),
    version: entries[0].key === undefined ? 0 : entries[0].version + 700,
  })
  tree.close()
})

test('what a caller does to an entry’s bytes does not lead the range astray', t => {
  const tree = filled(300)
  let n = 0
  for (const entry of tree.range()) {
    entry.key!.fill(255)
    // The frame changes, so the range seeks again.
    tree.put('a', String(n++))
  }
  t.is(n, 300)
  tree.close()
})

test('a range ends early, once and for all', t => {
  const tree = filled(100)
  const range = tree.range()
  for (const entry of range) if (entry.key?.toString() === 'k00010') break
  t.deepEqual(range.next(), { done: true, value: undefined })
  t.is([...tree.range({ limit: 0 })].length, 0)
  t.is([...tree.range({ limit: 7 })].length, 7)
  const empty = [...tree.range({ keysOnly: true, limit: 1 })][0]
  t.deepEqual([empty.key?.toString(), (empty as { value: Buffer }).value.length], ['k00000', 0])
  tree.close()
})

test('a scan lends its entries, ends at false, and may be nested', t => {
  const tree = filled(400)
  const seen: string[] = []
  tree.scan({ prefix: 'k' }, outer => {
    let below = 0
    tree.scan({ prefix: 'k000' }, () => below++ < 4)
    t.is(below, 5)
    seen.push(Buffer.from(outer.bytes.subarray(outer.valueAt, outer.valueAt + outer.valueLength)).toString())
    return seen.length < 40
  })
  t.deepEqual(
    seen,
    Array.from({ length: 40 }, (_, i) => `value ${i}`),
  )
  tree.close()
})

test('a range of a tree that is closed meanwhile says so', t => {
  const tree = filled(300)
  const range = tree.range()
  range.next()
  tree.close()
  t.throws(() => range.next(), { code: 'HOLT_CLOSED' })
  t.throws(() => tree.range(), { code: 'HOLT_CLOSED' })
})
