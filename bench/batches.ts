/**
 * Changes that belong together, in one process: batches, renames, creation and deletion, whole loads; builds of the library
 * against lmdb and SQLite in turn, round after round, so that a change to the write path can be judged on a machine that is
 * not quiet. Figures are medians of rounds: ns of processor time a unit, and the ratio to lmdb in the same round.
 *
 *     node --import tsx bench/batches.ts [--keys 20000,200000] [--rounds 40] [--loads 5] [--only WORD] [--memory] [DIST ...]
 *
 * DIST is a directory with a compiled library, by default this checkout's; several are compared with each other. With
 * `--memory` the library's trees have no files.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Dataset, fillValue, VALUE_BYTES } from './dataset.ts'
import { SortedRecords } from './sorted-records.ts'
import { openLmdb } from './stores/lmdb-store.ts'
import { openSqlite } from './stores/sqlite-store.ts'
import type { BenchStore } from './stores/store.ts'

type Library = typeof import('../src/index.ts')

/** The keys of one round, and for each another name that is free. */
interface Round {
  keys: Buffer[]
  others: Buffer[]
}

/** Each operation runs over all keys of a round. */
interface Subject {
  name: string
  run: Record<string, (round: Round) => void>
  close(): unknown
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keys: { type: 'string', default: '20000,200000' },
    rounds: { type: 'string', default: '40' },
    loads: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    memory: { type: 'boolean', default: false },
  },
})
const builds = positionals.length > 0 ? positionals : [new URL('../dist', import.meta.url).pathname]
const ROUND = 3000
const BATCH = 100
const POOL_BYTES = 1 << 29

const value = Buffer.alloc(VALUE_BYTES)
let generation = 0

function nextValue(n: number): Buffer {
  fillValue(value, n, ++generation)
  return value
}

async function openBuild(build: string, directory: string | undefined, data: Dataset): Promise<Subject> {
  const { openTree }: Library = await import(pathToFileURL(resolve(build, 'index.js')).href)
  const tree = openTree(directory, { poolBytes: POOL_BYTES, background: false })
  tree.load(new SortedRecords(data))
  const inBatches = ({ keys }: Round, change: (keys: Buffer[], at: number) => void) => {
    for (let at = 0; at < keys.length; at += BATCH) change(keys, at)
  }
  return {
    name: build,
    run: {
      'puts in a batch of 100': round =>
        inBatches(round, (keys, at) => {
          tree.atomic(batch => {
            for (let i = at; i < at + BATCH; i++) batch.put(keys[i], nextValue(i))
          })
        }),
      'puts staged by 100': round =>
        inBatches(round, (keys, at) => {
          tree.begin()
          for (let i = at; i < at + BATCH; i++) {
            tree.stagePut(keys[i], keys[i].length, nextValue(i), 0, VALUE_BYTES)
          }
          tree.commit()
        }),
      'rename there and back': ({ keys, others }) => {
        for (let i = 0; i < keys.length; i++) {
          tree.rename(keys[i], others[i])
          tree.rename(others[i], keys[i])
        }
      },
      'create and delete': ({ others }) => {
        for (let i = 0; i < others.length; i++) {
          tree.put(others[i], nextValue(i))
          tree.delete(others[i])
        }
      },
    },
    close: () => tree.close(),
  }
}

function openPeer(name: string, store: BenchStore, data: Dataset): Subject {
  store.load(new SortedRecords(data))
  const inBatches = ({ keys }: Round) => {
    for (let at = 0; at < keys.length; at += BATCH) store.putAll(keys, at, at + BATCH, nextValue)
  }
  return {
    name,
    run: {
      'puts in a batch of 100': inBatches,
      'puts staged by 100': inBatches,
      'rename there and back': ({ keys, others }) => {
        for (let i = 0; i < keys.length; i++) {
          store.rename(keys[i], others[i])
          store.rename(others[i], keys[i])
        }
      },
      'create and delete': ({ others }) => {
        for (let i = 0; i < others.length; i++) {
          store.put(others[i], nextValue(i))
          store.delete(others[i])
        }
      },
    },
    close: () => store.close(),
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}

function nsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) * 1000
}

function report(what: string, names: string[], times: number[][]): void {
  const cells = names.map((name, i) => {
    const ratio = median(times[i].map((ns, n) => ns / times[0][n]))
    return `${name} ${median(times[i]).toFixed(0)} (${ratio.toFixed(2)})`
  })
  console.log(`  ${what.padEnd(24)} ${cells.join('   ')}`)
}

async function compareChanges(scratch: string, data: Dataset): Promise<void> {
  const made = (name: string) => {
    mkdirSync(join(scratch, name))
    return join(scratch, name)
  }
  const subjects = [
    openPeer('lmdb', openLmdb(made('lmdb')), data),
    openPeer('sqlite', openSqlite(made('sqlite')), data),
  ]
  for (const [i, build] of builds.entries()) {
    subjects.push(await openBuild(build, options.memory ? undefined : made(String(i)), data))
  }
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return state / 2 ** 32
  }
  for (const operation of Object.keys(subjects[0].run)) {
    if (!operation.includes(options.only)) continue
    const times = subjects.map(() => [] as number[])
    for (let n = -5; n < Number(options.rounds); n++) {
      const keys = Array.from({ length: ROUND }, () => data.keyOf(Math.floor(random() * data.count)))
      const round = { keys, others: keys.map(key => Buffer.concat([key, Buffer.from('.new')])) }
      for (let k = 0; k < subjects.length; k++) {
        const i = (k + n + 5) % subjects.length
        const before = process.cpuUsage()
        subjects[i].run[operation](round)
        if (n >= 0) times[i].push(nsSince(before) / ROUND)
      }
    }
    report(
      operation,
      subjects.map(({ name }) => name),
      times,
    )
  }
  for (const subject of subjects) await subject.close()
}

async function compareLoads(scratch: string, data: Dataset): Promise<void> {
  const libraries = await Promise.all(
    builds.map((build): Promise<Library> => import(pathToFileURL(resolve(build, 'index.js')).href)),
  )
  const times = [[], ...builds.map(() => [])] as number[][]
  for (let n = -1; n < Number(options.loads); n++) {
    for (let k = 0; k < times.length; k++) {
      const i = (k + n + 1) % times.length
      const directory = join(scratch, `load-${n}-${i}`)
      mkdirSync(directory)
      let ns: number
      if (i === 0) {
        const store = openLmdb(directory)
        const before = process.cpuUsage()
        store.load(new SortedRecords(data))
        ns = nsSince(before)
        await store.close()
      } else {
        const open = { poolBytes: POOL_BYTES, background: false }
        const tree = libraries[i - 1].openTree(options.memory ? undefined : directory, open)
        const before = process.cpuUsage()
        tree.load(new SortedRecords(data))
        ns = nsSince(before)
        tree.close()
      }
      if (n >= 0) times[i].push(ns / data.total)
      rmSync(directory, { recursive: true })
    }
  }
  report('load, a key', ['lmdb', ...builds], times)
}

for (const count of options.keys.split(',').map(Number)) {
  const scratch = mkdtempSync(join(tmpdir(), 'holtfs-batches-'))
  const data = new Dataset(count)
  console.log(`${count} keys`)
  await compareChanges(scratch, data)
  if ('load, a key'.includes(options.only)) await compareLoads(scratch, data)
  rmSync(scratch, { recursive: true })
}
