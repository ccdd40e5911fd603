/**
 * Trees of every shape: each frame notes the key that leads to it, however it was made, so that of a tree which has lost any one
 * frame all other records are saved, at their keys and with their versions; and never another one.
 */
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { frameKey } from '../../src/engine/frame-key.ts'
import { FrameWalk } from '../../src/engine/frame-walk.ts'
import { readManifest } from '../../src/engine/manifest.ts'
import { salvageStore } from '../../src/engine/salvage.ts'
import { SalvageFrames } from '../../src/engine/salvage-frames.ts'
import type { Tree } from '../../src/index.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { emptyDirectory, FRAME, SEED, SMALL, withStore } from './store-fixture.ts'

const OPTIONS = { poolBytes: 8 * FRAME, progress() {} }

const name = (i: number) => `dir/${String(i % 40).padStart(3, '0')}/sub-${i % 7}/f${String(i).padStart(6, '0')}`
const number = (namespace: string, i: number) =>
  Buffer.concat([Buffer.from(namespace), Buffer.from([0, 0, 0, i >>> 16, i >>> 8, i])])

const SHAPES: Record<string, (tree: Tree, random: Random) => void> = {
  'spilled by single puts'(tree, random) {
    for (let i = 0; i < 6000; i++) tree.put(`directory-${i % 9}/file-${Math.floor(random() * 1e6)}`, Buffer.alloc(500))
  },
  'spilled in runs of numbers'(tree) {
    for (let i = 0; i < 7000; i++) for (const space of ['a', 'b']) tree.put(number(space, i * 37), Buffer.alloc(150))
  },
  loaded(tree) {
    const keys = Array.from({ length: 9000 }, (_, i) => name(i)).sort()
    tree.load(keys.map(key => [key, Buffer.alloc(300)] as const))
  },
  'loaded, changed, merged and routed'(tree, random) {
    const keys = Array.from({ length: 9000 }, (_, i) => name(i)).sort()
    tree.load(keys.map(key => [key, Buffer.alloc(300)] as const))
    for (let i = 0; i < 3000; i++)
      tree.put(`dir/${String(i % 40).padStart(3, '0')}/x${Math.floor(random() * 1e6)}`, Buffer.alloc(400))
    for (let i = 0; i < 9000; i++) if (i % 9 > 0) tree.delete(name(i))
    tree.compact()
    tree.load(Array.from({ length: 5000 }, (_, i) => [`e/${String(i).padStart(6, '0')}`, Buffer.alloc(200)] as const))
  },
}

/** Records with their versions. */
function recordsOf(directory: string): Set<string> {
  return withStore(directory, { ...SMALL, readOnly: true }, ({ tree }) => {
    const records = new Set<string>()
    for (const entry of tree.range()) {
      const { key, value, version } = entry as { key: Buffer; value: Buffer; version: number }
      records.add(`${key.toString('latin1')} ${value.length} ${version}`)
    }
    return records
  })
}

function salvaged(t: ExecutionContext, directory: string) {
  const to = join(directory, 'saved')
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to)
  const summary = salvageStore(hostStorage, directory, to, OPTIONS)
  t.deepEqual(
    withStore(to, SMALL, ({ tree }) => tree.check().problems),
    [],
  )
  return { summary, records: recordsOf(to) }
}

for (const [shape, fill] of Object.entries(SHAPES)) {
  test(`each frame lost in turn, ${shape}`, t => {
    t.log(`seed ${SEED}`)
    const directory = emptyDirectory(t)
    withStore(directory, SMALL, ({ tree }) => fill(tree, seededRandom(SEED)))
    const stored = recordsOf(directory)
    t.deepEqual(salvaged(t, directory).records, stored)

    // What every frame notes is the way to it, and so many records are its own.
    const { slots } = readManifest(hostStorage, directory)
    const frames = new SalvageFrames(hostStorage, directory)
    const walk = new FrameWalk(frames.pool)
    const queue = [{ blob: 1, key: new Uint8Array(0) }]
    const own = new Map<number, number>()
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const { blob, key } = next
      t.is(frames.read(slots.get(blob)! - 1, blob), '')
      t.deepEqual(Buffer.from(frameKey(frames.pool, 0)!), Buffer.from(key), `blob ${blob}`)
      let count = 0
      walk.run(
        0,
        key,
        {
          record: () => void count++,
          crossing: (path, length, child) => void queue.push({ blob: child, key: path.slice(0, length) }),
          unreadable: () => t.fail(),
        },
        frames.isReadable,
      )
      own.set(blob, count)
    }
    frames.close()
    t.is(own.size, slots.size)
    t.true(own.size > 4)

    const fd = openSync(join(directory, 'frames.dat'), 'r+')
    t.teardown(() => closeSync(fd))
    const image = Buffer.alloc(FRAME)
    for (const [blob, slot] of [...slots].slice(0, 6)) {
      const length = readSync(fd, image, 0, FRAME, (slot - 1) * FRAME)
      writeSync(fd, Buffer.alloc(length), 0, length, (slot - 1) * FRAME)
      const { summary, records } = salvaged(t, directory)
      writeSync(fd, image, 0, length, (slot - 1) * FRAME)
      t.is(records.size, stored.size - own.get(blob)!, `without blob ${blob}`)
      t.true([...records].every(record => stored.has(record)))
      t.is(summary.losses.length, 1)
    }
  })
}

test('an intact image of another blob, or an older one, is not taken for the one that is missing', t => {
  const directory = emptyDirectory(t)
  const older = emptyDirectory(t)
  withStore(directory, SMALL, ({ tree }) => SHAPES.loaded(tree, seededRandom(SEED)))
  cpSync(directory, older, { recursive: true })
  withStore(directory, SMALL, ({ tree }) => {
    for (let i = 0; i < 9000; i += 2) tree.put(name(i), Buffer.alloc(300, 1))
  })
  const stored = recordsOf(directory)
  const { slots } = readManifest(hostStorage, directory)
  const file = join(directory, 'frames.dat')
  const intact = readFileSync(file)
  const image = (bytes: Buffer, slot: number) =>
    Buffer.concat([bytes.subarray((slot - 1) * FRAME), Buffer.alloc(FRAME)]).subarray(0, FRAME)
  const olderFrames = readFileSync(join(older, 'frames.dat'))
  const [, [blob, slot], [, other]] = [...slots].filter(([id]) => id !== 1)
  const wrong = {
    'of another blob': image(intact, other),
    older: image(olderFrames, readManifest(hostStorage, older).slots.get(blob)!),
  }
  for (const [what, bytes] of Object.entries(wrong)) {
    const damaged = Buffer.concat([intact, Buffer.alloc(FRAME)])
    bytes.copy(damaged, (slot - 1) * FRAME)
    writeFileSync(file, damaged)
    const { summary, records } = salvaged(t, directory)
    t.is(summary.losses.length, 1, what)
    t.true(
      [...records].every(record => stored.has(record)),
      what,
    )
  }
})
