/** Views: what they show, when they end, and what becomes of them when more changes than can be kept. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { FrameFile } from '../../src/engine/frame-file.ts'
import { Gate } from '../../src/engine/gate.ts'
import { ROOT_BLOB } from '../../src/engine/layout.ts'
import { Pool } from '../../src/engine/pool.ts'
import { C_BLOB_HIGH, C_BLOB_HINT, C_FAILED, C_VIEW_IMAGES } from '../../src/engine/shared.ts'
import { Views } from '../../src/engine/view.ts'
import { ViewResidency } from '../../src/engine/view-residency.ts'
import { Lookup } from '../../src/engine/walker/lookup.ts'
import { openShared, openStore, openTree, type Tree, type View } from '../../src/index.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { emptyDirectory, FRAME, SMALL, withStore } from './store-fixture.ts'
import { assertNothingHeld } from './view-leaks.ts'

const EXPIRED = { code: 'HOLT_VIEW_EXPIRED' }
const INVALID = { code: 'HOLT_INVALID' }

function keysOf(view: View | Tree, prefix = ''): string[] {
  return [...view.range({ prefix, keysOnly: true })].map(entry => entry.key!.toString())
}

/** Writes `blobs` groups of keys, each so large that it becomes a blob of its own. */
function fill(tree: Tree, blobs: number, byte: number): void {
  for (let group = 0; group < blobs; group++) {
    for (let i = 0; i < 7; i++) tree.put(`group-${group}/${i}`, Buffer.alloc(55_000, byte))
  }
}

/** One small change in every blob that {@link fill} made. */
function touch(tree: Tree, blobs: number, byte: number): void {
  for (let group = 0; group < blobs; group++) tree.put(`group-${group}/0`, Buffer.alloc(55_000, byte))
}

test('a view shows the tree as it was, through everything that its thread does meanwhile', t => {
  const tree = openTree()
  tree.put('a/1', 'one')
  tree.put('a/2', 'two')
  const before = tree.put('b', 'three')
  const seen = tree.view(view => {
    t.is(view.seq, before)
    tree.put('a/1', 'changed')
    tree.delete('a/2')
    tree.renamePrefix('a', 'c')
    tree.atomic(batch => {
      batch.put('a/3', 'new')
      t.is(view.get('a/1')?.toString(), 'one')
    })
    t.is(view.get('a/1')?.toString(), 'one')
    t.deepEqual(view.getRecord('b'), { value: Buffer.from('three'), version: before })
    const target = Buffer.alloc(8)
    t.is(view.getInto('a/2', target, 1), 3)
    t.is(target.toString('latin1', 1, 4), 'two')
    t.is(view.getInto(Buffer.from('a/3'), target), -1)
    t.is(view.longestPrefix('a/1/x')?.value.toString(), 'one')
    t.is(view.longestPrefix('c/1'), undefined)
    t.deepEqual(keysOf(view), ['a/1', 'a/2', 'b'])
    t.deepEqual([...view.range({ delimiter: '/', limit: 1 })], [{ commonPrefix: Buffer.from('a/') }])
    t.true(view.isPrefixEmpty('c'))
    t.false(view.isPrefixEmpty('a'))
    tree.view(later => {
      tree.delete('b')
      t.deepEqual(keysOf(later), ['a/3', 'b', 'c/1'])
    })
    return keysOf(view)
  })
  t.deepEqual(seen, ['a/1', 'a/2', 'b'])
  t.deepEqual(keysOf(tree), ['a/3', 'c/1'])
})

test('a view ends with its function, also by an exception, and is not opened inside a change', t => {
  withStore(emptyDirectory(t), SMALL, store => {
    const { tree } = store
    tree.put('a', '1')
    tree.put('b', '2')
    let kept: View | undefined
    const range = tree.view(view => {
      kept = view
      const entries = view.range()
      entries.next()
      return entries
    })
    t.throws(() => kept?.get('a'), INVALID)
    t.throws(() => kept?.isPrefixEmpty('a'), INVALID)
    t.throws(() => range.next(), INVALID)
    t.throws(() => tree.view(() => JSON.parse('{')), { instanceOf: SyntaxError })
    t.throws(() => tree.atomic(() => tree.view(() => {})), INVALID)
    tree.begin()
    t.throws(() => tree.view(() => {}), INVALID)
    tree.abort()
    assertNothingHeld(store)
    tree.close()
    t.throws(() => tree.view(() => {}), { code: 'HOLT_CLOSED' })
  })
})

test('attached handles and read-only trees have views', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, store => {
    const other = openShared(store.share())
    store.tree.put('a', '1')
    other.view(view => {
      store.tree.put('a', '2')
      t.is(view.get('a')?.toString(), '1')
      store.tree.view(second => t.is(second.get('a')?.toString(), '2'))
    })
    assertNothingHeld(store)
  })
  withStore(directory, { ...SMALL, readOnly: true }, ({ tree }) => {
    t.is(
      tree.view(view => view.get('a')?.toString()),
      '2',
    )
  })
})

