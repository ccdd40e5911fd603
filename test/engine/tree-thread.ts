/** A thread of threads.test.ts: writes its own keys, reads those of the others, scans, until its time is over. */
import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { openShared } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import {
  assertIntact,
  COMMON,
  COUNTERS,
  commonKey,
  counterOf,
  keyOf,
  type TreeThread,
  valueFor,
} from './tree-thread-data.ts'

const { thread, threads, seed, milliseconds, handle } = workerData as TreeThread
const tree = openShared(handle)
const random = seededRandom(seed)
const int = (n: number) => Math.floor(random() * n)
/** Counter of each key now; 0 = deleted. */
const counts = new Int32Array(COUNTERS)
let highest = 0
/** How often this thread raised each common key. */
const raised = new Int32Array(COMMON)
/** Highest counter seen in the keys of all threads. */
const seen = new Map<string, number>()
let reads = 0
let scanned = 0

function write(i: number): void {
  const key = keyOf(thread, i)
  highest++
  if (counts[i] > 0 && int(10) === 0) {
    assert.ok(tree.delete(key))
    counts[i] = 0
    return
  }
  tree.put(key, valueFor(key, highest, 60 + int(int(4) === 0 ? 40_000 : 4000)))
  counts[i] = highest
  if (int(4) === 0) assert.equal(counterOf(tree.get(key)!), highest, `own value of ${key}`)
}

function raise(i: number): void {
  const key = commonKey(i)
  const record = tree.getRecord(key)
  if (record !== undefined) look(key, record.value)
  const counter = record === undefined ? 0 : counterOf(record.value)
  const version = record?.version ?? 0
  const written = tree.compareAndPut(key, version, valueFor(key, counter + 1, 60 + int(100)))
  if (written === undefined) return
  assert.ok(written > version)
  raised[i]++
}

function look(key: string, value: Buffer): void {
  assertIntact(key, value)
  const counter = counterOf(value)
  assert.ok(counter >= (seen.get(key) ?? 0), `${key} went back to ${counter}`)
  seen.set(key, counter)
}

function read(): void {
  const key = keyOf(int(threads), int(COUNTERS))
  const value = tree.get(key)
  if (value !== undefined) look(key, value)
  reads++
}

function scan(): void {
  let last = ''
  for (const entry of tree.range({ prefix: `shared/${int(23)}/`, limit: 200 })) {
    const key = entry.key!.toString()
    assert.ok(key > last, `${key} after ${last}`)
    last = key
    look(key, (entry as { value: Buffer }).value)
    scanned++
  }
  // What this thread has is there, whatever the others do.
  const group = int(23)
  const own = new Set<string>()
  for (let i = group; i < COUNTERS; i += 23) if (counts[i] > 0) own.add(keyOf(thread, i))
  for (const entry of tree.range({ prefix: `shared/${group}/thread-${thread}/`, keysOnly: true })) {
    assert.ok(own.delete(entry.key!.toString()), `${entry.key} was deleted`)
  }
  assert.equal(own.size, 0, `a scan missed ${[...own]}`)
}

/** Steps that a slow machine makes too. */
const LEAST = 100
const end = Date.now() + milliseconds
for (let n = 0; Date.now() < end || n < LEAST; n++) {
  write(int(COUNTERS))
  raise(int(COMMON))
  read()
  if (n % 20 === 0) scan()
  if (n % 500 === LEAST - 1) tree.checkpoint()
}
parentPort?.postMessage({ counts, raised, reads, scanned })
