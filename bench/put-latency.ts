/**
 * `npm run build && node --import tsx bench/put-latency.ts [rounds] [--dir DIRECTORY]`: how long single puts take, at the
 * usual durability, while a second thread is idle, makes blobs sparse and merges and compacts them again, or writes one
 * checkpoint round after the other. The three take turns, a second each, so that a machine that slows down slows all.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openStore } from '../dist/index.js'
import { startThread } from '../src/thread.ts'

const MODES = ['idle', 'merging', 'rounds'] as const
const KEYS = 200_000

/** Milliseconds of one turn. */
const TURN = 1000
const QUANTILES = { p50: 0.5, p99: 0.99, 'p99.9': 0.999, max: 1 }

const { values, positionals } = parseArgs({
  options: { dir: { type: 'string', default: tmpdir() } },
  allowPositionals: true,
})
const rounds = Number(positionals[0] ?? 8)
const directory = mkdtempSync(join(values.dir, 'holtfs-latency-'))
const store = openStore(directory)
const { tree } = store
const key = Buffer.alloc(9, 'm')
const value = Buffer.alloc(112, 'v')

function keyOf(space: number, n: number): Buffer {
  key[0] = space
  key.writeUInt32BE(n, 5)
  return key
}

for (const space of [1, 2]) for (let n = 0; n < KEYS; n++) tree.put(keyOf(space, n), value)
tree.checkpoint()

const words = new Int32Array(new SharedArrayBuffer(8))
const workerData = { handle: store.share(), words }
const worker = startThread(import.meta.url, './put-latency-thread', { workerData })
await once(worker, 'online')

/** Nanoseconds of each put, by mode. */
const taken: Record<string, Float64Array> = Object.fromEntries(MODES.map(mode => [mode, new Float64Array(4_000_000)]))
const counts: Record<string, number> = Object.fromEntries(MODES.map(mode => [mode, 0]))
const done: Record<string, string[]> = Object.fromEntries(MODES.map(mode => [mode, []]))
let n = 0
for (let round = 0; round <= rounds; round++) {
  for (const mode of MODES) {
    const before = tree.stats().counters
    Atomics.store(words, 0, MODES.indexOf(mode))
    Atomics.notify(words, 0)
    const times = taken[mode]
    const end = performance.now() + TURN
    while (performance.now() < end) {
      for (let i = 0; i < 64; i++) {
        n = (n + 7919) % KEYS
        const start = process.hrtime.bigint()
        tree.put(keyOf(1, n), value)
        const time = Number(process.hrtime.bigint() - start)
        if (round > 0 && counts[mode] < times.length) times[counts[mode]++] = time
      }
    }
    Atomics.store(words, 0, 0)
    // The thread starts up, and shows its errors, only while this one is not busy.
    await setTimeout(100)
    while (Atomics.load(words, 1) !== 0) Atomics.wait(words, 1, 1, 10)
    const after = tree.stats().counters
    const what = (['merges', 'compactions', 'rounds', 'copiesAside'] as const).map(name => after[name] - before[name])
    if (round > 0) done[mode].push(what.join('/'))
  }
}

for (const mode of MODES) {
  const sorted = taken[mode].subarray(0, counts[mode]).sort()
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] / 1000
  const figures = Object.entries(QUANTILES).map(([name, q]) => `${name} ${at(q).toFixed(1)} µs`)
  console.log(`${mode.padEnd(8)} ${counts[mode]} puts: ${figures.join(', ')}`)
  console.log(`         merges/compactions/rounds/copies aside in each turn: ${done[mode].join(' ')}`)
}
await worker.terminate()
store.close()
rmSync(directory, { recursive: true })
