/**
 * What a get costs whose files are out of the page cache, and what it reads: holtfs with routed frames (after `compact`),
 * with plain ones, with a pool of 8 MB, and LMDB. `node --import tsx bench/cold-get.ts [KEYS GETS ROUNDS]`, with a built
 * dist and the packages of bench/ installed; 200000 keys and 2000 gets unless told otherwise.
 *
 * Each measurement is a process of its own, which warms up on the cached store first, then closes it, drops its files from
 * the page cache (`dd iflag=nocache`), opens it and gets random records. `read` is what the process asked of its files
 * by read(2) or a page fault, as far as the kernel counts it; `device` what came from the disk for it.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Dataset, fillValue, VALUE_BYTES } from './dataset.ts'
import { median } from './figures.ts'
import { openHoltfs } from './stores/holtfs-store.ts'
import { openLmdb } from './stores/lmdb-store.ts'

const { openTree }: typeof import('../src/index.ts') = await import(new URL('../dist/index.js', import.meta.url).href)

interface Reader {
  get(key: Buffer): Uint8Array | undefined
  close(): unknown
}

const POOL = 8 << 20
const WARM_UP = 20_000
const BATCH = 1000

const SUBJECTS: Record<string, (directory: string) => Reader> = {
  'holtfs routed': directory => openTree(directory, { background: false }),
  'holtfs plain': directory => openTree(directory, { background: false }),
  'holtfs routed, 8 MB pool': directory => openTree(directory, { background: false, poolBytes: POOL }),
  'holtfs plain, 8 MB pool': directory => openTree(directory, { background: false, poolBytes: POOL }),
  lmdb: openLmdb,
}

const [first, ...rest] = process.argv.slice(2)
if (first === '--child') await measure(rest[0], rest[1], Number(rest[2]), Number(rest[3]), rest[4] === 'absent')
else await main(Number(first ?? 200_000), Number(rest[0] ?? 2000), Number(rest[1] ?? 3))

async function main(keys: number, gets: number, rounds: number): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'holtfs-bench-'))
  try {
    const stores = await fill(scratch, keys)
    for (const kind of ['present', 'absent']) {
      const results: Record<string, { ns: number; read: number; device: number }[]> = {}
      for (let round = 0; round < rounds; round++) {
        for (const subject of Object.keys(SUBJECTS)) {
          const argv = [
            '--child',
            subject,
            stores[subject.split(/ |,/).slice(0, 2).join(' ')],
            `${keys}`,
            `${gets}`,
            kind,
          ]
          const script = fileURLToPath(import.meta.url)
          const line = execFileSync(process.execPath, ['--import=tsx', script, ...argv], { encoding: 'utf8' })
          results[subject] ??= []
          results[subject].push(JSON.parse(line))
        }
      }
      console.log(`\n${gets} gets of ${kind} keys among ${keys}, files out of the page cache`)
      for (const [subject, values] of Object.entries(results)) {
        const of = (pick: 'ns' | 'read' | 'device') => median(values.map(value => value[pick]))
        const figures = `${(of('ns') / 1000).toFixed(1)} µs, read ${Math.round(of('read'))} B, device ${Math.round(of('device'))} B`
        console.log(`${subject.padEnd(26)} a get: ${figures}`)
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Fills one store a kind; returns their directories. */
async function fill(scratch: string, keys: number): Promise<Record<string, string>> {
  const dataset = new Dataset(keys)
  const stores: Record<string, string> = {}
  for (const kind of ['holtfs routed', 'holtfs plain', 'lmdb']) {
    stores[kind] = mkdtempSync(join(scratch, 'store-'))
    const store = kind === 'lmdb' ? openLmdb(stores[kind]) : openHoltfs(stores[kind])
    const value = Buffer.alloc(VALUE_BYTES)
    for (let i = 0; i < keys; i += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, keys - i) }, (_, j) => dataset.keyOf(i + j))
      await store.putAll(batch, 0, batch.length, j => {
        fillValue(value, i + j, 0)
        return value
      })
    }
    if (kind === 'holtfs routed') await store.compact?.()
    await store.close()
  }
  execFileSync('sync')
  return stores
}

/** In a child: prints what a get costs. */
async function measure(subject: string, directory: string, keys: number, gets: number, absent: boolean): Promise<void> {
  const dataset = new Dataset(keys)
  const chosen = (i: number) => dataset.order[(i * 7919) % keys]
  const keyOf = (i: number) => {
    const key = dataset.keyOf(chosen(i))
    return absent ? Buffer.concat([key.subarray(0, -1), Buffer.from('x')]) : key
  }
  const expected = Buffer.alloc(VALUE_BYTES)
  const read = (store: Reader, i: number, key: Buffer) => {
    const found = store.get(key)
    if (absent) {
      if (found !== undefined) throw new Error('an absent key is there')
      return
    }
    fillValue(expected, chosen(i), 0)
    if (found === undefined || expected.compare(found) !== 0) throw new Error('wrong value')
  }
  let store = SUBJECTS[subject](directory)
  for (let i = gets; i < gets + WARM_UP; i++) read(store, i, keyOf(i))
  await store.close()
  drop(directory)
  store = SUBJECTS[subject](directory)
  const wanted = Array.from({ length: gets }, (_, i) => keyOf(i))
  const before = io()
  const begin = process.hrtime.bigint()
  for (let i = 0; i < gets; i++) read(store, i, wanted[i])
  const ns = Number(process.hrtime.bigint() - begin) / gets
  const after = io()
  await store.close()
  const each = (name: string) => (after[name] - before[name]) / gets
  console.log(JSON.stringify({ ns, read: each('rchar'), device: each('read_bytes') }))
}

function io(): Record<string, number> {
  const lines = readFileSync('/proc/self/io', 'utf8').trim().split('\n')
  return Object.fromEntries(lines.map(line => line.split(': ')).map(([name, value]) => [name, Number(value)]))
}

/** Takes the files out of the page cache. */
function drop(directory: string): void {
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name)
    if (statSync(path).isFile()) execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}
