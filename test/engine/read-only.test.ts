/** A store opened read-only: what the log holds is there, several may look at once, and no file of the store changes. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openShared, openStore } from '../../src/index.ts'
import { seededRandom } from '../support/random.ts'
import { assertHolds, copyOf, emptyDirectory, SEED, SMALL, withStore } from './store-fixture.ts'

const READ_ONLY = { ...SMALL, readOnly: true }

/** Names, sizes, times and contents of all files of a store. */
function fingerprint(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map(name => {
      const path = join(directory, name)
      const { size, mtimeMs, ctimeMs, mode } = statSync(path)
      const isFile = statSync(path).isFile()
      const hash = isFile ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
      return `${name} ${mode} ${size} ${mtimeMs} ${ctimeMs} ${hash}`
    })
}

/** A store as a killed process leaves it: a checkpoint, and a log behind it that changes more frames than a pool holds. */
function killed(t: ExecutionContext): { directory: string; model: Map<string, Buffer> } {
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const model = new Map<string, Buffer>()
  const put = (tree: import('../../src/index.ts').Tree, i: number) => {
    const key = `directory-${i % 40}/${i}`
    const value = Buffer.alloc(3000 + Math.floor(random() * 1000), i & 255)
    tree.put(key, value)
    model.set(key, value)
  }
  const store = openStore(directory, { ...SMALL, poolBytes: 64 << 20 })
  for (let i = 0; i < 3000; i++) put(store.tree, i)
  store.tree.checkpoint()
  for (let i = 0; i < 4000; i++) put(store.tree, Math.floor(random() * 4500))
  const copy = copyOf(t, directory)
  store.close()
  return { directory: copy, model }
}

test('a killed store is read with its log, by two at once, and stays as it is', t => {
  t.log(`seed ${SEED}`)
  const { directory, model } = killed(t)
  const before = fingerprint(directory)
  withStore(directory, READ_ONLY, first => {
    t.true(first.tree.stats().counters.frameSteals > 0, 'the log changes more frames than the pool holds')
    withStore(directory, READ_ONLY, second => {
      assertHolds(second.tree, model)
      assertHolds(first.tree, model)
    })
    assertHolds(openShared(first.share()), model)
    t.throws(() => first.tree.put('key', 'value'), { code: 'HOLT_READ_ONLY' })
    t.throws(() => openStore(directory, SMALL), { code: 'HOLT_LOCKED' })
  })
  t.deepEqual(fingerprint(directory), before)
  withStore(directory, SMALL, ({ tree }) => assertHolds(tree, model))
})

test('a writer keeps readers out, and names itself', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, () => {
    t.throws(() => openStore(directory, READ_ONLY), { code: 'HOLT_LOCKED', message: new RegExp(`${process.pid}`) })
  })
  withStore(directory, READ_ONLY, ({ tree }) => t.is(tree.get('key'), undefined))
})

test('a store that was killed before its first checkpoint can be read', t => {
  const directory = emptyDirectory(t)
  const store = openStore(directory, SMALL)
  store.tree.put('key', 'value')
  const copy = copyOf(t, directory)
  store.close()
  const before = fingerprint(copy)
  withStore(copy, READ_ONLY, ({ tree }) => assertHolds(tree, new Map([['key', Buffer.from('value')]])))
  t.deepEqual(fingerprint(copy), before)
})
