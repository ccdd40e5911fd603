/** A whole store against what the threads of everything-operations.ts have done to it. */
import assert from 'node:assert/strict'
import type { Tree } from '../../src/index.ts'
import {
  ACCOUNTS,
  accountKey,
  COUNTERS,
  Common,
  counterKey,
  isOf,
  numberOf,
  numberValue,
  THREADS,
} from './everything-operations.ts'

/** Puts what all threads share. */
export function prepare(tree: Tree): void {
  const { counters, accounts } = new Common()
  counters.forEach((n, i) => {
    tree.put(counterKey(i), numberValue(n))
  })
  accounts.forEach((n, i) => {
    tree.put(accountKey(i), numberValue(n))
  })
}

export interface Held {
  /** Records of each thread. */
  own: Map<string, Buffer>[]
  common: Common
}

/** All that a tree holds; throws when its structure is not sound, or when there is anything else. */
export function heldBy(tree: Tree): Held {
  const own = Array.from({ length: THREADS }, () => new Map<string, Buffer>())
  const common = new Common()
  let records = ACCOUNTS + COUNTERS
  for (const entry of tree.range({ prefix: 'home/' })) {
    assert.ok(entry.key !== undefined)
    const key = entry.key.toString()
    const thread = own.findIndex((_, i) => isOf(i, key))
    assert.ok(thread >= 0, `${key} is nobody’s`)
    own[thread].set(key, entry.value)
    assert.ok(tree.get(key)?.equals(entry.value), `get ${key}`)
    records++
  }
  const numberAt = (key: string) => numberOf(tree.get(key) ?? assert.fail(`${key} is missing`))
  common.counters.splice(0, COUNTERS, ...common.counters.map((_, i) => numberAt(counterKey(i))))
  common.accounts.splice(0, ACCOUNTS, ...common.accounts.map((_, i) => numberAt(accountKey(i))))
  const summary = tree.check()
  assert.deepEqual(summary.problems, [])
  assert.equal(summary.records, records)
  return { own, common }
}
