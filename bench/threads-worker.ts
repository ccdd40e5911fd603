/** One of the threads that read and write a shared tree. Every value that it reads is checked. */
import { parentPort, workerData } from 'node:worker_threads'
import type { StoreHandle } from '../src/index.ts'
import { Dataset, FILES_PER_DIRECTORY, fillValue, VALUE_BYTES } from './dataset.ts'

export interface ThreadData {
  handle: StoreHandle
  /** Which of how many parts of the tree is this thread's own. */
  part: number
  parts: number
  records: number
}

export interface ThreadTask {
  workload: string
  milliseconds: number
  /** How many are ready to begin. */
  ready: Int32Array
}

export interface ThreadAnswer {
  /** Operations a second. */
  rate: number
  error?: string
}

const GETS = 'get'
const PUTS_APART = 'put, each in its own subtrees'
const PUTS_TOGETHER = 'put, all to the same 100 keys'
const MIXED = '50 % get, 50 % put, anywhere'
export const WORKLOADS = [GETS, PUTS_APART, PUTS_TOGETHER, MIXED]

/** Keys that are made before the clock starts. */
const MOST_KEYS = 40_000
/** Operations between two looks at the clock. */
const CHUNK = 100

async function serve(data: ThreadData): Promise<void> {
  const library = new URL('../dist/index.js', import.meta.url).href
  const { openShared }: typeof import('../src/index.ts') = await import(library)
  const tree = openShared(data.handle)
  const dataset = new Dataset(data.records)
  const value = Buffer.alloc(VALUE_BYTES)
  let generation = 0

  const keysOf = (indexes: Uint32Array) => Array.from(indexes, index => ({ index, key: dataset.keyOf(index) }))
  const shift = Math.floor((dataset.count / data.parts) * data.part)
  const anywhere = keysOf(dataset.order.subarray(shift, shift + MOST_KEYS))
  const own = keysOf(dataset.order.filter(index => ownerOf(index, data.parts) === data.part).subarray(0, MOST_KEYS))
  const same = keysOf(Uint32Array.from({ length: FILES_PER_DIRECTORY }, (_, file) => file))
  const targets: Record<string, typeof anywhere> = { [PUTS_APART]: own, [PUTS_TOGETHER]: same }

  const get = (key: Buffer, index: number) => {
    if (tree.getInto(key, key.length, value, 0) !== VALUE_BYTES || value[0] !== (index & 0xff))
      throw new Error(`wrong answer: get of ${key}`)
  }
  const put = (key: Buffer, index: number) => {
    fillValue(value, index, ++generation)
    tree.put(key, value)
  }

  const run = ({ workload, milliseconds, ready, workers }: ThreadTask & { workers: number }): number => {
    const visited = targets[workload] ?? anywhere
    Atomics.add(ready, 0, 1)
    while (Atomics.load(ready, 0) < workers);
    const begin = performance.now()
    let done = 0
    for (;;) {
      for (let n = 0; n < CHUNK; n++, done++) {
        const { key, index } = visited[done % visited.length]
        if (workload === GETS || (workload === MIXED && done % 2 === 0)) get(key, index)
        else put(key, index)
      }
      const elapsed = performance.now() - begin
      if (elapsed >= milliseconds) return (done / elapsed) * 1000
    }
  }

  parentPort!.on('message', task => {
    let answer: ThreadAnswer
    try {
      answer = { rate: run(task) }
    } catch (error) {
      answer = { rate: 0, error: String((error as Error).stack) }
    }
    parentPort!.postMessage(answer)
  })
  parentPort!.postMessage('ready')
}

/** Directories are dealt out in stretches, so that each thread's are next to each other in the tree. */
function ownerOf(index: number, parts: number): number {
  return Math.floor(index / FILES_PER_DIRECTORY / 50) % parts
}

if (parentPort !== null) await serve(workerData)
