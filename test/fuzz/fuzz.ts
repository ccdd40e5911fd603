/**
 * Fuzzes one target: a worker thread runs inputs, this one watches that it comes back from each, and gives it up when it does
 * not. What the worker is at stands in shared memory, so it is known whatever becomes of the thread.
 */
import { startThread } from '../../src/thread.ts'

/** Shared by both threads: words, then the bytes of the input that is being run. */
export const W_INPUTS = 0
export const W_LENGTH = 1
export const W_CORPUS = 2
const WORDS = 4
const LARGEST_INPUT = 32 << 20

export interface FuzzOptions {
  target: string
  seed: number
  seconds: number
  /** Milliseconds after which an input counts as endless. */
  patience: number
}

export interface Finding {
  target: string
  problem: string
  /** Bytes of the smallest input that shows it. */
  input: Uint8Array
}

export interface FuzzResult {
  target: string
  seed: number
  inputs: number
  /** Inputs kept because they reached something new. */
  kept: number
  /** Source files to the part of their text that was reached. */
  coverage: Record<string, number>
  finding?: Finding
}

export interface FuzzWorkerData extends FuzzOptions {
  shared: SharedArrayBuffer
  /** Run this input and nothing else. */
  only?: Uint8Array
}

export interface FuzzProgress {
  inputs: number
  kept: number
}

export function sharedViews(shared: SharedArrayBuffer): { words: Int32Array; bytes: Uint8Array } {
  return { words: new Int32Array(shared, 0, WORDS), bytes: new Uint8Array(shared, 4 * WORDS) }
}

/** Runs until a finding, or until the time is over. With `only` that input is run, once. */
export async function fuzz(
  options: FuzzOptions,
  progress: (progress: FuzzProgress) => void = () => {},
  only?: Uint8Array,
): Promise<FuzzResult> {
  const shared = new SharedArrayBuffer(4 * WORDS + LARGEST_INPUT)
  const { words, bytes } = sharedViews(shared)
  const { target, seed, patience } = options
  const workerData: FuzzWorkerData = { ...options, shared, ...(only && { only }) }
  const worker = startThread(import.meta.url, './worker', { workerData })
  const soFar = (): FuzzResult => ({ target, seed, inputs: words[W_INPUTS], kept: words[W_CORPUS], coverage: {} })
  const stopped = (problem: string): FuzzResult => {
    const input = Uint8Array.from(bytes.subarray(0, Atomics.load(words, W_LENGTH)))
    return { ...soFar(), finding: { target, problem, input } }
  }
  let watch: NodeJS.Timeout | undefined
  try {
    return await new Promise<FuzzResult>(resolve => {
      let seen = -1
      let since = performance.now()
      watch = setInterval(() => {
        const inputs = Atomics.load(words, W_INPUTS)
        progress({ inputs, kept: Atomics.load(words, W_CORPUS) })
        if (inputs !== seen) {
          seen = inputs
          since = performance.now()
        } else if (Atomics.load(words, W_LENGTH) > 0 && performance.now() - since > patience) {
          resolve(stopped(`it did not come back for ${patience} ms`))
        }
      }, 500)
      worker.on('message', (result: FuzzResult) => resolve(result))
      worker.on('error', error => resolve(stopped(`the thread ended: ${error.stack ?? error}`)))
      worker.on('exit', code => resolve(stopped(`the thread ended with code ${code}`)))
    })
  } finally {
    clearInterval(watch)
    await worker.terminate()
  }
}
