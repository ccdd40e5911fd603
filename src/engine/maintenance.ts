/** The background thread of a store, seen from the thread that opened it: starts it, stops it. */
import type { Worker } from 'node:worker_threads'
import createDebug from 'debug'
import { startThread } from '../thread.ts'
import type { StoreHandle } from './store.ts'

const debug = createDebug('holtfs:maintenance')

/** What the thread is given; `stop` is set to 1 to end it and to 2 by the thread when it has ended. */
export interface MaintenanceData {
  handle: StoreHandle
  stop: SharedArrayBuffer
}

export class Maintenance {
  readonly #worker: Worker
  readonly #stop = new Int32Array(new SharedArrayBuffer(4))

  constructor(handle: StoreHandle) {
    const workerData: MaintenanceData = { handle, stop: this.#stop.buffer }
    this.#worker = startThread(import.meta.url, './maintenance-worker', { workerData })
    this.#worker.on('error', error => debug('ended by %s', error.stack ?? error))
    this.#worker.unref()
  }

  /** Asks the thread to end and waits until it touches the store no more. */
  stop(): void {
    if (Atomics.compareExchange(this.#stop, 0, 0, 1) === 0) {
      Atomics.notify(this.#stop, 0)
      Atomics.wait(this.#stop, 0, 1, 10_000)
    }
    void this.#worker.terminate()
  }
}
