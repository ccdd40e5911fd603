/**
 * What happens to a blob between two steps of a cold lookup: changed, written by rounds, its disk slot written again with
 * another blob's image or with its own next one. The lookup answers with what the record was before or after, and takes
 * none of it for damage.
 */
import assert from 'node:assert/strict'
import test from 'ava'
import { attachStore } from '../../src/engine/attach.ts'
import { HoltError, openStore, type Tree } from '../../src/index.ts'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'
import { emptyDirectory, SMALL } from './store-fixture.ts'

const DIRECTORIES = 60
const keyOf = (directory: number, i: number) => `directory-${String(directory).padStart(2, '0')}/file-${i}`

/** Runs `between` once, before or after the read that it is armed for. */
class HookedReads {
  readonly storage: Storage
  reads = 0
  #at = 0
  #after = false
  #between: (() => void) | undefined

  constructor() {
    this.storage = {
      ...hostStorage,
      read: (fd, target, at, length, position) => {
        const isNow = ++this.reads === this.#at
        if (isNow && !this.#after) this.#run()
        const done = hostStorage.read(fd, target, at, length, position)
        if (isNow && this.#after) this.#run()
        return done
      },
    }
  }

  arm(at: number, after: boolean, between: () => void): void {
    this.reads = 0
    this.#at = at
    this.#after = after
    this.#between = between
  }

  #run(): void {
    this.#between?.()
    this.#between = undefined
  }

  get happened(): boolean {
    return this.#between === undefined
  }
}

test('a cold lookup that is overtaken at any of its reads finds the record as it was or as it is', t => {
  const store = openStore(emptyDirectory(t), SMALL)
  const { tree } = store
  for (let directory = 0; directory < DIRECTORIES; directory++) {
    for (let i = 0; i < 100; i++) tree.put(keyOf(directory, i), Buffer.alloc(900, i))
  }
  tree.compact()
  tree.checkpoint()
  /** Reads so much that nothing of the first directories stays resident. */
  const evict = (by: Tree) => {
    for (const _ of by.range({ startAfter: 'directory-30', keysOnly: true }));
  }
  const key = keyOf(3, 50)
  let value = 0
  let names = 0
  const overwrite = () => tree.put(key, Buffer.alloc(900, ++value))
  const round = (change: () => void) => {
    change()
    tree.checkpoint()
  }
  const disturbances: Record<string, () => void> = {
    'another image': () => round(overwrite),
    'its slot taken by another blob': () => {
      round(overwrite)
      for (let i = 0; i < 3; i++) round(() => tree.put(keyOf(50 + i, 1), Buffer.alloc(900, value)))
    },
    'its next images in the same slot': () => {
      for (let i = 0; i < 4; i++) round(overwrite)
    },
    'deleted and written again': () => {
      round(() => tree.delete(key))
      evict(tree)
      round(overwrite)
    },
    'plain again': () => round(() => tree.put(`${keyOf(3, 49)}~${++names}`, 'new')),
    'routed again': () => void (tree.compact() && tree.checkpoint()),
    'a new directory above it': () => round(() => tree.put(`directory-03/file-5~${++names}`, 'beside')),
  }
  let disturbed = 0
  let cold = 0
  for (const isWarm of [false, true]) {
    for (const [what, disturb] of Object.entries(disturbances)) {
      for (let at = 1; at <= 6; at++) {
        for (const after of [false, true]) {
          overwrite()
          tree.compact()
          tree.checkpoint()
          evict(tree)
          const hooked = new HookedReads()
          const reader = attachStore(store.share(), hooked.storage)
          if (isWarm) reader.get(keyOf(3, 7))
          const before = value
          hooked.arm(at, after, () => {
            disturb()
            evict(tree)
            disturbed++
          })
          const { coldReads } = tree.stats().counters
          try {
            const found = reader.get(key)
            cold += tree.stats().counters.coldReads - coldReads
            const last = tree.get(key)!
            const allowed = [Buffer.alloc(900, before), last]
            assert.ok(found !== undefined || what.startsWith('deleted'), `${what}, read ${at}: absent`)
            assert.ok(found === undefined || allowed.some(one => one.equals(found)), `${what}, read ${at}: wrong`)
          } catch (error) {
            if (!(error instanceof HoltError)) throw error
            t.fail(`${what}, ${after ? 'after' : 'before'} read ${at}, ${isWarm ? 'warm' : 'cold'}: ${error.message}`)
          }
          if (!hooked.happened) break
        }
      }
    }
  }
  t.log({ disturbed, cold })
  t.true(disturbed > 20 && cold > 20)
  t.deepEqual(tree.check().problems, [])
  store.close()
})
