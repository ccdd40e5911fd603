/**
 * The soak: client processes of several kinds on one mount with a small pool, while its server is killed again and again; at the end
 * everything is compared with what the clients know, before and after a remount, the store is checked, and it is judged
 * whether anything has grown. The first third of the time nobody is killed, so that one server gets old.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { holtfs, RealMount, run, sh } from '../mount/real-mount.ts'
import { seededRandom } from '../support/random.ts'
import { FsxWorker } from './fsx-worker.ts'
import { Killer } from './killer.ts'
import { availablePrograms, MAKE_SOURCE } from './programs.ts'
import { filesOf, MEASURES, type Measure, memoryOf, quantile, type Sample, type Trend, trendOf } from './samples.ts'
import { Statistics } from './statistics.ts'
import { ChurnWorker, type Failure, type Place, ScriptWorker, type Worker } from './worker.ts'

export interface SoakOptions {
  /** Milliseconds of work; what comes before and after is on top. */
  duration: number
  seed: number
  /** Threads of the server. */
  workers: number
  /** Milliseconds between two kills on average; 0 for none. */
  killEvery: number
  /** Bytes of the pool, as `--pool` takes them. */
  pool: string
  /** Files that each churning client keeps. */
  files: number
  /** Milliseconds between two samples. */
  sampleEvery: number
  onProgress?: (progress: Progress) => void
  /** When it is aborted, all clients are killed, and the run is worth nothing any more. */
  signal?: AbortSignal
}

export interface Progress {
  seconds: number
  kills: number
  failures: number
  operations: Record<string, number>
  sample: Sample
}

export interface SoakResult {
  seed: number
  seconds: number
  kills: number
  /** Calls of the churning clients, rounds of the programs. */
  operations: Record<string, number>
  /** Milliseconds without a server. */
  pauses: { median: number; p99: number; worst: number }
  /** Milliseconds of the longest call of a churning client. */
  longestCall: number
  /** Whatever a client saw that was not as it should be, and what was found afterwards. */
  failures: Failure[]
  trends: Partial<Record<Measure, Trend>>
  /** Counters of all servers together. */
  counters: Record<string, number>
  /** Bytes of the store when it is closed. */
  closed: Sample
}

const CHURNING = 2
/** Milliseconds that clients have to come to their end. */
const LEAVE = 240_000

/** @throws what mounting and checking throw */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const begun = performance.now()
  const seconds = () => Math.round((performance.now() - begun) / 1000)
  const mount = new RealMount('soak')
  const failures: Failure[] = []
  const place: Place = {
    mount: mount.path,
    scratch: join(mount.directory, 'scratch'),
    source: join(mount.directory, 'source'),
    stop: join(mount.directory, 'stop'),
    fail: failure => failures.push({ ...failure, at: seconds() }),
  }
  mkdirSync(place.scratch)
  mkdirSync(place.source)
  await sh(MAKE_SOURCE, place.source)
  const how = ['--workers', String(options.workers), '--pool', options.pool]
  await mount.mount(...how)
  const workers = makeWorkers(place, options)
  options.signal?.addEventListener('abort', () => {
    for (const worker of workers) worker.kill()
  })
  const killer = new Killer(mount, options.killEvery, seededRandom(options.seed))
  const statistics = new Statistics(mount)
  const samples: Sample[] = []
  const runs = Promise.all(workers.map(worker => worker.run()))
  const end = performance.now() + options.duration
  const isOver = () => performance.now() >= end
  const watch = async () => {
    while (!isOver()) {
      await sleep(Math.min(options.sampleEvery, Math.max(0, end - performance.now())))
      const sample = take(mount)
      samples.push(sample)
      if (samples.length % 3 === 0) await statistics.take()
      const { kills } = killer
      options.onProgress?.({
        seconds: seconds(),
        kills,
        failures: failures.length,
        operations: operationsOf(workers),
        sample,
      })
    }
  }
  const kill = async () => {
    await sleep(options.duration / 3)
    if (options.killEvery > 0) await killer.run(isOver)
  }
  await Promise.all([watch(), kill().catch(error => place.fail({ worker: 'server', what: String(error.message) }))])
  await statistics.take()

  writeFileSync(place.stop, '')
  const late = setTimeout(() => {
    for (const worker of workers) worker.kill()
  }, LEAVE)
  for (const worker of workers) worker.stop()
  await runs
  clearTimeout(late)
  const pauses = killer.pauses()
  for (const how of ['before', 'after'] as const) {
    if (how === 'after') await mount.mount()
    for (const worker of workers) await worker.verify()
    await umount(mount, place)
    await check(mount, place, how)
  }
  return {
    seed: options.seed,
    seconds: seconds(),
    kills: killer.kills,
    operations: operationsOf(workers),
    pauses: { median: quantile(pauses, 0.5), p99: quantile(pauses, 0.99), worst: quantile(pauses, 1) },
    longestCall: workers.reduce((longest, worker) => Math.max(longest, worker.longest), 0),
    failures,
    trends: trendsOf(samples, place),
    counters: statistics.sums(),
    closed: filesOf(mount.store),
  }
}

function makeWorkers(place: Place, { seed, files }: SoakOptions): Worker[] {
  const workers: Worker[] = [new FsxWorker(place, seed * 1000)]
  for (let i = 0; i < CHURNING; i++) workers.push(new ChurnWorker(`churn${i}`, place, seed * 1000 + i * 100, files))
  for (const [name, program] of availablePrograms()) workers.push(new ScriptWorker(name, place, program))
  return workers
}

function operationsOf(workers: readonly Worker[]): Record<string, number> {
  return Object.fromEntries(workers.map(({ name, operations }) => [name, operations]))
}

function take(mount: RealMount): Sample {
  const [supervisor] = mount.processes()
  const sample = filesOf(mount.store)
  const own = supervisor === undefined ? undefined : memoryOf(supervisor)
  const servers = serverMemory(mount)
  return { ...sample, ...(own && { supervisor: own }), ...(servers && { server: servers }) }
}

/** Undefined while there is no server. */
function serverMemory(mount: RealMount): number | undefined {
  try {
    return memoryOf(mount.serverPid())
  } catch {
    return undefined
  }
}

function trendsOf(samples: readonly Sample[], place: Place): Partial<Record<Measure, Trend>> {
  const trends: Partial<Record<Measure, Trend>> = {}
  for (const measure of MEASURES) {
    // Of the servers only the one counts that nobody killed.
    const those = measure === 'server' ? samples.slice(0, Math.floor(samples.length / 3)) : samples
    const trend = trendOf(measure, those)
    if (trend === undefined) continue
    trends[measure] = trend
    if (trend.grows) place.fail({ worker: measure, what: `grows from ${trend.first} to ${trend.last}` })
  }
  return trends
}

/** Unmounts; when the mount does not end, says what its processes are at, and ends them. */
async function umount(mount: RealMount, place: Place): Promise<void> {
  try {
    await mount.umount()
  } catch (error) {
    const pids = mount.processes().join(' ')
    const { out } = await run('/bin/sh', [
      '-c',
      `ps -o pid,ppid,stat,wchan:32,etime,args -L -p '${pids}'; tail "$0"`,
      join(mount.store, 'holtfs.log'),
    ])
    place.fail({ worker: 'umount', what: `${(error as Error).message}\n${out}` })
    await mount.kill()
  }
}

async function check(mount: RealMount, place: Place, when: string): Promise<void> {
  const { code, out, err } = await holtfs('check', mount.store)
  if (code !== 0) place.fail({ worker: 'check', what: `${when} the remount: ${err}${out.slice(0, 3000)}` })
}
