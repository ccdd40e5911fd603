/**
 * Point lookups alone, in one process: builds of the library and lmdb in turn, chunk by chunk, so that a change to the
 * read path can be judged on a machine that is not quiet. Figures are medians of chunks, in ns a lookup, and ratios to lmdb.
 *
 *     node --import tsx bench/point-lookup.ts [--keys 20000,200000] [--shape files|deep] [--rounds 30] [DIST ...]
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

/** What a subject answers: each runs over `count` keys from `first` on, and throws at a wrong answer. */
interface Subject {
  name: string
  run: Record<string, (first: number, count: number) => void>
  close(): unknown
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keys: { type: 'string', default: '20000,200000' },
    shape: { type: 'string', default: 'files' },
    rounds: { type: 'string', default: '30' },
  },
})
const builds = positionals.length > 0 ? positionals : [new URL('../dist', import.meta.url).pathname]
const CHUNK = 20_000
const POOL_BYTES = 1 << 30

/** The dataset's keys, or the same below eight components: paths of more than 100 bytes. */
function shaped(keys: Buffer[]): Buffer[] {
  if (options.shape !== 'deep') return keys
  return keys.map(key => {
    const [category, file] = key.toString().split('/').slice(-2)
    const n = Number(category.slice(9))
    const way = `/home/user-${n % 7}/projects/workspace-${n % 31}/packages/module-${n % 127}/source`
    return Buffer.from(`${way}/component-${category}/generated-output/${file}.something.ts`)
  })
}

function wrong(what: string): Error {
  return new Error(`wrong answer: ${what}`)
}

async function openBuild(build: string, directory: string, data: Dataset, keys: Buffer[], absent: Buffer[]) {
  const { openTree }: Library = await import(pathToFileURL(resolve(build, 'index.js')).href)
  const tree = openTree(directory, { poolBytes: POOL_BYTES, background: false, durability: 'async' })
  const { order } = data
  const value = Buffer.alloc(VALUE_BYTES)
  for (let i = 0; i < keys.length; i += 1000) {
    tree.atomic(batch => {
      for (let n = i; n < Math.min(i + 1000, keys.length); n++) {
        fillValue(value, n, 0)
        batch.put(keys[n], value)
      }
    })
  }
  const target = Buffer.alloc(4096)
  const strings = keys.map(key => key.toString())
  const subject: Subject = {
    name: build,
    run: {
      borrowed: (first, count) => {
        for (let n = first; n < first + count; n++) {
          const i = order[n]
          if (tree.getInto(keys[i], keys[i].length, target, 0) !== VALUE_BYTES || target[0] !== (i & 255))
            throw wrong('get')
        }
      },
      owned: (first, count) => {
        for (let n = first; n < first + count; n++) {
          const i = order[n]
          const found = tree.get(keys[i])
          if (found === undefined || found[0] !== (i & 255)) throw wrong('get')
        }
      },
      missing: (first, count) => {
        for (let n = first; n < first + count; n++) {
          const key = absent[n % absent.length]
          if (tree.getInto(key, key.length, target, 0) >= 0) throw wrong('missing')
        }
      },
      'owned, string key': (first, count) => {
        for (let n = first; n < first + count; n++) {
          const i = order[n]
          const found = tree.get(strings[i])
          if (found === undefined || found[0] !== (i & 255)) throw wrong('get')
        }
      },
    },
    close: () => {
      const { counters } = tree.stats()
      console.log(build, JSON.stringify(counters))
      tree.close()
    },
  }
  return subject
}

function openPeer(directory: string, data: Dataset, keys: Buffer[], absent: Buffer[]): Subject {
  const store = openLmdb(directory)
  const { order } = data
  const value = Buffer.alloc(VALUE_BYTES)
  for (let i = 0; i < keys.length; i += 10_000) {
    store.putAll(keys, i, Math.min(i + 10_000, keys.length), n => {
      fillValue(value, n, 0)
      return value
    })
  }
  const owned = (first: number, count: number) => {
    for (let n = first; n < first + count; n++) {
      const i = order[n]
      const found = store.get(keys[i])
      if (found === undefined || found[0] !== (i & 255)) throw wrong('get')
    }
  }
  return {
    name: 'lmdb',
    run: {
      borrowed: (first, count) => {
        for (let n = first; n < first + count; n++) {
          const i = order[n]
          if (store.peek(keys[i]) !== VALUE_BYTES + (i & 255)) throw wrong('get')
        }
      },
      owned,
      missing: (first, count) => {
        for (let n = first; n < first + count; n++)
          if (store.peek(absent[n % absent.length]) >= 0) throw wrong('missing')
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
  const keys = shaped(data.keys)
  const absent = data.absent.map((_, i) => Buffer.concat([keys[data.order[i]], Buffer.from('.new')]))
  const subjects = [openPeer(join(scratch, 'lmdb'), data, keys, absent)]
  for (const [i, build] of builds.entries()) {
    subjects.push(await openBuild(build, join(scratch, String(i)), data, keys, absent))
  }
  const chunk = Math.min(CHUNK, count)
  console.log(`${count} keys, ${options.shape}`)
  for (const operation of Object.keys(subjects[0].run)) {
    const times = subjects.map(() => [] as number[])
    for (let round = -5; round < Number(options.rounds); round++) {
      const first = (((round + 5) * chunk) % (count - chunk + 1)) | 0
      for (const [i, subject] of subjects.entries()) {
        const begin = process.hrtime.bigint()
        subject.run[operation](first, chunk)
        if (round >= 0) times[i].push(Number(process.hrtime.bigint() - begin) / chunk)
      }
    }
    const peer = median(times[0])
    const cells = subjects.map(({ name }, i) => {
      const ns = median(times[i])
      return `${name} ${ns.toFixed(0)} (${(ns / peer).toFixed(2)})`
    })
    console.log(`  ${operation.padEnd(18)} ${cells.join('   ')}`)
  }
  for (const subject of subjects) await subject.close()
  rmSync(scratch, { recursive: true })
}
