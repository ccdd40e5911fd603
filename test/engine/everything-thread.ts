/**
 * A thread that does everything at once: the changes of everything-operations.ts, each compared with what it answers,
 * and between them reads of every kind, compared with what the thread knows.
 */
import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { HoltError, openShared, type View } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import {
  ACCOUNTS,
  accountKey,
  applyOwn,
  type Change,
  Changes,
  COUNTERS,
  counterKey,
  isOf,
  MONEY,
  numberOf,
  numberValue,
} from './everything-operations.ts'
import type { EverythingThread } from './everything-thread-data.ts'
import { Model } from './model.ts'

const { thread, seed, milliseconds, handle, telling } = workerData as EverythingThread
const tree = openShared(handle)
const random = seededRandom(seed * 31 + thread)
const int = (n: number) => Math.floor(random() * n)
const model = new Model()
const reads = { gets: 0, scans: 0, prefixes: 0, views: 0, expired: 0, compactions: 0, rounds: 0 }
const target = Buffer.alloc(64 * 1024)
/** Highest counters and versions seen. */
const counters = new Int32Array(COUNTERS)
const versions = new Map<string, number>()

for (const entry of tree.range({ prefix: 'home/' })) {
  assert.ok(entry.key !== undefined)
  const key = entry.key.toString()
  if (isOf(thread, key)) model.put(key, entry.value, 0)
}

function change(next: Change): void {
  if (next.is === 'put') put(next.key, next.value)
  else if (next.is === 'delete') assert.ok(tree.delete(next.key), `${next.key} was there`)
  else if (next.is === 'batch') {
    const done = tree.atomic(batch => {
      for (const [key, value] of next.puts) batch.put(key, value)
      for (const key of next.deletes) batch.delete(key)
    })
    assert.ok(done)
  } else if (next.is === 'rename') assert.ok(tree.rename(next.from, next.to, { replace: true }), next.from)
  else if (next.is === 'rename subtree') assert.ok(tree.renamePrefix(next.from, next.to), `${next.from} ${next.to}`)
  else if (next.is === 'load') assert.equal(tree.load(next.entries).keys, next.entries.length)
  else if (next.is === 'raise') raise(next.counter)
  else transfer(next.from, next.to, next.amount)
}

function put(key: string, value: Buffer): void {
  const isThere = model.get(key) !== undefined
  const pick = int(3)
  if (pick === 0) {
    const version = tree.getRecord(key)?.version ?? 0
    assert.equal(version > 0, isThere, key)
    assert.equal(tree.compareAndPut(key, version + 1, value), undefined)
    assert.ok(tree.compareAndPut(key, version, value)! > version)
  } else if (pick === 1 && !isThere) assert.ok(tree.putIfAbsent(key, value), `${key} was absent`)
  else tree.put(Buffer.from(key), value)
}

function raise(i: number): void {
  for (;;) {
    const { value, version } = common(counterKey(i))
    const n = numberOf(value)
    assert.ok(n >= counters[i], `counter ${i} went back from ${counters[i]} to ${n}`)
    counters[i] = n
    if (tree.compareAndPut(counterKey(i), version, numberValue(n + 1)) !== undefined) return
  }
}

function transfer(from: number, to: number, amount: number): void {
  for (;;) {
    const a = common(accountKey(from))
    const b = common(accountKey(to))
    const done = tree.atomic(batch => {
      batch.compareAndPut(accountKey(from), a.version, numberValue(numberOf(a.value) - amount))
      batch.compareAndPut(accountKey(to), b.version, numberValue(numberOf(b.value) + amount))
    })
    if (done) return
  }
}

/** A record that is always there, and whose version never goes back. */
function common(key: string): { value: Buffer; version: number } {
  const record = tree.getRecord(key)
  assert.ok(record, `${key} is always there`)
  assert.ok(record.version >= (versions.get(key) ?? 0), `version of ${key} went back`)
  versions.set(key, record.version)
  return record
}

function get(): void {
  if (model.size === 0) return
  const key = model.keyAt(int(model.size))
  const expected = model.get(key)!.value
  const pick = int(3)
  if (pick === 0) assert.ok(tree.get(key)?.equals(expected), `value of ${key}`)
  else {
    const bytes = Buffer.from(`${key}?`)
    const length = pick === 1 ? tree.getInto(key, target) : tree.getInto(bytes, bytes.length - 1, target, 0)
    assert.equal(length, expected.length, `length of ${key}`)
    assert.ok(target.subarray(0, length).equals(expected), `value of ${key}`)
  }
  const absent = `${key}!`
  assert.equal(tree.get(absent), undefined)
  reads.gets++
}

