/**
 * Guards and changes mixed in one batch, compared with a map that takes them one after the other: every guard sees what
 * the batch has done above it. HOLTFS_BATCHES for longer runs.
 */
import test, { type ExecutionContext } from 'ava'
import type { AtomicBatch, Tree } from '../../src/index.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { assertHolds, emptyDirectory, SEED, SMALL, withStore } from './store-fixture.ts'

const BATCHES = Number(process.env.HOLTFS_BATCHES ?? 4000)

interface Known {
  value: string
  /** 0 for a record that the batch has written. */
  version: number
}

class Refused extends Error {}

/** The same calls on a map. */
class ModelBatch implements AtomicBatch {
  held = true
  readonly records: Map<string, Known>
  readonly #moved: string[] = []

  constructor(records: Map<string, Known>) {
    this.records = new Map(records)
  }

  put(key: string, value: string): void {
    this.records.set(key, { value, version: 0 })
  }

  delete(key: string): void {
    this.records.delete(key)
  }

  putIfAbsent(key: string, value: string): void {
    this.assertVersion(key, 0)
    this.put(key, value)
  }

  compareAndPut(key: string, version: number, value: string): void {
    this.assertVersion(key, version)
    this.put(key, value)
  }

  deleteIfVersion(key: string, version: number): void {
    this.assertVersion(key, version)
    if (!this.records.has(key)) this.held = false
    this.delete(key)
  }

  assertVersion(key: string, version: number): void {
    if (this.#moved.some(prefix => key.startsWith(prefix))) throw new Refused()
    const found = this.records.get(key)
    const holds = version === 0 ? found === undefined : found?.version === version
    if (!holds) this.held = false
  }

  assertPrefixEmpty(prefix: string): void {
    if (this.#below(prefix).length > 0) this.held = false
  }

  rename(from: string, to: string, options: { replace?: boolean } = {}): void {
    if (this.#moved.some(prefix => from.startsWith(prefix))) throw new Refused()
    const record = this.records.get(from)
    if (record === undefined) this.held = false
    if (from === to) return
    if (options.replace !== true) this.assertVersion(to, 0)
    if (record === undefined) return
    this.records.delete(from)
    this.records.set(to, { value: record.value, version: 0 })
  }

  renamePrefix(from: string, to: string): void {
    if (from.startsWith(to) || to.startsWith(from)) throw new Refused()
    const keys = this.#below(from)
    if (keys.length === 0 || this.#below(to).length > 0) this.held = false
    for (const key of keys) {
      this.records.set(to + key.slice(from.length), this.records.get(key)!)
      this.records.delete(key)
    }
    this.#moved.push(from, to)
  }

  #below(prefix: string): string[] {
    if (this.#moved.some(moved => moved.startsWith(prefix) || prefix.startsWith(moved))) throw new Refused()
    return [...this.records.keys()].filter(key => key.startsWith(prefix))
  }
}

type Step = (batch: AtomicBatch) => void

function randomStep(random: Random, records: Map<string, Known>, n: number): Step {
  const int = (most: number) => Math.floor(random() * most)
  const key = () => `${'ab'[int(2)]}${['', '/', '/x', '/y', '/x/z'][int(5)]}${int(3) === 0 ? int(3) : ''}`
  const [k, other] = [key(), key()]
  const known = records.get(k)?.version ?? 0
  const version = int(5) === 0 ? known + 1 : known
  const value = `value ${n}`
  const steps: Step[] = [
    batch => batch.put(k, value),
    batch => batch.put(k, value),
    batch => batch.delete(k),
    batch => batch.putIfAbsent(k, value),
    batch => batch.compareAndPut(k, version, value),
    batch => batch.deleteIfVersion(k, version),
    batch => batch.assertVersion(k, version),
    batch => batch.assertPrefixEmpty(`${k}/`),
    batch => batch.rename(k, other),
    batch => batch.rename(k, other, { replace: true }),
    batch => batch.renamePrefix(k, other),
  ]
  return steps[int(steps.length)]
}

/** Runs the steps as one batch on both; returns what became of it. */
function runBoth(tree: Tree, records: Map<string, Known>, steps: Step[]): string {
  const model = new ModelBatch(records)
  let expected = 'refused'
  try {
    for (const step of steps) step(model)
    expected = model.held ? 'done' : 'held back'
  } catch (error) {
    if (!(error instanceof Refused)) throw error
  }
  let found = 'refused'
  try {
    const held = tree.atomic(batch => {
      for (const step of steps) step(batch)
    })
    found = held ? 'done' : 'held back'
  } catch (error) {
    if ((error as { code?: string }).code !== 'HOLT_INVALID') throw error
  }
  if (found !== expected) throw new Error(`${found}, not ${expected}: ${steps.join('; ')}`)
  if (found !== 'done') return found
  records.clear()
  for (const [key, { value, version }] of model.records) {
    records.set(key, { value, version: version === 0 ? tree.lastSeq() : version })
  }
  return found
}

function compare(t: ExecutionContext, tree: Tree, records: Map<string, Known>): void {
  assertHolds(tree, new Map([...records].map(([key, { value }]) => [key, Buffer.from(value)])))
  for (const [key, { version }] of records) t.is(tree.getRecord(key)?.version, version, key)
}

test('random batches of guards and changes do what a map does that takes them one by one', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const records = new Map<string, Known>()
  const outcomes: Record<string, number> = {}
  withStore(directory, SMALL, ({ tree }) => {
    for (let n = 0; n < BATCHES; n++) {
      const steps = Array.from({ length: 1 + Math.floor(random() * 5) }, () => randomStep(random, records, n))
      const outcome = runBoth(tree, records, steps)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      if (n % 500 === 0) compare(t, tree, records)
    }
    compare(t, tree, records)
  })
  t.log(JSON.stringify(outcomes))
  for (const outcome of ['done', 'held back', 'refused']) t.true(outcomes[outcome] > BATCHES / 50, outcome)
  withStore(directory, SMALL, ({ tree }) => compare(t, tree, records))
})

test('a batch of many guarded writes takes a time in proportion to their number', t => {
  withStore(emptyDirectory(t), SMALL, ({ tree }) => {
    const fill = () =>
      tree.atomic(batch => {
        for (let i = 0; i < 20_000; i++) batch.putIfAbsent(`key-${i}`, 'value')
        batch.assertPrefixEmpty('other')
      })
    t.true(fill())
    t.false(fill())
    t.true(
      tree.atomic(batch => {
        for (let i = 0; i < 20_000; i++) batch.delete(`key-${i}`)
        batch.assertPrefixEmpty('key-')
        batch.put('key-1', 'again')
      }),
    )
    t.is(tree.check().records, 1)
  })
})

test('guards that no batch can mean are refused before anything is staged', t => {
  withStore(emptyDirectory(t), SMALL, ({ tree }) => {
    tree.put('a', '1')
    for (const version of [-1, 0.5, Number.NaN, 2 ** 53]) {
      t.throws(() => tree.atomic(batch => batch.assertVersion('a', version)), { code: 'HOLT_INVALID' })
      t.throws(() => tree.atomic(batch => batch.deleteIfVersion('a', version)), { code: 'HOLT_INVALID' })
    }
    t.false(tree.atomic(batch => batch.deleteIfVersion('absent', 0)))
    t.is(tree.stats().lastSeq, 1)
  })
})
