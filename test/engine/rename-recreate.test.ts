/**
 * Renames followed by another record or subtree of the old name: whatever prefix of the log a crash leaves, with
 * whatever checkpoint, replay gives the state after exactly those records.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openStore, type Tree } from '../../src/index.ts'
import { RecordReader } from '../../src/journal/record.ts'
import { SEGMENT_HEADER } from '../../src/journal/segments.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, closeAnyhow, contents, emptyDirectory, SEED, SMALL, withStore } from './store-fixture.ts'

/** Offsets in a segment at which a record ends, and the seq of that record. */
function recordEnds(segment: Buffer): { end: number; seq: number }[] {
  const ends: { end: number; seq: number }[] = []
  const reader = new RecordReader(segment, segment.readUInt32LE(12))
  for (let at = SEGMENT_HEADER, size = reader.read(at); size > 0; size = reader.read(at)) {
    at += size
    ends.push({ end: at, seq: reader.seq })
  }
  return ends
}

/** Changes that leave and come back to the same names. */
function changes(seed: number, count: number): ((tree: Tree) => unknown)[] {
  const random = seededRandom(seed)
  const int = (n: number) => Math.floor(random() * n)
  const name = () => `${'abc'[int(3)]}`
  return Array.from({ length: count }, (_, i) => {
    const [from, to, n] = [name(), name(), int(12)]
    switch (int(6)) {
      case 0:
        return (tree: Tree) => tree.rename(`${from}/${n}`, `${to}/${n}`, { replace: true })
      case 1:
        return (tree: Tree) => from !== to && tree.renamePrefix(`${from}/`, `${to}/`)
      case 2:
        return (tree: Tree) => from !== to && tree.renamePrefix(`${from}/1`, `${to}/new-1`)
      case 3:
        return (tree: Tree) =>
          tree.atomic(batch => {
            batch.rename(`${from}/${n}`, `z/${i}`)
            batch.put(`${from}/${n}`, `again ${i}`)
          })
      case 4:
        return (tree: Tree) => tree.delete(`${from}/${n}`)
      default:
        return (tree: Tree) => tree.put(`${from}/${n}`, Buffer.alloc(int(8) === 0 ? 60_000 : 30, i))
    }
  })
}

test('the log cut after every record replays to the state after that record', t => {
  t.log(`seed ${SEED}`)
  const directory = emptyDirectory(t)
  const store = openStore(join(directory, 'store'), SMALL)
  const states: Map<string, Buffer>[] = []
  states[0] = new Map()
  let round = 0
  const note = () => {
    states[store.tree.lastSeq()] = contents(store.tree)
  }
  changes(SEED, 160).forEach((change, i) => {
    change(store.tree)
    note()
    if (i % 55 === 54) {
      store.tree.checkpoint()
      round = store.tree.lastSeq()
    }
  })
  const original = join(directory, 'killed')
  cpSync(join(directory, 'store'), original, { recursive: true })
  closeAnyhow(store)
  const [name] = readdirSync(join(original, 'wal')).slice(-1)
  const wal = join(original, 'wal', name)
  const bytes = readFileSync(wal)
  const ends = recordEnds(bytes)
  t.is(ends.at(-1)?.seq, states.length - 1)
  let tried = 0
  for (const { end, seq } of ends) {
    if (seq < round) continue
    tried++
    // At the boundary, and torn a little behind it.
    for (const length of [end, Math.min(bytes.length, end + 5)]) {
      writeFileSync(wal, bytes.subarray(0, length))
      withStore(original, { ...SMALL, readOnly: true }, ({ tree }) => assertHolds(tree, states[seq], `seq ${seq}`))
    }
  }
  t.true(tried > 5, `${tried}`)
  writeFileSync(wal, bytes)
  withStore(original, SMALL, ({ tree }) => assertHolds(tree, states.at(-1)!, 'whole'))
  withStore(original, SMALL, ({ tree }) => assertHolds(tree, states.at(-1)!, 'again'))
})

test('a renamed directory that is made again, killed before and after each checkpoint', t => {
  const directory = emptyDirectory(t)
  const store = openStore(join(directory, 'store'), SMALL)
  const { tree } = store
  for (let n = 0; n < 12; n++) {
    for (let i = 0; i < 20; i++) tree.put(`work/${i}`, Buffer.alloc(i === 3 ? 50_000 : 900, n))
    tree.renamePrefix('work', `done-${n}`)
    tree.put('work/0', `made again ${n}`)
    if (n % 3 === 0) tree.checkpoint()
    const killed = join(directory, `killed-${n}`)
    cpSync(join(directory, 'store'), killed, { recursive: true })
    const expected = contents(tree)
    withStore(killed, SMALL, reopened => assertHolds(reopened.tree, expected, `${n}`))
    withStore(killed, SMALL, reopened => assertHolds(reopened.tree, expected, `${n}, closed`))
  }
  t.is(tree.check().records, 12 * 20 + 1)
  store.close()
})
