/** Seeded random operations on a tree and on the model, compared one by one. */
import assert from 'node:assert/strict'
import type { Tree } from '../../src/engine/tree.ts'
import { MAX_USER_KEY } from '../../src/limits.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { Model } from './model.ts'

/** Turns a latin1 key of the model into the tree's bytes. */
export function bytes(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

export class RandomOperations {
  readonly model = new Model()
  tree: Tree
  readonly #random: Random
  readonly #keySpace: number
  readonly #valueBytes: number
  readonly #depth: number

  readonly #maxKeys: number

  /** Beyond `maxKeys` keys, what would put removes a key instead. */
  constructor(
    tree: Tree,
    seed: number,
    options: { keySpace?: number; valueBytes?: number; depth?: number; maxKeys?: number } = {},
  ) {
    this.tree = tree
    this.#random = seededRandom(seed)
    this.#keySpace = options.keySpace ?? 40
    this.#valueBytes = options.valueBytes ?? 120
    this.#depth = options.depth ?? 4
    this.#maxKeys = options.maxKeys ?? 20_000
  }

  #int(n: number): number {
    return Math.floor(this.#random() * n)
  }

  /** A path of one or more components, some long, some binary, some a prefix of others. */
  #key(): string {
    const depth = 1 + this.#int(this.#depth)
    let key = ''
    for (let i = 0; i < depth; i++) {
      const pick = this.#int(this.#keySpace)
      key += i === 0 ? `d${pick % 7}` : `/${pick % 3 === 0 ? 'directory-' : ''}${pick}`
    }
    const extra = this.#int(60)
    if (extra === 0) key += `/${'long-name-'.repeat(1 + this.#int(40))}${this.#int(9)}`
    else if (extra === 1) key += String.fromCharCode(this.#int(256), this.#int(256))
    else if (extra === 2) key += `/f${this.#int(300)}`
    else if (extra === 3) return key.slice(0, this.#int(key.length + 1))
    return key
  }

  #value(): Buffer {
    const long = this.#int(400) === 0
    return Buffer.alloc(this.#int(long ? 20_000 : this.#valueBytes), this.#int(256))
  }

  /** One random operation on both; throws when they disagree. */
  step(): void {
    const { model, tree } = this
    const pick = this.#int(100)
    const key = this.#key()
    if (pick < 40 && model.size > this.#maxKeys) {
      const victim = model.keyAt(this.#int(model.size))
      assert.equal(tree.delete(bytes(victim)), model.delete(victim), `delete ${victim}`)
    } else if (pick < 40) {
      const value = this.#value()
      model.put(key, value, tree.put(bytes(key), value))
    } else if (pick < 58) {
      assert.equal(tree.delete(bytes(key)), model.delete(key), `delete ${key}`)
    } else if (pick < 68) {
      this.#expectRecord(key)
    } else if (pick < 72) {
      const value = this.#value()
      const version = tree.putIfAbsent(bytes(key), value)
      assert.equal(version === undefined, model.get(key) !== undefined, `putIfAbsent ${key}`)
      if (version !== undefined) model.put(key, value, version)
    } else if (pick < 76) {
      this.#compareAndPut(key)
    } else if (pick < 82) {
      this.#rename(key, this.#key())
    } else if (pick < 86) {
      this.#renamePrefix(key.slice(0, 1 + this.#int(key.length)), this.#key())
    } else if (pick < 90) {
      const prefix = key.slice(0, this.#int(key.length + 1))
      assert.equal(tree.isPrefixEmpty(bytes(prefix)), model.keysBelow(prefix).length === 0, `isPrefixEmpty ${prefix}`)
    } else if (pick < 94) {
      this.#batch()
    } else {
      this.#range(key)
    }
  }

  #expectRecord(key: string): void {
    const expected = this.model.get(key)
    const found = this.tree.getRecord(bytes(key))
    assert.equal(found === undefined, expected === undefined, `get ${key}`)
    if (found === undefined || expected === undefined) return
    assert.ok(found.value.equals(expected.value), `value of ${key}`)
    assert.equal(found.version, expected.version, `version of ${key}`)
  }

  #compareAndPut(key: string): void {
    const known = this.model.get(key)?.version ?? 0
    const version = this.#int(2) === 0 ? known : known + 1
    const value = this.#value()
    const written = this.tree.compareAndPut(bytes(key), version, value)
    assert.equal(written !== undefined, version === known, `compareAndPut ${key}`)
    if (written !== undefined) this.model.put(key, value, written)
  }

  #rename(from: string, to: string): void {
    const { model, tree } = this
    const record = model.get(from)
    const replace = this.#int(2) === 0
    const allowed = record !== undefined && (replace || from === to || model.get(to) === undefined)
    assert.equal(tree.rename(bytes(from), bytes(to), { replace }), allowed, `rename ${from} to ${to}`)
    if (!allowed || from === to) return
    model.delete(from)
    model.put(to, record.value, tree.lastSeq())
  }

  #renamePrefix(from: string, to: string): void {
    const { model, tree } = this
    if (from === '' || to === '' || from.startsWith(to) || to.startsWith(from)) return
    const moved = model.keysBelow(from)
    if (moved.some(key => key.length - from.length + to.length > MAX_USER_KEY)) return
    const allowed = moved.length > 0 && model.keysBelow(to).length === 0
    assert.equal(tree.renamePrefix(bytes(from), bytes(to)), allowed, `renamePrefix ${from} to ${to}`)
    if (allowed) model.renamePrefix(from, to)
  }

  #batch(): void {
    const { model, tree } = this
    const keys = Array.from({ length: 1 + this.#int(12) }, () => this.#key())
    const values = keys.map(() => this.#value())
    const guard = this.#key()
    const known = model.get(guard)?.version ?? 0
    const version = this.#int(4) === 0 ? known + 1 : known
    const done = tree.atomic(batch => {
      batch.assertVersion(bytes(guard), version)
      keys.forEach((key, i) => {
        if (i % 3 === 2) batch.delete(bytes(key))
        else batch.put(bytes(key), values[i])
      })
    })
    assert.equal(done, version === known, `batch guarded by ${guard}`)
    if (!done) return
    keys.forEach((key, i) => {
      if (i % 3 === 2) model.delete(key)
      else model.put(key, values[i], tree.lastSeq())
    })
  }

  #range(key: string): void {
    const prefix = key.slice(0, this.#int(key.length + 1))
    const after = this.#int(3) === 0 ? this.#key() : ''
    const delimiter = this.#int(2) === 0 ? '/' : ''
    const limit = 1 + this.#int(60)
    const options = {
      prefix: bytes(prefix),
      startAfter: bytes(after),
      limit,
      keysOnly: this.#int(2) === 0,
      ...(delimiter === '' ? {} : { delimiter }),
    }
    const found: string[] = []
    for (const entry of this.tree.range(options)) {
      if (entry.commonPrefix !== undefined) {
        found.push(`${entry.commonPrefix.toString('latin1')}*`)
        continue
      }
      const name = entry.key.toString('latin1')
      found.push(name)
      if (!options.keysOnly) assert.ok(entry.value.equals(this.model.get(name)?.value ?? Buffer.from('absent')))
    }
    const what = `range below ${JSON.stringify(prefix)} after ${JSON.stringify(after)} at ${delimiter} to ${limit}`
    assert.deepEqual(found, this.model.range(prefix, after, delimiter, limit), what)
  }

  /** Compares everything, and checks the structure of the tree. */
  compareAll(): void {
    const expected = this.model.keysBelow('')
    let i = 0
    for (const entry of this.tree.range()) {
      const key = entry.key!.toString('latin1')
      assert.equal(key, expected[i++])
      const record = this.model.get(key)!
      assert.ok((entry as { value: Buffer }).value.equals(record.value), `value of ${key}`)
      assert.equal((entry as { version: number }).version, record.version, `version of ${key}`)
    }
    assert.equal(i, expected.length)
    const summary = this.tree.check()
    assert.deepEqual(summary.problems, [])
    assert.equal(summary.records, expected.length)
  }
}
