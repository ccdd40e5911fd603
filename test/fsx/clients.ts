/**
 * The client processes of fsx as promises. One that is silent for five minutes, or ends before its task, has failed: a
 * hanging call and a signal such as SIGBUS are findings like any other.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import type { Report, Task } from './client.ts'
import type { Kind } from './operation.ts'

const PROGRAM = pathOf(import.meta.url, './client')
/** Milliseconds. */
const PATIENCE = 300_000

export interface Ended {
  /** Operations that were right. */
  done: number
  failure?: string
  /** Bytes of the shared file's window that are known. */
  shared: number
}

export class Client {
  readonly #process: ChildProcess
  #isStopped = false

  constructor() {
    this.#process = fork(PROGRAM, { execArgv: NODE_ARGUMENTS, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Never rejects. */
  run(task: Task, onReport: (report: Report) => void = () => {}): Promise<Ended> {
    return new Promise(resolve => {
      let done = 0
      let watchdog: NodeJS.Timeout
      const end = (ended: Ended) => {
        clearTimeout(watchdog)
        this.#process.removeAllListeners()
        resolve(ended)
      }
      const watch = () => {
        clearTimeout(watchdog)
        watchdog = setTimeout(() => {
          this.stop()
          end({ done, shared: 0, failure: `no operation has ended for ${PATIENCE / 1000} s` })
        }, PATIENCE)
      }
      watch()
      this.#process.on('message', (report: Report) => {
        watch()
        onReport(report)
        if (report.is === 'progress') done = report.done
        if (report.is === 'end') end(report)
      })
      this.#process.on('exit', (code, signal) => {
        const failure = `the client was ended by ${signal ?? `exit code ${code}`}`
        end({ done, shared: 0, ...(this.#isStopped ? {} : { failure }) })
      })
      this.#process.send(task)
    })
  }

  /** The kinds of operations that a directory's filesystem does not know. */
  probe(directory: string): Promise<Kind[]> {
    return new Promise((resolve, reject) => {
      this.#process.once('message', resolve)
      this.#process.once('exit', () => reject(new Error(`${directory} cannot be worked on`)))
      this.#process.send({ probe: directory })
    })
  }

  /** Lets it compare all its files soon, without what is in the page cache. */
  doubt(): void {
    this.#process.send({ doubt: true })
  }

  stop(): void {
    this.#isStopped = true
    this.#process.kill('SIGKILL')
  }
}
