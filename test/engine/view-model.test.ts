/**
 * Views against copies of the model: random changes, rounds, compactions and renames of subtrees on a small pool, with
 * several views open that begin and end in any order. What a view shows is the model as it was at its opening, or it
 * has expired; and when all are closed nothing is held for them any more.
 */
import assert from 'node:assert/strict'
import test, { type ExecutionContext } from 'ava'
import { FrameFile } from '../../src/engine/frame-file.ts'
import { Gate } from '../../src/engine/gate.ts'
import { Pool } from '../../src/engine/pool.ts'
import { type View, Views } from '../../src/engine/view.ts'
import { HoltError, openShared, openStore, type RangeOptions, type Store, type StoreOptions } from '../../src/index.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { seededRandom } from '../support/random.ts'
import { type HookedStorage, hooked } from './hooked-storage.ts'
import type { Model } from './model.ts'
import { bytes, RandomOperations } from './random-operations.ts'
import { emptyDirectory, FRAME, SEED } from './store-fixture.ts'
import { assertNothingHeld } from './view-leaks.ts'

const OPERATIONS = Number(process.env.HOLTFS_MODEL_OPS ?? 60_000) / 30

interface Observed {
  view: View
  model: Model
}

interface Shape {
  directory?: string
  options: StoreOptions
  seed: number
  operations: number
  keys: { keySpace: number; valueBytes: number; depth?: number; maxKeys?: number }
  mostViews: number
  /** Operations between two rounds. */
  round: number
}

class ViewRun {
  readonly shape: Shape
  readonly operations: RandomOperations
  readonly open: Observed[] = []
  store: Store
  compared = 0
  expired = 0
  readonly #hooks: HookedStorage
  readonly #options: StoreOptions
  readonly #random
  #views!: Views

  constructor(shape: Shape) {
    this.shape = shape
    const { hooks, options } = hooked(shape.options)
    this.#hooks = hooks
    this.#options = options
    this.store = openStore(shape.directory, options)
    this.operations = new RandomOperations(openShared(this.store.share()), shape.seed, shape.keys)
    this.#random = seededRandom(shape.seed + 1)
    this.#attach()
  }