test('a view expires when its images take more than a quarter of the pool, the oldest first, and writers go on', t => {
  const frames = 32
  withStore(emptyDirectory(t), { ...SMALL, poolBytes: frames * FRAME }, store => {
    const { tree } = store
    fill(tree, 12, 1)
    tree.view(old => {
      t.is(old.get('group-0/0')?.[0], 1)
      tree.view(young => {
        touch(tree, 4, 2)
        t.true(tree.stats().viewImages > 0)
        t.is(old.get('group-0/0')?.[0], 1)
        tree.view(youngest => {
          for (let byte = 3; byte < 6; byte++) {
            touch(tree, 12, byte)
            t.true(tree.stats().viewImages <= frames / 4)
          }
          t.throws(() => youngest.get('group-0/0'), EXPIRED)
        })
        t.throws(() => young.get('group-0/0'), EXPIRED)
      })
      t.throws(() => old.get('group-0/0'), EXPIRED)
      t.throws(() => [...old.range()], EXPIRED)
      t.throws(() => old.isPrefixEmpty('group'), EXPIRED)
    })
    t.is(tree.stats().counters.viewsExpired, 3)
    t.is(tree.get('group-11/0')?.[0], 5)
    assertNothingHeld(store)
  })
})

test('an expired view leaves younger ones as they are', t => {
  withStore(emptyDirectory(t), { ...SMALL, poolBytes: 32 * FRAME }, store => {
    const { tree } = store
    fill(tree, 12, 1)
    tree.view(old => {
      touch(tree, 6, 2)
      tree.view(young => {
        tree.put('group-0/0', 'x')
        tree.put('group-6/0', 'x')
        tree.put('group-7/0', 'x')
        t.throws(() => old.get('group-0/0'), EXPIRED)
        t.is(young.get('group-0/0')?.[0], 2)
        t.is(young.get('group-7/0')?.[0], 1)
        t.is(keysOf(young).length, 84)
      })
    })
    assertNothingHeld(store)
  })
})

test('what is clean is kept on disk: a view of a tree much larger than the pool stays whole, up to the bound', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, store => {
    const { tree } = store
    fill(tree, 40, 1)
    tree.checkpoint()
    tree.view(view => {
      touch(tree, 20, 2)
      t.is(tree.stats().viewImages, 0)
      t.true(tree.stats().viewSlots >= 20)
      for (let group = 0; group < 40; group++) t.is(view.get(`group-${group}/0`)?.[0], 1)
      for (const entry of view.range()) t.is((entry as { value: Buffer }).value[0], 1)
      touch(tree, 40, 3)
      t.throws(() => view.get('group-0/0'), EXPIRED)
      t.is(tree.get('group-39/0')?.[0], 3)
    })
    assertNothingHeld(store)
  })
})

test('a blob that is freed, and its id used again, stays what it was for a view', t => {
  for (const clean of [false, true]) {
    withStore(emptyDirectory(t), { ...SMALL, poolBytes: 64 * FRAME }, store => {
      fill(store.tree, 10, 1)
      if (clean) store.tree.checkpoint()
      const { engine, framesFd } = store.share()
      const pool = new Pool(engine, new FrameFile(hostStorage, framesFd))
      const gate = new Gate(pool.control)
      store.tree.view(view => {
        const entered = gate.enter()
        const blobs = pool.control[C_BLOB_HIGH]
        t.true(blobs > 5)
        for (let blob = ROOT_BLOB + 1; blob <= blobs; blob++) pool.freeBlob(blob)
        pool.control[C_BLOB_HINT] = 0
        const reused = pool.blobOf[pool.createBlob()]
        gate.leave(entered)
        if (!clean) t.is(reused, 2)
        t.is(keysOf(view).length, 70)
        for (const entry of view.range()) t.is((entry as { value: Buffer }).value[0], 1)
      })
      // What the tree is now is no tree: it is not to be written.
      pool.control[C_FAILED] = 1
    })
  }
})

