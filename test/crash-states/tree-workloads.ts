/** The workloads on a tree: small, so that what they are named for happens with few calls. */
import { appendCheckpoint, MAPPING_WORDS, readManifest } from '../../src/engine/manifest.ts'
import type { MemoryStorage } from './memory-storage.ts'
import { SECTOR } from './sectors.ts'
import type { TreeWork } from './tree-work.ts'

/** Bytes of a value of which a frame holds eight. */
const LARGE = 60_000

/** Bytes of a record of the manifest without blobs, and for each blob. */
const EMPTY_RECORD = 32
const MAPPING = 12

export interface TreeWorkload {
  run(work: TreeWork): void
  /** Bytes of log after which a segment is closed. */
  segmentBytes?: number
  /** Before the workload somebody makes the store, and dies as he comes to the n-th such call. */
  killedMaker?: [call: string, nth: number]
  /** Done to the empty store before anything is noted. */
  prepare?(storage: MemoryStorage, directory: string): void
}

function group(work: TreeWork, name: string, count: number, size: number): void {
  for (let i = 0; i < count; i++) work.put(`${name}/${i}`, size)
}

export const TREE_WORKLOADS: Record<string, TreeWorkload> = {
  records: {
    run(work) {
      group(work, 'a', 6, 300)
      work.sync()
      work.put('a/2', 300)
      work.put('a/2', 900)
      work.delete('a/3')
      work.checkpoint()
      work.rename('a/1', 'b/1')
      work.rename('a/0', 'a/4')
      group(work, 'a', 3, 20)
      work.sync()
      work.delete('b/1')
    },
  },
  batches: {
    run(work) {
      group(work, 'dir/sub', 5, 200)
      work.batch(
        [
          ['x', 700],
          ['y', 1500],
        ],
        ['dir/sub/1'],
      )
      work.sync()
      work.batch(
        [
          ['x', 10],
          ['z', 3000],
        ],
        ['y', 'dir/sub/0'],
        ['dir/', 'moved/far/'],
      )
      work.checkpoint()
      work.renamePrefix('moved/', 'dir/')
      work.batch(
        [
          ['dir/sub/9', 5000],
          ['w', 1],
        ],
        ['x', 'z'],
      )
      work.renamePrefix('dir/sub/', 'x/')
    },
  },
  rotation: {
    segmentBytes: 1500,
    run(work) {
      for (let i = 0; i < 24; i++) {
        work.put(`key-${i % 9}`, 200 + 40 * i)
        if (i % 7 === 6) work.sync()
        if (i === 10 || i === 17) work.checkpoint()
      }
    },
  },
  spillover: {
    segmentBytes: 400_000,
    run(work) {
      group(work, 'a', 6, LARGE)
      work.checkpoint()
      group(work, 'b', 6, LARGE)
      work.put('a/0', LARGE)
      work.checkpoint()
      work.renamePrefix('b/', 'c/')
      work.put('c/1', 10)
      work.sync()
    },
  },
  eviction: {
    segmentBytes: 2_000_000,
    run(work) {
      for (let i = 0; i < 10; i++) group(work, `${i}`, 7, LARGE)
      work.checkpoint()
      for (let i = 0; i < 9; i++) work.put(`${i}/3`, LARGE)
      for (let i = 0; i < 10; i++) work.put(`${i}/5`, 100)
      work.checkpoint()
      work.put('4/0', LARGE)
    },
  },
  merge: {
    segmentBytes: 400_000,
    run(work) {
      for (const name of ['a', 'b', 'c']) group(work, name, 6, LARGE)
      work.checkpoint()
      for (const name of ['a', 'b', 'c']) for (let i = 1; i < 6; i++) work.delete(`${name}/${i}`)
      work.compact()
      work.checkpoint()
      work.put('a/9', 100)
      work.checkpoint()
      work.delete('a/0')
      work.delete('b/0')
      work.compact()
      work.checkpoint()
    },
  },
  compaction: {
    segmentBytes: 400_000,
    run(work) {
      for (let i = 0; i < 14; i++) work.put(`key/${i % 5}`, 30_000 + 2000 * i)
      work.checkpoint()
      for (let i = 0; i < 300; i++) work.put(`small/${i % 60}`, 300)
      work.compact()
      work.checkpoint()
      work.put('small/7', 299)
      work.delete('key/1')
      work.compact()
      work.checkpoint()
    },
  },
  'manifest-snapshot': {
    prepare(storage, directory) {
      // A record of blobs that do not exist makes the manifest large enough to be written anew.
      const last = readManifest(storage, directory)
      const mapping = new Uint32Array(MAPPING_WORDS * 140_000)
      for (let i = 0; i < 140_000; i++) mapping[MAPPING_WORDS * i] = 100 + i
      appendCheckpoint(storage, directory, last.size, last, mapping, 140_000)
    },
    run(work) {
      work.put('a', 100)
      work.checkpoint()
      work.put('b', 100)
      work.checkpoint()
    },
  },
  'manifest-at-a-sector-boundary': {
    prepare(storage, directory) {
      // The record that says that there is a log, which is not synced by itself, will end where a sector does.
      const last = readManifest(storage, directory)
      let blobs = 0
      while ((last.size + 2 * EMPTY_RECORD + blobs * MAPPING) % SECTOR !== 0) blobs++
      const mapping = new Uint32Array((MAPPING / 4) * blobs)
      for (let i = 0; i < blobs; i++) mapping[(MAPPING / 4) * i] = 100 + i
      appendCheckpoint(storage, directory, last.size, last, mapping, blobs)
    },
    run(work) {
      work.put('a', 100)
      work.checkpoint()
      work.put('b', 100)
      work.kill()
      work.checkpoint()
    },
  },
  load: {
    segmentBytes: 400_000,
    run(work) {
      work.put('k/050', 100)
      work.load(
        Array.from({ length: 12 }, (_, i) => `k/${String(i * 9).padStart(3, '0')}`),
        50_000,
      )
      work.sync()
      work.load(['k/0', 'k/1', 'z'], 400)
      work.checkpoint()
    },
  },
  'changes-in-a-round': {
    segmentBytes: 3000,
    run(work) {
      group(work, 'dir/a', 6, 200)
      group(work, 'dir/b', 6, LARGE)
      work.checkpoint()
      group(work, 'dir/c', 6, LARGE)
      work.during('write', 'frames.dat', 1, () => work.renamePrefix('dir/a/', 'moved/'))
      work.checkpoint()
      work.put('dir/b/1', 100)
      work.during('datasync', 'frames.dat', 1, () => {
        work.put('dir/b/2', 100)
        work.renamePrefix('dir/', 'elsewhere/')
      })
      work.checkpoint()
      work.put('moved/1', 999)
      work.during('write', 'manifest', 1, () => work.put('moved/2', 999))
      work.checkpoint()
      work.during('datasync', 'manifest', 1, () => work.delete('moved/3'))
      work.checkpoint()
    },
  },
  lives: {
    segmentBytes: 3000,
    run(work) {
      group(work, 'a', 3, 500)
      work.reopen()
      work.put('a/0', 600)
      work.kill()
      work.put('a/1', 700)
      work.sync()
      work.kill()
      work.sync()
      work.checkpoint()
      work.kill()
      work.reopen()
      group(work, 'b', 3, 900)
      work.checkpoint()
      work.reopen()
      work.delete('a/0')
    },
  },
  'no-records': {
    run(work) {
      work.checkpoint()
      work.reopen()
      work.checkpoint()
      work.put('a', 100)
      work.reopen()
      work.checkpoint()
    },
  },
  'no-records-after-a-kill': {
    killedMaker: ['syncDirectory', 2],
    run(work) {
      work.checkpoint()
      work.put('a', 100)
      work.delete('a')
      work.checkpoint()
      work.put('b', 700)
    },
  },
  'random-records': {
    segmentBytes: 20_000,
    run(work) {
      const below = (limit: number) => Math.floor(work.random() * limit)
      const key = () => `${['a', 'b', 'dir/a', 'dir/b'][below(4)]}/${below(12)}`
      for (let i = 0; i < 90; i++) {
        const kind = below(40)
        if (kind < 20) work.put(key(), below(12) === 0 ? LARGE : 1 + below(3000))
        else if (kind < 26) work.delete(key())
        else if (kind < 30)
          work.batch(
            [
              [key(), below(900)],
              [`batch/${i}`, below(9000)],
            ],
            [`batch/${below(i + 1)}`],
          )
        else if (
          kind < 32 &&
          work.keys.some(name => name.startsWith('dir/')) &&
          !work.keys.some(name => name.startsWith('x/'))
        )
          work.renamePrefix('dir/', 'x/')
        else if (
          kind < 33 &&
          work.keys.some(name => name.startsWith('x/')) &&
          !work.keys.some(name => name.startsWith('dir/'))
        )
          work.renamePrefix('x/', 'dir/')
        else if (kind < 35) work.sync()
        else if (kind < 37) work.checkpoint()
        else if (kind < 38) work.compact()
        else if (kind === 38 && below(3) === 0) work.reopen()
        else if (kind === 39 && below(3) === 0) work.kill()
      }
    },
  },
}
