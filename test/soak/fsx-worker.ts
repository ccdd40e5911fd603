/** The soak's random operations on the bytes of files: rounds of fsx, each from empty files, compared with memory. */
import { join } from 'node:path'
import { Client, type Ended } from '../fsx/clients.ts'
import type { Place, Worker } from './worker.ts'

/** Operations a round. */
const ROUND = 400
const REPORT_EVERY = 50
/** Failures after which the worker gives up. */
const MOST_FAILURES = 20

export class FsxWorker implements Worker {
  readonly name = 'fsx'
  operations = 0
  readonly longest = 0
  readonly #place: Place
  readonly #seed: number
  #client: Client | undefined
  #stopped = false

  constructor(place: Place, seed: number) {
    this.#place = place
    this.#seed = seed
  }

  async run(): Promise<void> {
    for (let round = 0, failures = 0; !this.#stopped && failures < MOST_FAILURES; round++) {
      if (this.#client?.isAlive !== true) this.#client = new Client()
      const { failure } = await this.#round(this.#client, round)
      if (failure === undefined) continue
      failures++
      this.#place.fail({ worker: this.name, what: `round ${round}: ${failure}` })
      this.#client.stop()
    }
    this.#client?.stop()
  }

  #round(client: Client, round: number): Promise<Ended> {
    const before = this.operations
    const seed = (this.#seed + round) >>> 0
    const task = {
      directory: join(this.#place.mount, 'fsx', `round-${round}`),
      shared: join(this.#place.mount, `fsx-shared-${round}`),
      client: 0,
      operations: { count: ROUND, seed, isShared: false, without: [] },
      keepsGoing: false,
      reportEvery: REPORT_EVERY,
      isAttempt: true,
    }
    return client.run(task, report => {
      if ('done' in report) this.operations = before + report.done
    })
  }

  stop(): void {
    this.#stopped = true
  }

  kill(): void {
    this.stop()
    this.#client?.stop()
  }

  /** Every round is compared at its own end, and removed. */
  async verify(): Promise<void> {}
}
