/**
 * Point lookups alone, in one process: builds of the library and lmdb in turn, round after round, so that a change to the
 * read path can be judged on a machine that is not quiet. Figures are medians of rounds: ns of processor time a lookup, and the ratio to lmdb in
 * the same round.
 *
 *     node --import tsx bench/point-lookup.ts [--keys 20000,200000] [--shape files|deep] [--rounds 60] [DIST ...]
 *
 * DIST is a directory with a compiled library, by default this checkout's; several are compared with each other.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Dataset, fillValue, VALUE_BYTES } from './dataset.ts'
import { openLmdb } from './stores/lmdb-store.ts'

type Library = typeof import('../src/index.ts')

/** The keys of one round in the order in which they are asked for, their records' numbers, and keys that are absent. */
interface Round {
  keys: Buffer[]
  strings: string[]
  indexes: Uint32Array
  absent: Buffer[]
}

/** Each operation runs over all keys of a round and throws at a wrong answer. */
interface Subject {
  name: string
  run: Record<string, (round: Round) => void>
  close(): unknown
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keys: { type: 'string', default: '20000,200000' },
    shape: { type: 'string', default: 'files' },
    rounds: { type: 'string', default: '60' },
  },
})
const builds = positionals.length > 0 ? positionals : [new URL('../dist', import.meta.url).pathname]
const ROUND = 8192
const POOL_BYTES = 1 << 30

/** A key of the dataset, or its like below eight components: a path of more than 100 bytes. */
function keyOf(data: Dataset, index: number): Buffer {
  const key = data.keyOf(index)
  if (options.shape !== 'deep') return key
  const [category, file] = key.toString().split('/').slice(-2)
  const n = Number(category.slice(9))
  const way = `/home/user-${n % 7}/projects/workspace-${n % 31}/packages/module-${n % 127}/source`
  return Buffer.from(`${way}/component-${category}/generated-output/${file}.something.ts`)
}

function makeRound(data: Dataset, random: () => number): Round {
  const indexes = Uint32Array.from({ length: ROUND }, () => Math.floor(random() * data.count))
  const keys = Array.from(indexes, index => keyOf(data, index))
  const absent = keys.map(key => Buffer.concat([key, Buffer.from('.new')]))
  return { keys, strings: keys.map(key => key.toString()), indexes, absent }
}

function wrong(what: string): Error {
  return new Error(`wrong answer: ${what}`)
}

async function openBuild(build: string, directory: string, data: Dataset): Promise<Subject> {
  const { openTree }: Library = await import(pathToFileURL(resolve(build, 'index.js')).href)
  const tree = openTree(directory, { poolBytes: POOL_BYTES, background: false, durability: 'async' })
  const value = Buffer.alloc(VALUE_BYTES)
  for (let i = 0; i < data.count; i += 1000) {
    tree.atomic(batch => {
      for (let n = i; n < Math.min(i + 1000, data.count); n++) {
        fillValue(value, n, 0)
        batch.put(keyOf(data, n), value)
      }
    })
  }
  const target = Buffer.alloc(4096)
  return {
    name: build,
    run: {
      borrowed: ({ keys, indexes }) => {
        for (let n = 0; n < ROUND; n++) {
          const length = tree.getInto(keys[n], keys[n].length, target, 0)
          if (length !== VALUE_BYTES || target[0] !== (indexes[n] & 255)) throw wrong('borrowed')
        }
      },
      owned: ({ keys, indexes }) => {
        for (let n = 0; n < ROUND; n++) if (tree.get(keys[n])?.[0] !== (indexes[n] & 255)) throw wrong('owned')
      },
      missing: ({ absent }) => {
        for (let n = 0; n < ROUND; n++) {
          if (tree.getInto(absent[n], absent[n].length, target, 0) >= 0) throw wrong('missing')
        }
      },
      'owned, string key': ({ strings, indexes }) => {
        for (let n = 0; n < ROUND; n++) if (tree.get(strings[n])?.[0] !== (indexes[n] & 255)) throw wrong('string')
      },
    },
    close: () => {
      console.log(build, JSON.stringify(tree.stats().counters))
      tree.close()
    },
  }
}

function openPeer(directory: string, data: Dataset): Subject {
  const store = openLmdb(directory)
  const value = Buffer.alloc(VALUE_BYTES)
  for (let i = 0; i < data.count; i += 10_000) {
    const keys = Array.from({ length: Math.min(10_000, data.count - i) }, (_, n) => keyOf(data, i + n))
    store.putAll(keys, 0, keys.length, n => {
      fillValue(value, i + n, 0)
      return value
    })
  }
  const owned = ({ keys, indexes }: Round) => {
    for (let n = 0; n < ROUND; n++) if (store.get(keys[n])?.[0] !== (indexes[n] & 255)) throw wrong('owned')
  }
  return {
    name: 'lmdb',
    run: {
      borrowed: ({ keys, indexes }) => {
        for (let n = 0; n < ROUND; n++) {
          if (store.peek(keys[n]) !== VALUE_BYTES + (indexes[n] & 255)) throw wrong('borrowed')
        }
      },
      owned,
      missing: ({ absent }) => {
        for (let n = 0; n < ROUND; n++) if (store.peek(absent[n]) >= 0) throw wrong('missing')
      },
      'owned, string key': owned,
    },
    close: () => store.close(),
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}

for (const count of options.keys.split(',').map(Number)) {
  const scratch = mkdtempSync(join(tmpdir(), 'holtfs-lookup-'))
  const data = new Dataset(count)
  const subjects = [openPeer(join(scratch, 'lmdb'), data)]
  for (const [i, build] of builds.entries()) subjects.push(await openBuild(build, join(scratch, String(i)), data))
  console.log(`${count} keys, ${options.shape}`)
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return state / 2 ** 32
  }
  for (const operation of Object.keys(subjects[0].run)) {
    const times = subjects.map(() => [] as number[])
    for (let n = -5; n < Number(options.rounds); n++) {
      const round = makeRound(data, random)
      for (let k = 0; k < subjects.length; k++) {
        const i = (k + n + 5) % subjects.length
        const before = process.cpuUsage()
        subjects[i].run[operation](round)
        const { user, system } = process.cpuUsage(before)
        if (n >= 0) times[i].push(((user + system) * 1000) / ROUND)
      }
    }
    const cells = subjects.map(({ name }, i) => {
      const ratio = median(times[i].map((ns, n) => ns / times[0][n]))
      return `${name} ${median(times[i]).toFixed(0)} (${ratio.toFixed(2)})`
    })
    console.log(`  ${operation.padEnd(18)} ${cells.join('   ')}`)
  }
  for (const subject of subjects) await subject.close()
  rmSync(scratch, { recursive: true })
}
