/**
 * Scans while the tree changes between their steps, in every form: an iterator, a callback, a cursor. Against a sorted
 * map (I19): keys ascend, each entry is as the map has it at that moment, and what stays is not missed. The pool has
 * eight frames, so that the frames of the path are evicted and loaded too.
 */
import assert from 'node:assert/strict'
import test from 'ava'
import { openTree, type Tree } from '../../src/index.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { Model } from './model.ts'
import { emptyDirectory, SEED, SMALL } from './store-fixture.ts'

/** Scans of a run; set HOLTFS_SCANS for a longer one. */
const SCANS = Number(process.env.HOLTFS_SCANS ?? 80)
const KEYS = 5000

interface Seen {
  key: string
  value: Buffer | undefined
  version: number
  isPrefix: boolean
}

interface Query {
  prefix: string
  after: string
  delimiter: string
  limit: number
  keysOnly: boolean
}

class ChangingTree {
  readonly tree: Tree
  readonly model = new Model()
  readonly #random: Random
  /** Keys that have been there all the time since the scan began. */
  #stayed = new Set<string>()

  constructor(tree: Tree, random: Random) {
    this.tree = tree
    this.#random = random
    for (let i = 0; i < KEYS; i++) this.#put(this.#key())
  }

  int(n: number): number {
    return Math.floor(this.#random() * n)
  }

  #key(): string {
    // Numbers branch widely, so that neighbouring subtrees share a blob behind a run crossing.
    if (this.int(3) === 0) return `n${String.fromCharCode(this.int(256), this.int(256))}`
    const depth = 1 + this.int(4)
    let key = `t${this.int(3)}`
    for (let i = 0; i < depth; i++)
      key += this.int(8) === 0 ? `/${'long-'.repeat(40)}${this.int(3)}` : `/${this.int(30)}`
    return this.int(40) === 0 ? key + String.fromCharCode(this.int(256)) : key
  }

  #near(key: string): string {
    const below = this.model.keysBelow(key.slice(0, this.int(key.length + 1)))
    return below.length === 0 ? this.#key() : below[this.int(below.length)]
  }

  #put(key: string): void {
    const value = Buffer.alloc(this.int(this.int(10) === 0 ? 6000 : 900), this.int(256))
    this.model.put(key, value, this.tree.put(bytes(key), value))
  }

  /** What others might do between two steps of a scan that stands at `at`. */
  change(at: string): void {
    const { model, tree } = this
    const key = this.int(2) === 0 ? this.#near(at) : this.#key()
    const pick = this.int(20)
    if (pick < 6) this.#put(key)
    else if (pick < 7) this.#put(`${at}${this.int(10)}`)
    else if (pick < 13) {
      assert.equal(tree.delete(bytes(key)), model.delete(key))
      this.#stayed.delete(key)
    } else if (pick < 16) {
      this.#renamePrefix(key.slice(0, 1 + this.int(key.length)), this.#key())
    } else if (pick < 18) {
      for (let i = 0; i < 20; i++) {
        const read = this.#key()
        assert.equal(tree.get(bytes(read))?.length, model.get(read)?.value.length)
      }
    } else {
      const rare = this.int(20)
      if (rare === 0) tree.checkpoint()
      if (rare === 1) tree.compact()
    }
  }

  #renamePrefix(from: string, to: string): void {
    if (from.startsWith(to) || to.startsWith(from) || this.model.keysBelow(to).length > 0) return
    const moved = this.model.keysBelow(from)
    if (moved.some(key => key.length - from.length + to.length > 2000)) return
    assert.equal(this.tree.renamePrefix(bytes(from), bytes(to)), moved.length > 0)
    this.model.renamePrefix(from, to)
    for (const key of moved) this.#stayed.delete(key)
  }

  query(): Query {
    const key = this.#near('')
    return {
      prefix: key.slice(0, this.int(2) * this.int(key.length)),
      after: this.int(3) === 0 ? this.#near(key) : '',
      delimiter: this.int(2) === 0 ? '/' : '',
      limit: this.int(3) === 0 ? 1 + this.int(50) : 100_000,
      keysOnly: this.int(3) === 0,
    }
  }

  /** Runs a scan with changes after some of its steps, and checks what it hands out. */
  scan(query: Query, run: (tree: Tree, query: Query, visit: (seen: Seen) => void) => void): number {
    const { prefix, after, delimiter, limit } = query
    this.#stayed = new Set(this.model.range(prefix, after, '', KEYS * 4))
    const rate = 1 + this.int(this.int(2) === 0 ? 4 : 60)
    const listed = new Set<string>()
    let last = ''
    let count = 0
    run(this.tree, query, seen => {
      const { key } = seen
      assert.ok(count++ === 0 || key > last, `${key} after ${last}`)
      assert.ok(key.startsWith(prefix) && (key > after || after === ''), `${key} is out of range`)
      if (seen.isPrefix) {
        assert.equal(key.indexOf(delimiter, prefix.length), key.length - 1)
        assert.ok(this.model.keysBelow(key).length > 0, `nothing is below ${key}`)
      } else {
        const expected = this.model.get(key)
        assert.ok(expected !== undefined, `${key} is not there any more`)
        assert.equal(seen.version, expected.version)
        if (!query.keysOnly) assert.ok(seen.value!.equals(expected.value), `value of ${key}`)
      }
      listed.add(key)
      last = key
      if (this.int(rate) === 0) this.change(key)
    })
    assert.ok(count <= limit)
    for (const key of this.#stayed) {
      const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
      const name = cut < 0 ? key : key.slice(0, cut + 1)
      if (cut >= 0 && after.startsWith(name)) continue
      assert.ok(listed.has(name) || (count === limit && name > last), `${name} was missed`)
    }
    return count
  }
}

