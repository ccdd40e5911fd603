/**
 * Scans that are overtaken between their atomic steps: another handle then makes changes of those that move records from
 * frame to frame - spillovers, merges, gathering, compaction, loads, renames - as another thread would while this one
 * sleeps. What is not touched is seen, in order and with its value (I19). `HOLTFS_SCANS` sets how many scans there are.
 */
import assert from 'node:assert/strict'
import test from 'ava'
import { attachStore, type StoreHandle } from '../../src/engine/attach.ts'
import { C_GATE, C_SHARERS } from '../../src/engine/shared.ts'
import { openStore, type Tree } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { Model } from './model.ts'
import { emptyDirectory, FRAME, SEED } from './store-fixture.ts'

const SCANS = Number(process.env.HOLTFS_SCANS ?? 800)
const DIRECTORIES = 5
/** How often a scan is overtaken, at most. */
const OVERTAKEN = 4
/** Most records that come and go, few and large, and the changes from few of them to many and back. */
const MOST = 40
const TIDE = 40
const LARGEST = 60_000

/** Runs `change` before loads of shared words, unless this thread is in the gate: then nobody else changes anything. */
function overtake<T>(handle: StoreHandle, loads: () => number, change: () => void, reading: () => T): T {
  const control = new Int32Array(handle.engine.control)
  const { load } = Atomics
  let left = loads()
  const overtaken = (words: Int32Array, index: number) => {
    if (--left < 0 && load(control, C_GATE) === 0 && load(control, C_SHARERS) === 0) {
      Atomics.load = load
      change()
      left = loads()
      Atomics.load = overtaken as typeof load
    }
    return load(words, index)
  }
  Atomics.load = overtaken as typeof load
  try {
    return reading()
  } finally {
    Atomics.load = load
  }
}

/** What comes and goes between the records that stay. */
class Passing {
  readonly model = new Model()
  readonly #tree: Tree
  readonly #int: (n: number) => number
  #changes = 0

  constructor(tree: Tree, int: (n: number) => number) {
    this.#tree = tree
    this.#int = int
  }

  #any(): string {
    const name = `s/${this.#int(DIRECTORIES)}/${'agmt'[this.#int(4)]}${this.#int(20)}`
    return this.#int(3) === 0 ? `${name}/below!` : `${name}!`
  }

  #known(): string {
    return this.model.keyAt(this.#int(this.model.size))
  }

  change(): void {
    const { model } = this
    const tree = this.#tree
    const shrinks = model.size > MOST || (model.size > 4 && Math.floor(this.#changes++ / TIDE) % 2 === 1)
    const pick = this.#int(24)
    if (pick === 0) tree.compact()
    else if (pick === 1) this.#load()
    else if (pick === 2) this.#move()
    else if (pick === 3 && model.size > 0) {
      const from = this.#known()
      const to = this.#any()
      assert.ok(tree.rename(from, to, { replace: true }))
      model.delete(from)
      model.put(to, Buffer.alloc(0), 0)
    } else if (pick < 6 && shrinks) this.#remove(model.keysBelow(this.#known().slice(0, 5)))
    else if (shrinks) this.#remove([this.#known()])
    else this.#put(this.#any())
  }

  #put(key: string): void {
    this.#tree.put(key, Buffer.alloc(this.#int(LARGEST)))
    this.model.put(key, Buffer.alloc(0), 0)
  }

  #remove(keys: string[]): void {
    const removed = this.#tree.atomic(batch => {
      for (const key of keys) batch.delete(key)
    })
    assert.ok(removed)
    for (const key of keys) this.model.delete(key)
  }

  #load(): void {
    const below = this.#any()
    const most = this.#int(LARGEST >> 1)
    const keys = Array.from({ length: 5 + this.#int(10) }, (_, i) => `${below}${String(i).padStart(2, '0')}`)
    this.#tree.load(keys.map(key => [key, Buffer.alloc(this.#int(most))] as const))
    for (const key of keys) this.model.put(key, Buffer.alloc(0), 0)
  }

  /** A subtree comes, is renamed, and goes. */
  #move(): void {
    const from = `${this.#any()}from/`
    const to = `${this.#any()}to/`
    for (let i = 0; i < 4; i++) this.#tree.put(`${from}${i}`, Buffer.alloc(this.#int(LARGEST)))
    assert.ok(this.#tree.renamePrefix(from, to))
    for (let i = 0; i < 4; i++) assert.ok(this.#tree.delete(`${to}${i}`))
  }
}

for (const { where, frames, inMemory } of [
  { where: 'in memory', frames: 48, inMemory: true },
  { where: 'in a pool too small for the tree', frames: 8, inMemory: false },
]) {
  test(`scans that are overtaken between any two steps see what stays, ${where}`, t => {
    t.log(`seed ${SEED}`)
    const random = seededRandom(SEED)
    const int = (n: number) => Math.floor(random() * n)
    const directory = inMemory ? undefined : emptyDirectory(t)
    const store = openStore(directory, { poolBytes: frames * FRAME, background: false })
    const { tree } = store
    const handle = store.share()
    const passing = new Passing(attachStore(handle), int)
    const staying = new Model()
    for (let i = 0; i < 25; i++) {
      const key = `s/${i % DIRECTORIES}/${'agmtz'[i % 4]}${i % 20}${i % 3 === 0 ? '/stays' : '-stays'}`
      staying.put(key, Buffer.from(key), 0)
      tree.put(key, key)
    }
    let overtaken = 0
    /** One change, or some at once. */
    const change = () => {
      overtaken++
      for (let i = int(2) * int(TIDE); i >= 0; i--) passing.change()
    }
    for (let i = 0; i < SCANS; i++) {
      const apart = 1 << int(9)
      let left = 1 + int(OVERTAKEN)
      const loads = () => (left-- > 0 ? int(2 * apart) : Number.POSITIVE_INFINITY)
      const start = staying.keyAt(int(staying.size))
      const prefix = start.slice(0, [2, 4, 5][int(3)])
      const after = int(3) === 0 ? start : ''
      const keysOnly = int(3) > 0
      const seen: string[] = []
      const see = (key: string, value: Buffer) => {
        assert.ok(seen.length === 0 || key > seen[seen.length - 1], `${key} after ${seen[seen.length - 1]}`)
        if (staying.get(key) === undefined) return
        seen.push(key)
        assert.equal(value.toString(), keysOnly ? '' : key)
      }
      overtake(handle, loads, change, () => {
        const options = { prefix, startAfter: after, keysOnly, ...(int(2) === 0 ? { limit: 1000 } : {}) }
        if (int(2) === 0)
          for (const entry of tree.range(options)) see(entry.key!.toString(), (entry as { value: Buffer }).value)
        else {
          tree.scan(options, ({ bytes, keyAt, keyLength, valueAt, valueLength }) => {
            const at = Buffer.from(bytes.buffer, bytes.byteOffset)
            see(at.toString('latin1', keyAt, keyAt + keyLength), at.subarray(valueAt, valueAt + valueLength))
          })
        }
        assert.ok(!tree.isPrefixEmpty(prefix), `${prefix} is not empty`)
      })
      assert.deepEqual(seen, staying.range(prefix, after, '', 1000), `scan ${i} of ${prefix} after ${after}`)
    }
    const { counters } = tree.stats()
    t.log({ overtaken, ...counters })
    t.deepEqual(tree.check().problems, [])
    t.true(counters.spillovers > 0 && counters.merges > 0 && counters.readRestarts > 100)
    store.close()
  })
}
