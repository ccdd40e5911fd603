/** A thread of view-threads.test.ts: moves money between accounts by batches, or reads views and counts it. */
import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { HoltError, openShared, type View } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { ACCOUNTS, balance, MONEY, type ViewThread } from './view-thread-data.ts'

const { role, seed, milliseconds, handle } = workerData as ViewThread
const tree = openShared(handle)
const random = seededRandom(seed)
const int = (n: number) => Math.floor(random() * n)
const counts = { transfers: 0, renames: 0, views: 0, expired: 0, gets: 0 }

/** Where the accounts are now. */
function bank(): number {
  return tree.isPrefixEmpty('bank-0/') ? 1 : 0
}

function transfer(): void {
  const from = `bank-${bank()}/branch-${int(13)}/`
  const accounts = [...tree.range({ prefix: from, limit: 40 })]
  if (accounts.length < 2) return
  const a = accounts[int(accounts.length)]
  const b = accounts[int(accounts.length)]
  if (a.key === undefined || b.key === undefined || a.key.equals(b.key)) return
  const amount = int(100)
  const [left, right] = [a.value.readInt32LE(0) - amount, b.value.readInt32LE(0) + amount]
  const length = int(8) === 0 ? int(30_000) : int(3000)
  const done = tree.atomic(batch => {
    batch.compareAndPut(a.key, a.version, balance(left, length))
    batch.compareAndPut(b.key, b.version, balance(right, length))
  })
  if (done) counts.transfers++
}

function write(): void {
  const pick = int(1000)
  if (pick < 5 && tree.renamePrefix('bank-0/', 'bank-1/')) counts.renames++
  else if (pick < 10 && tree.renamePrefix('bank-1/', 'bank-0/')) counts.renames++
  else if (pick < 100) tree.put(`noise/${int(400)}`, Buffer.alloc(int(40_000)))
  else if (pick < 140) tree.delete(`noise/${int(400)}`)
  else transfer()
  if (pick === 500) tree.checkpoint()
  if (pick === 501) tree.compact()
}

/** All accounts as a range shows them, with their versions; the money must be all there. */
function count(view: View): Map<string, number> {
  const versions = new Map<string, number>()
  let sum = 0
  for (const entry of view.range({ prefix: 'bank-' })) {
    assert.ok(entry.key !== undefined)
    versions.set(entry.key.toString(), entry.version)
    assert.ok(entry.version <= view.seq, `${entry.key} is younger than the view`)
    sum += entry.value.readInt32LE(0)
  }
  assert.equal(versions.size, ACCOUNTS)
  assert.equal(sum, ACCOUNTS * MONEY)
  return versions
}

function read(): void {
  try {
    tree.view(view => {
      const versions = count(view)
      assert.equal([...view.range({ prefix: 'bank-', delimiter: '/' })].length, 1)
      for (const [key, version] of versions) {
        if (int(3) > 0) continue
        const record = view.getRecord(key)
        assert.equal(record?.version, version, `version of ${key}`)
        counts.gets++
      }
      if (int(3) === 0) tree.view(count)
      assert.deepEqual(count(view), versions)
    })
    counts.views++
  } catch (error) {
    if (!(error instanceof HoltError) || error.code !== 'HOLT_VIEW_EXPIRED') throw error
    counts.expired++
  }
}

/** On a slow machine it goes on until it has done something. */
const isEnough = () => (role === 'writer' ? counts.transfers > 5 : counts.views > 0)
const end = Date.now() + milliseconds
while (Date.now() < end || (!isEnough() && Date.now() < end + 60_000)) {
  if (role === 'writer') write()
  else read()
}
parentPort?.postMessage(counts)