const forms: Record<string, (tree: Tree, query: Query, visit: (seen: Seen) => void) => void> = {
  iterator(tree, query, visit) {
    for (const entry of tree.range(options(query))) {
      if (entry.commonPrefix !== undefined) visit(seenOf(entry.commonPrefix, undefined, 0, true))
      else visit(seenOf(entry.key, entry.value, entry.version, false))
    }
  },
  callback(tree, query, visit) {
    tree.scan(options(query), entry => {
      const { bytes, keyAt, keyLength, valueAt, valueLength, version, isPrefix } = entry
      const key = Buffer.from(bytes.subarray(keyAt, keyAt + keyLength))
      visit(seenOf(key, Buffer.from(bytes.subarray(valueAt, valueAt + valueLength)), version, isPrefix))
    })
  },
  cursor(tree, query, visit) {
    const cursor = tree.cursor()
    const delimiter = query.delimiter === '' ? -1 : query.delimiter.charCodeAt(0)
    const prefix = bytes(query.prefix)
    const after = bytes(query.after)
    cursor.seek(prefix, prefix.length, after, after.length, delimiter, true, query.keysOnly)
    for (let n = 0; n < query.limit && cursor.next(); n++) {
      const key = Buffer.from(cursor.key.subarray(0, cursor.keyLength))
      visit(seenOf(key, Buffer.from(cursor.value.subarray(0, cursor.valueLength)), cursor.version, cursor.isPrefix))
    }
  },
}

function seenOf(key: Buffer, value: Buffer | undefined, version: number, isPrefix: boolean): Seen {
  return { key: key.toString('latin1'), value, version, isPrefix }
}

function bytes(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

function options(query: Query) {
  const { prefix, after, delimiter, limit, keysOnly } = query
  const rest = { prefix: bytes(prefix), startAfter: bytes(after), limit, keysOnly }
  return delimiter === '' ? rest : { ...rest, delimiter }
}

for (const [form, run] of Object.entries(forms)) {
  test(`a scan by ${form} misses nothing that stays and shows nothing that is gone`, t => {
    t.log(`seed ${SEED}`)
    const tree = openTree(emptyDirectory(t), SMALL)
    const changing = new ChangingTree(tree, seededRandom(SEED))
    let entries = 0
    for (let i = 0; i < SCANS; i++) entries += changing.scan(changing.query(), run)
    const { counters, blobs } = tree.stats()
    t.log({ entries, blobs, ...counters })
    t.deepEqual(tree.check().problems, [])
    t.true(counters.readRestarts > 100 && counters.frameEvictions > 20 && counters.spillovers > 3)
    tree.close()
  })
}

test('a scan that has read to the end goes on when what follows is below another frame by then', t => {
  const tree = openTree(undefined, SMALL)
  const value = Buffer.alloc(59_000)
  for (let i = 0; i < 6; i++) tree.put(`d/a/${i}`, value)
  tree.put('d/b', value)
  const seen: string[] = []
  for (const { key } of tree.range({ prefix: 'd/', keysOnly: true })) {
    seen.push(key!.toString())
    // The batch holds all that is left. Now the frame is full, and `d/a/` gets one of its own.
    if (seen.length === 6) for (let i = 0; tree.stats().counters.spillovers === 0; i++) tree.put(`x/${i}`, value)
  }
  t.deepEqual(seen, ['d/a/0', 'd/a/1', 'd/a/2', 'd/a/3', 'd/a/4', 'd/a/5', 'd/b'])
  tree.close()
})
