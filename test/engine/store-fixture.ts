/**
 * What the tests of the store share: stores in temporary directories or in memory that can lose its power, copies of a
 * store taken while it is open (what a killed process leaves behind), and whole contents to compare.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { openStore, type Store, type StoreOptions, type Tree } from '../../src/index.ts'
import { PowerCutStorage } from '../support/power-cut-storage.ts'

export const FRAME = 512 * 1024
/** The smallest pool, and no thread but the test's own. */
export const SMALL: StoreOptions = { poolBytes: 8 * FRAME, background: false }

/** Seed of a run; set HOLTFS_SEED to run a failing one again. */
export const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)

/** An empty directory that is removed after the test. */
export function emptyDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-engine-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** The store as a process that is killed now would leave it. */
export function copyOf(t: ExecutionContext, directory: string): string {
  const copy = join(emptyDirectory(t), 'copy')
  cpSync(directory, copy, { recursive: true })
  return copy
}

/** Files in memory under a directory that exists on the host too, where the lock is taken. */
export function powerCutStorage(directory: string): PowerCutStorage {
  const storage = new PowerCutStorage()
  storage.mkdir(directory)
  for (let at = directory; at !== '/'; at = join(at, '..')) storage.syncDirectory(join(at, '..'))
  return storage
}

/** All records, keys as latin1. */
export function contents(tree: Tree): Map<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (const entry of tree.range()) {
    if (entry.commonPrefix === undefined) records.set(entry.key.toString('latin1'), entry.value)
  }
  return records
}

/** Throws unless the tree holds exactly these records, through range and get, and its structure is sound. */
export function assertHolds(tree: Tree, expected: Map<string, Buffer>, what = ''): void {
  const found = contents(tree)
  for (const [key, value] of expected) {
    const got = found.get(key)
    if (got === undefined || !got.equals(value)) {
      assert.fail(
        `${what}: ${shortened(key)} is ${shortened(got?.toString('latin1'))}, not ${shortened(value.toString('latin1'))}`,
      )
    }
    assert.ok(tree.get(Buffer.from(key, 'latin1'))?.equals(value), `${what}: get ${shortened(key)}`)
  }
  assert.equal(found.size, expected.size, `${what}: number of keys`)
  assert.deepEqual(tree.check().problems, [], what)
}

function shortened(text: string | undefined): string {
  if (text === undefined) return 'absent'
  return text.length > 60 ? `${JSON.stringify(text.slice(0, 50))}… (${text.length})` : JSON.stringify(text)
}

/** Closes a store that a test has left in whatever state, for its descriptors and its lock. */
export function closeAnyhow(store: Store | undefined): void {
  try {
    store?.close()
  } catch {
    // The test has made it fail.
  }
}

/** Opens, runs, closes. */
export function withStore<T>(directory: string, options: StoreOptions, use: (store: Store) => T): T {
  const store = openStore(directory, options)
  try {
    return use(store)
  } finally {
    closeAnyhow(store)
  }
}