function longestPrefix(): void {
  if (model.size === 0) return
  let key = `${model.keyAt(int(model.size))}${int(2) === 0 ? '/below' : ''}`
  const found = tree.longestPrefix(key)
  while (key !== '' && model.get(key) === undefined) key = key.slice(0, -1)
  // Nobody has a key above the subtrees of the threads.
  assert.equal(found?.key.toString(), key === '' ? undefined : key)
  if (found !== undefined) assert.ok(found.value.equals(model.get(key)!.value), `value of ${key}`)
  reads.prefixes++
}

/** What a scan of a directory shows of this thread is what it has there. */
function scan(): void {
  const prefix = int(5) === 0 || model.size === 0 ? 'home/' : directoryOf(model.keyAt(int(model.size)))
  const mine = model.keysBelow(prefix)
  let at = 0
  let last = ''
  const seen = (key: string, value: Buffer) => {
    assert.ok(key > last, `${key} after ${last}`)
    last = key
    if (!isOf(thread, key)) return
    assert.equal(key, mine[at], `a scan of ${prefix}`)
    assert.ok(value.equals(model.get(key)!.value), `value of ${key}`)
    at++
  }
  if (int(2) === 0) {
    for (const { key, value } of tree.range({ prefix }) as Iterable<{ key: Buffer; value: Buffer }>) {
      seen(key.toString(), value)
    }
  } else {
    tree.scan({ prefix }, entry => {
      const bytes = Buffer.from(entry.bytes.buffer, entry.bytes.byteOffset)
      const key = bytes.toString('latin1', entry.keyAt, entry.keyAt + entry.keyLength)
      seen(key, bytes.subarray(entry.valueAt, entry.valueAt + entry.valueLength))
    })
  }
  assert.equal(at, mine.length, `a scan of ${prefix} missed ${mine[at]}`)
  reads.scans++
}

function directoryOf(key: string): string {
  return `${key.split('/').slice(0, 2).join('/')}/`
}

/** All the money is in a view, and what this thread had at its opening, whatever it changes while the view is open. */
function view(): void {
  const before = model.copy()
  try {
    tree.view(open => {
      const first = look(open)
      for (let i = int(20); i > 0; i--) step()
      for (let i = 0; i < 10 && before.size > 0; i++) {
        const key = before.keyAt(int(before.size))
        assert.ok(open.get(key)?.equals(before.get(key)!.value), `${key} in a view`)
      }
      assert.deepEqual(look(open), first)
      const mine: string[] = []
      for (const { key } of open.range({ prefix: 'home/', keysOnly: true })) {
        if (isOf(thread, key!.toString())) mine.push(key!.toString())
      }
      assert.deepEqual(mine, before.keysBelow(''))
    })
    reads.views++
  } catch (error) {
    if (!(error instanceof HoltError) || error.code !== 'HOLT_VIEW_EXPIRED') throw error
    reads.expired++
  }
}

/** Versions of the records that all share, after the money is counted. */
function look(open: View): number[] {
  const found: number[] = []
  let sum = 0
  for (const entry of open.range({ prefix: 'all/' })) {
    assert.ok(entry.key !== undefined)
    assert.ok(entry.version <= open.seq, `${entry.key} is younger than its view`)
    found.push(entry.version)
    if (entry.key.toString().startsWith('all/accounts/')) sum += numberOf(entry.value)
  }
  assert.equal(found.length, ACCOUNTS + COUNTERS)
  assert.equal(sum, ACCOUNTS * MONEY)
  return found
}

const changes = new Changes(thread, seed, model)
const told = Buffer.alloc(8)
let count = 0

function step(): void {
  const next = changes.next()
  change(next)
  applyOwn(model, next)
  told.writeDoubleLE(++count)
  if (telling >= 0) writeSync(telling, told, 0, 8, thread * 8)
}

/** Changes that a slow machine makes too. */
const LEAST = 60
const end = Date.now() + milliseconds
while (Date.now() < end || count < LEAST) {
  step()
  get()
  const pick = int(1000)
  if (pick < 100) longestPrefix()
  else if (pick < 130) scan()
  else if (pick < 145) view()
  else if (pick < 147) reads.compactions += tree.compact()
  else if (pick < 151) reads.rounds += tree.checkpoint() ? 1 : 0
}
parentPort?.postMessage({ changes: count, reads })
