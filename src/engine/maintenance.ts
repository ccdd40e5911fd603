/** The background thread of a store, seen from the thread that opened it: starts it, stops it. */
import type { Worker } from 'node:worker_threads'
import createDebug from 'debug'
import { startThread } from '../thread.ts'
import type { StoreHandle } from './store.ts'

const debug = createDebug('holtfs:maintenance')

/** What the thread is given, and the two words by which it is told to end and tells that it is at work. */
export interface MaintenanceData {
  handle: StoreHandle
  words: SharedArrayBuffer
}

export const M_STOP = 0
export const M_BUSY = 1

export class Maintenance {
  readonly #worker: Worker
  readonly #words = new Int32Array(new SharedArrayBuffer(8))

  constructor(handle: StoreHandle) {
    const workerData: MaintenanceData = { handle, words: this.#words.buffer }
    this.#worker = startThread(import.meta.url, './maintenance-worker', { workerData })
    this.#worker.on('error', error => debug('ended by %s', error.stack ?? error))
    this.#worker.unref()
  }

  /** Returns when the thread does nothing to the store any more; a round that is under way is finished first. */
  stop(): void {
    Atomics.store(this.#words, M_STOP, 1)
    while (Atomics.load(this.#words, M_BUSY) !== 0) Atomics.wait(this.#words, M_BUSY, 1, 100)
    void this.#worker.terminate()
  }
}
