/**
 * The background thread of a store, seen from the thread that opened it: starts it, stops it.
 *
 * The thread is never ended from here: Node would end it wherever it is, in native code too. It marks itself busy before it
 * touches a file of the store or the log's memory, and then looks whether it is to stop; once told, it ends by itself.
 */
import createDebug from 'debug'
import { oneLine } from '../errors.ts'
import { startThread } from '../thread.ts'
import type { StoreHandle } from './attach.ts'
import { M_BUSY, M_STOP, type MaintenanceData } from './maintenance-data.ts'

const debug = createDebug('holtfs:maintenance')

export class Maintenance {
  readonly #words = new Int32Array(new SharedArrayBuffer(8))

  constructor(handle: StoreHandle) {
    const workerData: MaintenanceData = { handle, words: this.#words.buffer }
    const worker = startThread(import.meta.url, './maintenance-entry', { workerData })
    worker.on('error', error => {
      debug('ended by %s', error.stack ?? error)
      process.emitWarning(
        `a store has lost its background thread, only sync() makes changes durable: ${oneLine(error)}`,
      )
    })
    worker.unref()
  }

  /** Returns when the thread does nothing to the store any more; a round that is under way is finished first. */
  stop(): void {
    Atomics.store(this.#words, M_STOP, 1)
    while (Atomics.load(this.#words, M_BUSY) !== 0) Atomics.wait(this.#words, M_BUSY, 1, 100)
  }
}
