/**
 * `npm run build && node --import tsx bench/sustained-puts.ts [--keys N] [--pool MB] [--seconds S] [--turn S] [--dir DIRECTORY]
 * [--engine DIST ...]`: random puts over existing keys for a while, with the background thread on. Says for each turn and for
 * all what a put took: wall time, processor time of the putting thread and of the process, how long the thread waited for a
 * processor (the machine's fault, not the engine's), and the quantiles of single puts. With several builds of the engine they
 * take turns, so that a machine that slows down slows all.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '2000000' },
    pool: { type: 'string', default: '512' },
    seconds: { type: 'string', default: '60' },
    turn: { type: 'string', default: '10' },
    dir: { type: 'string', default: tmpdir() },
    engine: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '1' },
  },
})

const VALUE_BYTES = 32
/** Milliseconds: of a put that takes longer, the time without a processor is found out and taken off. */
const LONG = 0.05
/** A put that takes longer even so is named, with what the engine did meanwhile. */
const SLOW = 2
const text = Buffer.alloc(256)
/** Buckets of the histogram: 16 to each doubling, from 0.1 µs on. */
const BUCKETS = 512

if (values.engine.length > 1) {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const engine of values.engine) {
      console.log(`-- ${engine}`)
      const { keys, pool, seconds, turn, dir } = values
      const options = Object.entries({ keys, pool, seconds, turn, dir, engine }).map(([name, at]) => `--${name}=${at}`)
      const file = fileURLToPath(import.meta.url)
      spawnSync(process.execPath, [...process.execArgv, file, ...options], { stdio: 'inherit' })
    }
  }
} else await run()

/** Nanoseconds that this thread had a processor, and waited for one. */
function schedule(fd: number): [number, number] {
  const length = readSync(fd, text, 0, text.length, 0)
  const [ran, waited] = text.toString('latin1', 0, length).split(' ').map(Number)
  return [ran, waited]
}

async function run(): Promise<void> {
  const dist = values.engine[0] ?? fileURLToPath(new URL('../dist', import.meta.url))
  const { openStore } = await import(pathToFileURL(join(resolve(dist), 'index.js')).href)
  const count = Number(values.keys)
  const directory = mkdtempSync(join(values.dir, 'holtfs-sustained-'))
  const store = openStore(directory, { poolBytes: Number(values.pool) * 1048576 })
  const { tree } = store
  const ids = new Uint32Array(count)
  for (let n = 0; n < count; n++) ids[n] = Math.imul(n + 1, 2654435761)
  ids.sort()
  const key = Buffer.from('record/0000')
  const value = Buffer.alloc(VALUE_BYTES, 'v')
  tree.load(
    (function* () {
      for (const id of ids) {
        key.writeUInt32BE(id, 7)
        yield { key, value }
      }
    })(),
  )
  tree.checkpoint()

  const histogram = new Float64Array(BUCKETS)
  const total = { puts: 0, wall: 0, ran: 0, waited: 0, process: 0 }
  const slow: string[] = []
  let random = 12345
  const fd = openSync('/proc/thread-self/schedstat', 'r')
  const turns = Math.ceil(Number(values.seconds) / Number(values.turn))
  const first = tree.stats()
  for (let turn = 0; turn < turns; turn++) {
    const before = tree.stats()
    const [ran, waited] = schedule(fd)
    let known = waited
    const used = process.cpuUsage()
    const started = performance.now()
    const end = started + Number(values.turn) * 1000
    let seen = tree.stats()
    let puts = 0
    let time = started
    while (time < end) {
      for (let i = 0; i < 256; i++) {
        random = (Math.imul(random, 1664525) + 1013904223) >>> 0
        key.writeUInt32BE(ids[Math.floor((random / 4294967296) * count)], 7)
        value.writeUInt32LE(random, 0)
        const from = performance.now()
        tree.put(key, value)
        time = performance.now()
        let took = time - from
        if (took > LONG) {
          const now = schedule(fd)[1]
          took = Math.max(0.001, took - (now - known) / 1e6)
          known = now
        }
        histogram[Math.min(BUCKETS - 1, Math.max(0, Math.floor(16 * Math.log2(took * 10000))))]++
        if (took > SLOW) {
          const now = tree.stats()
          if (slow.length < 40)
            slow.push(
              `${took.toFixed(1)} ms at ${((time - started) / 1000).toFixed(2)} s of turn ${turn}: ${changed(seen, now)}`,
            )
          seen = now
        }
      }
      puts += 256
      known = schedule(fd)[1]
      if (puts % 4096 === 0) seen = tree.stats()
    }
    const after = tree.stats()
    const wall = performance.now() - started
    const [ranAfter, waitedAfter] = schedule(fd)
    const { user, system } = process.cpuUsage(used)
    total.puts += puts
    total.wall += wall
    total.ran += ranAfter - ran
    total.waited += waitedAfter - waited
    total.process += user + system
    console.log(
      `${puts} puts, a put: ${each(wall * 1e6, puts)} wall, ${each(ranAfter - ran, puts)} of the thread, ${each((user + system) * 1000, puts)} of the process, ${each(waitedAfter - waited, puts)} without a processor, ${each(wall * 1e6 - (ranAfter - ran) - (waitedAfter - waited), puts)} asleep; ${changed(before, after)}`,
    )
  }
  const last = tree.stats()
  console.log(
    `all: ${total.puts} puts, a put: ${each(total.wall * 1e6, total.puts)} wall, ${each(total.ran, total.puts)} of the thread, ${each(total.process * 1000, total.puts)} of the process, ${each(total.waited, total.puts)} without a processor, ${each(total.wall * 1e6 - total.ran - total.waited, total.puts)} asleep; less the time without a processor: ${quantiles(histogram)}`,
  )
  console.log(`     ${changed(first, last)}; ${last.dirtyFrames} of ${last.residentFrames} resident frames dirty`)
  for (const line of slow) console.log(`     ${line}`)
  const closing = performance.now()
  store.close()
  console.log(`     closed in ${Math.round(performance.now() - closing)} ms`)
  rmSync(directory, { recursive: true })
}

function each(nanoseconds: number, puts: number): string {
  return `${(nanoseconds / 1000 / puts).toFixed(2)} µs`
}

type Numbers = Record<string, unknown>

/** What became of each number of the statistics. */
function changed(before: Numbers, after: Numbers): string {
  const parts: string[] = []
  const compare = (from: Numbers, to: Numbers) => {
    for (const [name, now] of Object.entries(to)) {
      const then = from[name]
      if (typeof now === 'object' && now !== null) compare((then ?? {}) as Numbers, now as Numbers)
      else if (typeof now === 'number' && now !== (then ?? 0) && !/Seq|Hits|Misses|Restarts|appends/.test(name))
        parts.push(`${name} +${Math.round(now - Number(then ?? 0))}`)
    }
  }
  compare(before, after)
  return parts.join(' ')
}

function quantiles(histogram: Float64Array): string {
  const all = histogram.reduce((sum, count) => sum + count, 0)
  const parts = []
  for (const [name, share] of Object.entries({ p50: 0.5, p99: 0.99, 'p99.9': 0.999, 'p99.99': 0.9999, max: 1 })) {
    let below = 0
    let bucket = 0
    while (bucket < BUCKETS - 1 && below + histogram[bucket] < share * all) below += histogram[bucket++]
    parts.push(`${name} ${(2 ** ((bucket + 1) / 16) / 10).toFixed(1)} µs`)
  }
  return parts.join(', ')
}
