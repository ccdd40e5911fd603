/** A thread of interleaved.test.ts: does its part while all threads pass the turn to each other at every atomic step. */
import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { FrameSpace } from '../../src/engine/frame-space.ts'
import { type HoltError, openShared, type View } from '../../src/index.ts'
import { join, yieldingBytes } from '../support/interleave.ts'
import { seededRandom } from '../support/random.ts'
import { COMMON, type InterleavedThread, OWN, ownKey, part, STABLE, sharedKey, stableKey } from './interleaved-data.ts'
import { assertIntact, counterOf, valueFor } from './tree-thread-data.ts'

const { thread, seed, operations, handle, schedule } = workerData as InterleavedThread
const tree = openShared(handle)
const random = seededRandom(seed + thread)
const int = (n: number) => Math.floor(random() * n)

/** What this thread knows: the counters of its own keys (0: deleted), how often it raised each common key. */
const own = new Int32Array(OWN)
const raised = new Int32Array(COMMON)
const seen = new Map<string, number>()
let count = 0
/** Views that were whole to their end. */
let views = 0

const turns = join(schedule, thread)

// Where nodes are made and given up, a frame is half changed: others shall see it so.
for (const name of ['allocate', 'abandon'] as const) {
  const step = FrameSpace.prototype[name] as (this: FrameSpace, base: number, size: number) => number
  Object.defineProperty(FrameSpace.prototype, name, {
    value(this: FrameSpace, base: number, size: number) {
      turns.yield()
      const result = step.call(this, base, size)
      turns.yield()
      return result
    },
  })
}

function changeOwn(): void {
  const i = int(OWN)
  const key = ownKey(thread, i)
  if (own[i] > 0 && int(3) === 0) {
    assert.ok(tree.delete(key), `${key} was there`)
    own[i] = 0
  } else {
    own[i] = ++count
    tree.put(key, valueFor(key, count, 40 + int(500)))
  }
}

function raiseCommon(): void {
  const i = int(COMMON)
  const key = sharedKey(i)
  const record = tree.getRecord(yieldingBytes(Buffer.from(key), turns))
  const counter = record === undefined ? 0 : counterOf(record.value)
  const value = valueFor(key, counter + 1, 300 - int(3) * 20)
  if (tree.compareAndPut(key, record?.version ?? 0, value) !== undefined) raised[i]++
}

function look(key: string, value: Buffer): void {
  assertIntact(key, value)
  assert.ok(counterOf(value) >= (seen.get(key) ?? 0), `${key} went back`)
  seen.set(key, counterOf(value))
}

function read(): void {
  const stable = stableKey(int(STABLE))
  const value = tree.get(yieldingBytes(Buffer.from(stable), turns))
  assert.ok(value, `${stable} is always there`)
  assertIntact(stable, value)
  const i = int(OWN)
  const mine = tree.get(yieldingBytes(Buffer.from(ownKey(thread, i)), turns))
  assert.equal(mine === undefined ? 0 : counterOf(mine), own[i])
  for (let common = 0; common < COMMON; common++) {
    const key = sharedKey(common)
    const value = tree.get(yieldingBytes(Buffer.from(key), turns))
    if (value !== undefined) look(key, value)
  }
}

function scan(): void {
  const mine = new Set<string>()
  for (let i = 0; i < OWN; i++) if (own[i] > 0) mine.add(ownKey(thread, i))
  let stable = 0
  let last = ''
  for (const entry of tree.range({ prefix: 'a/' })) {
    assert.ok(entry.key !== undefined)
    const key = entry.key.toString()
    assert.ok(key > last, `${key} after ${last}`)
    last = key
    assertIntact(key, entry.value)
    if (key.startsWith('a/stable/')) stable++
    if (key.startsWith(ownKey(thread, 0).slice(0, -2))) assert.ok(mine.delete(key), `${key} was deleted`)
  }
  assert.equal(stable, STABLE)
  assert.equal(mine.size, 0, `a scan missed ${[...mine]}`)
}

/** What a view shows at its opening it shows until it ends, or it has expired: this thread and others change everything. */
function lookAtView(): void {
  const before = own.slice()
  const depth = int(2)
  const inView = (view: View, nested: number): void => {
    const common = () => Array.from({ length: COMMON }, (_, i) => view.getRecord(sharedKey(i)))
    const all = () => [...view.range({ prefix: 'a/' })].map(entry => entry.key && [entry.key.toString(), entry.version])
    const first = common()
    const range = all()
    changeOwn()
    if (nested > 0) tree.view(later => inView(later, 0))
    for (let i = 0; i < OWN; i++) {
      const mine = view.get(yieldingBytes(Buffer.from(ownKey(thread, i)), turns))
      if (nested === depth) assert.equal(mine === undefined ? 0 : counterOf(mine), before[i])
    }
    assert.deepEqual(common(), first)
    assert.deepEqual(all(), range)
    assert.equal(view.isPrefixEmpty('b/here/'), !view.isPrefixEmpty('b/there/'))
    assert.equal([...view.range({ prefix: 'b/', keysOnly: true })].length, 20)
    views++
  }
  try {
    tree.view(view => inView(view, depth))
  } catch (error) {
    if ((error as HoltError).code !== 'HOLT_VIEW_EXPIRED') throw error
  }
}

function move(n: number): void {
  const from = n % 2 === 0 ? 'b/here/' : 'b/there/'
  const to = n % 2 === 0 ? 'b/there/' : 'b/here/'
  assert.ok(tree.renamePrefix(from, to))
  assert.equal([...tree.range({ prefix: to, keysOnly: true })].length, 20)
  assert.ok(tree.isPrefixEmpty(from))
}

for (let n = 0; n < operations; n++) {
  if (part(thread) === 'restructure') {
    if (n % 3 === 0) move(n / 3)
    else if (n % 3 === 1) tree.compact()
    else tree.checkpoint()
  } else {
    const choice = int(11)
    if (choice < 3) changeOwn()
    else if (choice < 6) raiseCommon()
    else if (choice < 9) read()
    else if (choice < 10) scan()
    else lookAtView()
  }
}
turns.leave()
parentPort?.postMessage({ own, raised, views })