  /** A round shares no buffer with what happens meanwhile, as in threads. Views close in any order, which those of one thread's tree cannot. */
  #attach(): void {
    const { engine, framesFd } = this.store.share()
    const { tree } = this.store
    const pool = new Pool(engine, framesFd < 0 ? undefined : new FrameFile(hostStorage, framesFd))
    this.#views = new Views(pool, new Gate(pool.control), () => tree.lastSeq())
  }

  #int(n: number): number {
    return Math.floor(this.#random() * n)
  }

  step(): void {
    this.operations.step()
    const pick = this.#int(100)
    if (pick < 3 && this.open.length < this.shape.mostViews) {
      const view = this.#views.open()
      this.open.push({ view, model: this.operations.model.copy() })
    } else if (pick < 5 && this.open.length > 0) {
      this.#views.close(this.open.splice(this.#int(this.open.length), 1)[0].view)
    } else if (pick < 40 && this.open.length > 0) {
      this.#compare(this.open[this.#int(this.open.length)], pick < 7)
    }
  }

  #compare(observed: Observed, whole: boolean): void {
    try {
      if (whole) this.#compareWhole(observed)
      else this.#compareSome(observed)
      this.compared++
    } catch (error) {
      if (!(error instanceof HoltError) || error.code !== 'HOLT_VIEW_EXPIRED') throw error
      assert.throws(() => observed.view.get('x'), { code: 'HOLT_VIEW_EXPIRED' })
      this.open.splice(this.open.indexOf(observed), 1)
      this.#views.close(observed.view)
      this.expired++
    }
  }

  #compareWhole({ view, model }: Observed): void {
    const keys = model.keysBelow('')
    let i = 0
    for (const entry of view.range()) {
      assert.ok(entry.key !== undefined)
      const key = entry.key.toString('latin1')
      assert.equal(key, keys[i++])
      assert.ok(entry.value.equals(model.get(key)!.value), `value of ${key}`)
      assert.equal(entry.version, model.get(key)!.version, `version of ${key}`)
    }
    assert.equal(i, keys.length)
  }

  #compareSome({ view, model }: Observed): void {
    const any = this.#int(3) === 0 ? this.operations.model : model
    const key = any.size === 0 ? 'd1/x' : any.keyAt(this.#int(any.size))
    const expected = model.get(key)
    const found = view.getRecord(bytes(key))
    assert.equal(found?.version, expected?.version, `version of ${key}`)
    if (found !== undefined) assert.ok(found.value.equals(expected!.value), `value of ${key}`)
    const prefix = key.slice(0, this.#int(key.length + 1))
    assert.equal(view.isPrefixEmpty(bytes(prefix)), model.keysBelow(prefix).length === 0, `isPrefixEmpty ${prefix}`)
    const delimiter = this.#int(2) === 0 ? '/' : ''
    const limit = 1 + this.#int(60)
    const options: RangeOptions = { prefix: bytes(prefix), limit, keysOnly: true }
    if (delimiter !== '') options.delimiter = delimiter
    const names = [...view.range(options)].map(entry =>
      entry.commonPrefix === undefined ? entry.key.toString('latin1') : `${entry.commonPrefix.toString('latin1')}*`,
    )
    assert.deepEqual(names, model.range(prefix, '', delimiter, limit), `range below ${prefix}`)
  }

  /**
   * A round, with changes, and views that come and go, at some moment of it. In a small pool that is after it has let go
   * of its images: one that is held up in this thread lets go of none while a change waits for it.
   */
  #round(): void {
    const isRoomy = this.shape.options.poolBytes! >= ROOMY * FRAME
    this.#hooks.during(isRoomy ? this.#int(4) : 0, () => {
      for (let i = 0; i < 10; i++) this.step()
    })
    this.store.tree.checkpoint()
    this.#hooks.hook = undefined
  }

  closeAll(): void {
    for (const { view } of this.open.splice(0)) this.#views.close(view)
    assertNothingHeld(this.store)
  }

  reopen(): void {
    this.closeAll()
    this.store.close()
    this.store = openStore(this.shape.directory, this.#options)
    this.operations.tree = openShared(this.store.share())
    this.#attach()
  }

  run(t: ExecutionContext): void {
    const { operations, round, directory } = this.shape
    for (let i = 1; i <= operations; i++) {
      this.step()
      if (directory === undefined) continue
      if (i % round === 0) this.#round()
      if (i % 701 === 0) this.store.tree.compact()
      if (i % 1511 === 0) this.reopen()
    }
    this.closeAll()
    this.operations.compareAll()
    const { counters, blobs } = this.store.tree.stats()
    t.log({ compared: this.compared, expired: this.expired, keys: this.operations.model.size, blobs, ...counters })
    this.store.close()
  }
}

/** Frames that hold the whole tree several times. */
const ROOMY = 200

const WIDE = { keySpace: 90, valueBytes: 6000, maxKeys: 2500 }
const DEEP = { keySpace: 8, valueBytes: 9000, depth: 20, maxKeys: 1500 }

for (const [n, frames, round, mostViews] of [
  [0, 8, 37, 3],
  [1, 10, 400, 3],
  [2, 16, 150, 6],
  [3, 16, 20, 9],
  [4, ROOMY, 50, 4],
] as const) {
  test(`views show the tree as it was, on a pool of ${frames} frames with rounds every ${round} operations`, t => {
    t.log(`seed ${SEED + n}`)
    const run = new ViewRun({
      directory: emptyDirectory(t),
      options: { poolBytes: frames * FRAME, background: false },
      seed: SEED + n,
      operations: OPERATIONS,
      keys: n % 2 === 1 ? DEEP : WIDE,
      mostViews,
      round,
    })
    run.run(t)
    t.true(run.compared > OPERATIONS / 100)
  })
}

test('views of a tree in memory show it as it was', t => {
  t.log(`seed ${SEED + 9}`)
  const run = new ViewRun({
    options: { poolBytes: 512 * FRAME },
    seed: SEED + 9,
    operations: OPERATIONS,
    keys: WIDE,
    mostViews: 2,
    round: 0,
  })
  run.run(t)
  t.true(run.compared > OPERATIONS / 100 && run.expired === 0)
})
