/**
 * What it costs to append a record of 100 bytes to the log and have it acknowledged with durability `process`, by one
 * thread and by two, and a `tree.put` over an existing record. Arms are measured in turn, each in a process of its own.
 *
 *     npm run build && node --import tsx bench/journal-append.ts [DIST…]
 *
 * DIST are directories of compiled versions to compare; the default is ./dist. Each gives an arm `write`, whose log is
 * written by write(2), and where this version and host can map files one called `mapped`.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { startThread } from '../src/thread.ts'

const ROUNDS = 9
const APPENDS = 100_000
const PUTS = 50_000
const KEYS = 10_000
const BODY = 100
const SEGMENT = 16 << 20
const self = fileURLToPath(import.meta.url)

interface Task {
  dist: string
  mapped: boolean
}

const load = (dist: string, file: string) => import(pathToFileURL(join(dist, file)).href)

async function modules({ dist, mapped }: Task) {
  const [{ Journal }, { createJournalShared }, { hostStorage }] = await Promise.all(
    ['journal/journal.js', 'journal/shared.js', 'journal/storage.js'].map(file => load(dist, file)),
  )
  const canMap = hostStorage.mapping !== undefined
  return {
    Journal,
    createJournalShared,
    canMap,
    storage: mapped ? hostStorage : { ...hostStorage, mapping: undefined },
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a journal of any version
function appendMany(journal: any, count: number): number {
  const body = new Uint8Array(BODY).map((_, i) => i)
  const begin = process.hrtime.bigint()
  for (let i = 0; i < count; i++) {
    body[0] = i
    journal.commit(journal.append(1, body, BODY))
  }
  return Number(process.hrtime.bigint() - begin)
}

/** One arm: measures on every message what it is asked for, in ns an operation. */
async function arm(task: Task): Promise<void> {
  const { Journal, createJournalShared, canMap, storage } = await modules(task)
  const root = mkdtempSync(join(tmpdir(), 'holtfs-journal-'))
  const directory = join(root, 'wal')
  const options = { durability: 'process', segmentBytes: SEGMENT }
  const shared = createJournalShared()
  const journal = Journal.start(storage, directory, shared, { lastSeq: 0, durableSeq: 0 }, options)
  const worker = startThread(import.meta.url, './journal-append', { workerData: { task, directory, shared, options } })
  await once(worker, 'message')
  const { openTree } = await load(task.dist, 'index.js')
  const { openStore } = await load(task.dist, 'engine/store.js')
  const store = task.mapped
    ? { tree: openTree(join(root, 'store'), { background: false }) }
    : openStore(join(root, 'store'), { background: false, storage })
  const keys = Array.from({ length: KEYS }, (_, i) => Buffer.from(`/usr/local/share/category-${i % 97}/file-${i}`))
  const value = Buffer.alloc(32, 7)
  for (const key of keys) store.tree.put(key, value)
  const measure: Record<string, () => Promise<number>> = {
    'append, 1 thread': async () => appendMany(journal, APPENDS) / APPENDS,
    'append, 2 threads': async () => {
      const answer = once(worker, 'message')
      const begin = process.hrtime.bigint()
      worker.postMessage(APPENDS)
      appendMany(journal, APPENDS)
      await answer
      return Number(process.hrtime.bigint() - begin) / (2 * APPENDS)
    },
    'tree.put': async () => {
      const begin = process.hrtime.bigint()
      for (let i = 0; i < PUTS; i++) store.tree.put(keys[(i * 7919) % KEYS], value)
      return Number(process.hrtime.bigint() - begin) / PUTS
    },
  }
  process.on('message', async (name: string) => {
    if (name in measure) {
      const ns = await measure[name]()
      journal.trim(journal.lastSeq())
      process.send?.(ns)
      return
    }
    await worker.terminate()
    store.tree.close()
    journal.close()
    rmSync(root, { recursive: true })
    process.disconnect()
  })
  process.send?.(canMap)
}

async function thread(): Promise<void> {
  const { task, directory, shared, options } = workerData
  const { Journal, storage } = await modules(task)
  const journal = Journal.attach(storage, directory, shared, options)
  parentPort?.on('message', (count: number) => {
    appendMany(journal, count)
    parentPort?.postMessage('done')
  })
  parentPort?.postMessage('ready')
}

async function main(dists: string[]): Promise<void> {
  const arms = []
  for (const dist of dists) {
    for (const mapped of [false, true]) {
      const child = fork(self, ['--arm', JSON.stringify({ dist: resolve(dist), mapped })])
      const [canMap] = await once(child, 'message')
      if (mapped && !canMap) child.send('end')
      else arms.push({ name: `${dist} ${mapped ? 'mapped' : 'write'}`, child })
    }
  }
  for (const what of ['append, 1 thread', 'append, 2 threads', 'tree.put']) {
    const figures = arms.map((): number[] => [])
    for (let round = -1; round < ROUNDS; round++) {
      for (const [i, { child }] of arms.entries()) {
        child.send(what)
        const [ns] = await once(child, 'message')
        if (round >= 0) figures[i].push(ns)
      }
    }
    const medians = figures.map(values => values.sort((a, b) => a - b)[values.length >> 1])
    for (const [i, { name }] of arms.entries()) {
      const ratio = (medians[0] / medians[i]).toFixed(2)
      console.log(`${what.padEnd(18)} ${name.padEnd(40)} ${medians[i].toFixed(0).padStart(6)} ns  ${ratio}×`)
    }
  }
  for (const { child } of arms) child.send('end')
}

if (!isMainThread) await thread()
else if (process.argv[2] === '--arm') await arm(JSON.parse(process.argv[3]))
else await main(process.argv.length > 2 ? process.argv.slice(2) : ['dist'])