for (const clean of [false, true]) {
  test(`a ${clean ? 'clean' : 'dirty'} frame that is changed while a view finds its way to it is not believed`, t => {
    for (const moment of ['before its version', 'before it is compared', 'before it is read'] as const) {
      withStore(emptyDirectory(t), SMALL, store => {
        const { tree } = store
        fill(tree, 2, 1)
        if (clean) tree.checkpoint()
        const { engine, framesFd } = store.share()
        const pool = new Pool(engine, new FrameFile(hostStorage, framesFd))
        const gate = new Gate(pool.control)
        const residency = new ViewResidency(pool, gate)
        const entered = gate.enter()
        residency.open()
        gate.leave(entered)
        let changes = 0
        const change = (when: string, blob: number) => {
          if (when === moment && blob !== ROOT_BLOB && changes++ === 0) touch(tree, 1, 2)
        }
        const lookup = new Lookup(pool, gate, {
          slotOf: blob => {
            const slot = residency.slotOf(blob)
            change('before its version', blob)
            return slot
          },
          holds: (slot, blob) => {
            change('before it is compared', blob)
            const held = residency.holds(slot, blob)
            change('before it is read', blob)
            return held
          },
          fetchBelow: (parent, version, blob) => residency.fetchBelow(parent, version, blob),
        })
        const value = Buffer.alloc(1)
        t.true(lookup.get(Buffer.from('group-0/0'), 0, 9, value, 0))
        t.is(value[0], 1, moment)
        t.true(changes > 0)
        t.is(tree.get('group-0/0')?.[0], 2)
        t.is(pool.control[C_VIEW_IMAGES] > 0, !clean)
        residency.close()
        assertNothingHeld(store)
      })
    }
  })
}

test('a view stays what it was when its blobs are compacted, routed, merged and freed', t => {
  for (const clean of [false, true]) {
    withStore(emptyDirectory(t), { ...SMALL, poolBytes: 64 * FRAME }, store => {
      const { tree } = store
      fill(tree, 10, 1)
      for (let group = 0; group < 10; group++) {
        for (let i = 0; i < 6; i++) tree.put(`group-${group}/${i}`, Buffer.alloc(4000, 1))
        for (let i = 10; i < 900; i++) tree.put(`group-${group}/${i}`, Buffer.alloc(100, 1))
      }
      if (clean) tree.checkpoint()
      tree.view(view => {
        const before = keysOf(view)
        t.true(tree.compact() > 0)
        t.true(tree.stats().viewImages + tree.stats().viewSlots > 0)
        t.deepEqual(keysOf(view), before)
        for (let group = 0; group < 10; group++) {
          for (let i = 0; i < 880; i++) tree.delete(`group-${group}/${i}`)
        }
        tree.compact()
        t.deepEqual(keysOf(view), before)
        for (const key of before) t.is(view.get(key)?.[0], 1)
      })
      const { counters } = tree.stats()
      t.true(counters.blobsFreed > 3 && counters.compactions > 3, JSON.stringify(counters))
      tree.checkpoint()
      assertNothingHeld(store)
    })
  }
})

test('a view that nobody closes is taken back, as that of a thread that died', t => {
  withStore(emptyDirectory(t), { ...SMALL, poolBytes: 16 * FRAME }, store => {
    const { tree } = store
    const pool = new Pool(store.share().engine, undefined)
    fill(tree, 10, 1)
    for (let n = 0; n < 8; n++) new Views(pool, new Gate(pool.control), () => tree.lastSeq()).open()
    tree.view(view => {
      touch(tree, 2, 2)
      t.is(view.get('group-0/0')?.[0], 1)
    })
    t.is(tree.stats().views, 7)
    touch(tree, 10, 3)
    t.is(tree.stats().views, 0)
    assertNothingHeld(store)
  })
})

test('frames.dat does not grow with the number of views', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, store => {
    const { tree } = store
    fill(tree, 10, 1)
    const sizes: number[] = []
    for (let cycle = 0; cycle < 12; cycle++) {
      tree.checkpoint()
      tree.view(view => {
        touch(tree, 10, 2 + cycle)
        t.is(view.get('group-9/0')?.[0], cycle === 0 ? 1 : 1 + cycle)
      })
      sizes.push(statSync(join(directory, 'frames.dat')).size)
    }
    t.is(sizes.at(-1), sizes[2])
    assertNothingHeld(store)
  })
})

test('of more views than may be open the oldest expires', t => {
  const tree = openTree()
  const nest = (depth: number): void =>
    tree.view(view => {
      if (depth < 9) nest(depth + 1)
      if (depth === 1) t.throws(() => view.get('a'), EXPIRED)
      else t.is(view.get('a'), undefined)
    })
  nest(1)
  t.is(tree.stats().views, 0)
})

test('a tree in memory that is nearly full gives up views before it refuses a change', t => {
  /** Puts until the tree is full; returns how many. */
  const fillUp = (tree: Tree) => {
    let puts = 0
    const put = () => {
      for (; ; puts++) tree.put(`key-${puts}`, Buffer.alloc(60_000, puts))
    }
    t.throws(put, { code: 'HOLT_FULL' })
    return puts
  }
  const options = { poolBytes: 24 * FRAME }
  const alone = fillUp(openTree(undefined, options))
  const store = openStore(undefined, options)
  store.tree.put('key-0', Buffer.alloc(60_000, 1))
  store.tree.view(view => {
    store.tree.put('key-0', Buffer.alloc(60_000, 2))
    t.is(store.tree.stats().viewImages, 1)
    t.is(fillUp(store.tree), alone)
    t.throws(() => view.get('key-0'), EXPIRED)
  })
  assertNothingHeld(store)
})
