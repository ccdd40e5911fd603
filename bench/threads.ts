/**
 * One tree, read and written by 1, 2 and 4 worker threads: changes a second of all of them together. The numbers of
 * workers take turns, round after round; one round more goes first and is not counted.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../src/thread.ts'
import { Dataset } from './dataset.ts'
import type { Row, Table } from './figures.ts'
import { SortedRecords } from './sorted-records.ts'
import { CACHE_BYTES } from './stores/store.ts'
import { type ThreadAnswer, type ThreadData, type ThreadTask, WORKLOADS } from './threads-worker.ts'

const library = new URL('../dist/index.js', import.meta.url).href
const { openStore }: typeof import('../src/index.ts') = await import(library)

const RECORDS = 200_000
const WORKERS = [1, 2, 4]
/** Milliseconds of one measurement. */
const DURATION = 200

/** @throws when a worker reads a wrong value, or the tree's structure is damaged at the end. */
export async function benchThreads(scratch: string, rounds: number): Promise<Table[]> {
  const directory = mkdtempSync(join(scratch, 'threads-'))
  const store = openStore(directory, { poolBytes: CACHE_BYTES })
  store.tree.load(new SortedRecords(new Dataset(RECORDS)))
  const workers: Worker[] = []
  const most = Math.max(...WORKERS)
  try {
    for (let part = 0; part < most; part++) {
      const workerData: ThreadData = { handle: store.share(), part, parts: most, records: RECORDS }
      workers.push(startThread(import.meta.url, './threads-worker', { workerData }))
    }
    await Promise.all(workers.map(worker => once(worker, 'message')))
    const title = `One tree of ${RECORDS.toLocaleString('en')} keys, all workers together`
    const subjects = WORKERS.map(subject)
    const rows: Row[] = []
    for (const workload of WORKLOADS) {
      process.stderr.write(`threads: ${workload}\n`)
      rows.push({ operation: workload, unit: 'a second', values: await compare(workers, workload, rounds) })
    }
    const { problems } = store.tree.check()
    if (problems.length > 0) throw new Error(`the tree is damaged: ${problems[0]}`)
    return [{ title, subjects, scaling: true, rows }]
  } finally {
    await Promise.all(workers.map(worker => worker.terminate()))
    store.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function subject(workers: number): string {
  return workers === 1 ? '1 worker' : `${workers} workers`
}

async function compare(workers: Worker[], workload: string, rounds: number): Promise<Row['values']> {
  const values: Row['values'] = Object.fromEntries(WORKERS.map(count => [subject(count), []]))
  for (let round = 0; round <= rounds; round++) {
    for (const count of WORKERS) {
      const rate = await measure(workers.slice(0, count), workload)
      if (round > 0) values[subject(count)].push(rate)
    }
  }
  return values
}

/** Operations a second of all of them, which begin together. */
async function measure(workers: Worker[], workload: string): Promise<number> {
  const task: ThreadTask = { workload, milliseconds: DURATION, ready: new Int32Array(new SharedArrayBuffer(4)) }
  const answers = workers.map(worker => once(worker, 'message') as Promise<[ThreadAnswer]>)
  for (const worker of workers) worker.postMessage({ ...task, workers: workers.length })
  let sum = 0
  for (const [answer] of await Promise.all(answers)) {
    if (answer.error !== undefined) throw new Error(answer.error)
    sum += answer.rate
  }
  return sum
}
