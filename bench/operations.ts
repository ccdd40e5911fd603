/**
 * What one operation of the filesystem costs in the server, without a kernel: threads call the operations as FUSE workers do,
 * each in a directory of its own. `node --import tsx bench/operations.ts [ROUNDS] [DIST...]`: builds that are given are taken in
 * turn in every round, and compared by the median of each round's ratio with the first.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../src/thread.ts'
import type { OperationsThread } from './operations-thread.ts'

const THREADS = [1, 2, 4]
const COUNT = 2000

const [rounds = '5', ...given] = process.argv.slice(2)
const builds =
  given.length > 0 ? given.map(each => resolve(each)) : [fileURLToPath(new URL('../dist', import.meta.url))]

/** By operation: microseconds of processor time of one, and of the clock for each that all threads together did. */
async function measure(build: string, threads: number): Promise<Map<string, [number, number]>> {
  const from = (path: string) => import(pathToFileURL(join(build, path)).href)
  const { openStore } = await from('engine/store.js')
  const { createFsShared } = await from('fs/shared.js')
  const { makeFileSystem } = await from('fs/attach.js')
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-operations-'))
  const store = openStore(join(directory, 'store'), {})
  const handle = { store: store.share(), shared: createFsShared(), directory: store.directory, readOnly: false }
  makeFileSystem(handle, store.tree).format(0, 0)
  const module = pathToFileURL(join(build, 'fs/attach.js')).href
  const workers = Array.from({ length: threads }, (_, thread) => {
    const input: OperationsThread = { module, handle, thread, count: COUNT }
    return startThread(import.meta.url, './operations-thread', { workerData: input })
  })
  const steps = (await Promise.all(workers.map(answer)))[0] as string[]
  const figures = new Map<string, [number, number]>()
  // The first time warms up.
  for (const isWarm of [false, true]) {
    for (const step of steps) {
      for (const worker of workers) worker.postMessage(step)
      const taken = (await Promise.all(workers.map(answer))) as [number, number][]
      const processor = taken.reduce((sum, [time]) => sum + time, 0) / threads
      if (isWarm) figures.set(step, [processor, Math.max(...taken.map(([, clock]) => clock)) / threads])
    }
  }
  await Promise.all(workers.map(worker => worker.terminate()))
  store.close()
  rmSync(directory, { recursive: true })
  return figures
}

function answer(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done = (message: unknown) => {
      worker.off('error', reject)
      resolve(message)
    }
    worker.once('error', reject)
    worker.once('message', done)
  })
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]
}

const taken = new Map<string, number[]>()
for (let round = 0; round < Number(rounds); round++) {
  for (const threads of THREADS) {
    for (const [i, build] of builds.entries()) {
      for (const [step, figures] of await measure(build, threads)) {
        for (const [clock, figure] of figures.entries()) {
          const key = `${step}|${threads}|${clock}|${i}`
          taken.set(key, [...(taken.get(key) ?? []), figure])
        }
      }
    }
  }
}
console.log(`Median of ${rounds} rounds, µs an operation; columns: ${THREADS.join(', ')} threads.`)
for (const [clock, what] of [
  'processor time of an operation',
  'time until the next one is done by any thread',
].entries()) {
  console.log(`\n${what}`)
  for (const step of new Set([...taken.keys()].map(key => key.split('|')[0]))) {
    const cells = THREADS.map(threads => {
      const of = (i: number) => taken.get(`${step}|${threads}|${clock}|${i}`) as number[]
      const ratios = builds.slice(1).map((_, i) => `(x${median(of(i + 1).map((v, at) => v / of(0)[at])).toFixed(2)})`)
      return [median([...of(0)]).toFixed(1), ...ratios].join(' ').padStart(16)
    })
    console.log(step.padEnd(26), ...cells)
  }
}
