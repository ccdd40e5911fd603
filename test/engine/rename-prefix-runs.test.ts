/**
 * Subtrees moved out of, into and beside run crossings (many small subtrees in one blob), and very many keys at once.
 * HOLTFS_RENAME_KEYS for the full size.
 */
import test from 'ava'
import { type LoadEntry, openStore } from '../../src/index.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { assertHolds, copyOf, emptyDirectory, FRAME, SEED, withStore } from './store-fixture.ts'

const KEYS = Number(process.env.HOLTFS_RENAME_KEYS ?? 100_000)
const MOVES = Number(process.env.HOLTFS_RENAME_MOVES ?? 120)
const OPTIONS = { poolBytes: 12 * FRAME, background: false }

function latin1(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

/** Keys below `name` that branch on two bytes of 128 values each: their subtrees share blobs by run crossings. */
function fillRuns(name: string, records: Map<string, Buffer>, random: Random): void {
  for (let i = 0; i < 128; i++) {
    for (let j = 0; j < 128; j += 1 + Math.floor(random() * 3)) {
      records.set(`${name}${String.fromCharCode(2 * i, 2 * j)}/${i}`, Buffer.alloc(180, i))
    }
  }
}

function entriesOf(records: Map<string, Buffer>): LoadEntry[] {
  return [...records.keys()].sort((a, b) => (a < b ? -1 : 1)).map(key => [latin1(key), records.get(key)!])
}

test('subtrees move out of runs, into them, between them and beside them', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const int = (n: number) => Math.floor(random() * n)
  const byte = () => String.fromCharCode(int(256))
  const directory = emptyDirectory(t)
  const records = new Map<string, Buffer>()
  fillRuns('dense/', records, random)
  fillRuns('other/', records, random)
  const store = openStore(directory, OPTIONS)
  const { tree } = store
  tree.load(entriesOf(records))
  t.true(tree.stats().blobs > 4, 'runs in blobs of their own')
  tree.checkpoint()

  const parents = ['dense/', 'other/', 'plain/', 'plain/x/', '']
  let moved = 0
  for (let i = 0; i < MOVES * 8 && moved < MOVES; i++) {
    const all = [...records.keys()]
    const key = all[int(all.length)]
    // Mostly one or two bytes below a name, seldom a whole name or a cut elsewhere.
    const from = key.slice(0, int(12) === 0 ? 1 + int(key.length) : key.indexOf('/') + 1 + int(3))
    const to = parents[int(parents.length)] + byte() + (int(2) === 0 ? byte() : '')
    if (from.startsWith(to) || to.startsWith(from)) continue
    const keys = all.filter(key => key.startsWith(from))
    const allowed = !all.some(key => key.startsWith(to))
    if (tree.renamePrefix(latin1(from), latin1(to)) !== allowed) {
      t.fail(`${JSON.stringify(from)} to ${JSON.stringify(to)} should be ${allowed}`)
      return
    }
    if (!allowed) continue
    for (const key of keys) {
      records.set(to + key.slice(from.length), records.get(key)!)
      records.delete(key)
    }
    moved++
    if (moved % 25 === 0) assertHolds(tree, records, `after ${moved} moves`)
    if (moved % 60 === 0) {
      withStore(copyOf(t, directory), OPTIONS, killed => assertHolds(killed.tree, records, `${moved} moves, replayed`))
      tree.checkpoint()
    }
  }
  t.true(moved > MOVES / 4, `${moved} moves`)
  assertHolds(tree, records, 'at the end')
  store.close()
  withStore(directory, OPTIONS, reopened => t.notThrows(() => assertHolds(reopened.tree, records, 'reopened')))
})

test('very many keys move there and back, and with the log after a crash', t => {
  const directory = emptyDirectory(t)
  const path = (i: number) =>
    `/part-${String(Math.floor(i / 100)).padStart(6, '0')}/file-${String(i % 100).padStart(4, '0')}`
  function* entries(): Generator<LoadEntry> {
    yield ['/a', 'before']
    for (let i = 0; i < KEYS; i++) yield [`/moved${path(i)}`, `value ${i}`]
    yield ['/z', 'behind']
  }
  const expect = (tree: ReturnType<typeof openStore>['tree'], name: string, what: string) => {
    let i = 0
    for (const entry of tree.range({ prefix: `${name}/` })) {
      if (entry.key?.toString() !== name + path(i) || (entry as { value: Buffer }).value.toString() !== `value ${i}`) {
        t.fail(`${what}: entry ${i} is ${entry.key}`)
        return
      }
      i++
    }
    t.is(i, KEYS, what)
    const { problems, records } = tree.check()
    t.deepEqual([records, problems], [KEYS + 2, []], what)
  }
  const store = openStore(directory, OPTIONS)
  t.is(store.tree.load(entries()).keys, KEYS + 2)
  store.tree.checkpoint()
  t.true(store.tree.renamePrefix('/moved/', '/usr/local/share/a rather long name of a directory/'))
  expect(store.tree, '/usr/local/share/a rather long name of a directory', 'there')
  t.true(store.tree.renamePrefix('/usr/local/share/', '/m/'))
  t.true(store.tree.renamePrefix('/m/a rather long name of a directory', '/moved'))
  t.true(store.tree.renamePrefix('/moved', '/there'))
  const killed = copyOf(t, directory)
  withStore(killed, OPTIONS, ({ tree }) => expect(tree, '/there', 'replayed'))
  store.close()
  withStore(directory, OPTIONS, ({ tree }) => expect(tree, '/there', 'reopened'))
})
