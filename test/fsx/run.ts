/**
 * A run of fsx: mounts a store of its own (or takes an existing directory), lets clients work, kills servers meanwhile if it is told
 * to; then unmounts, checks the store, mounts it again and compares all files once more. What fails is shrunk.
 */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RealMount, run } from '../mount/real-mount.ts'
import { seededRandom } from '../support/random.ts'
import { shrinkAt } from './attempts.ts'
import type { Report, Task } from './client.ts'
import { Client, type Ended } from './clients.ts'
import { Killer } from './killer.ts'
import { format, type Kind, parse, WINDOW } from './operation.ts'

export interface FsxOptions {
  /** Of all clients together. */
  operations: number
  seed: number
  /** Threads of the server, and processes that work. */
  workers: number
  clients: number
  /** Operations between two kills of the server. */
  killEvery?: number | undefined
  /** An existing directory to work in, instead of a mount. */
  directory?: string | undefined
  /** Whether clients share a file too. */
  shared: boolean
  /** A log to play again instead. */
  replay?: string | undefined
  /** Milliseconds that shrinking may take, and once more where it needs a mount for each attempt; 0 for none. */
  shrinkFor: number
  /** Errors are counted, and their operations done again. */
  keepsGoing: boolean
  /** An existing directory for logs. */
  logs: string
  onProgress?: (progress: Progress) => void
  /** Told of each list that is tried while a failing one is made small. */
  onAttempt?: (attempt: number, operations: number) => void
}

export interface Progress {
  operations: number
  kills: number
  errors: number
}

export interface Finding {
  what: string
  /** Where the operations are that led to it. */
  log?: string
  /** A few operations that fail too, and what they fail with. */
  shrunk?: { log: string; operations: string[]; failure: string }
}

export interface FsxResult {
  seed: number
  operations: number
  seconds: number
  kills: number
  /** Milliseconds without a server, the median and the longest. */
  pause?: { median: number; longest: number }
  /** Answers that were errors, where errors are counted; they are no findings. */
  errors: number
  /** The first of them. */
  errorLines: string[]
  /** Kinds of operations that the directory's filesystem does not know. */
  without: Kind[]
  findings: Finding[]
}

const ERROR_LINES = 20
const REPORT_EVERY = 500

export async function runFsx(options: FsxOptions): Promise<FsxResult> {
  return new Run(options).run()
}

class Run {
  readonly #options: FsxOptions
  readonly #mount: RealMount | undefined
  readonly #path: string
  readonly #result: FsxResult
  readonly #clients: Client[]
  readonly #done: number[]
  #killer: Killer | undefined

  constructor(options: FsxOptions) {
    this.#options = options
    this.#mount = options.directory === undefined ? new RealMount('fsx') : undefined
    this.#path = this.#mount?.path ?? mkdtempSync(join(options.directory!, 'fsx-'))
    const { seed } = options
    this.#result = { seed, operations: 0, seconds: 0, kills: 0, errors: 0, errorLines: [], without: [], findings: [] }
    this.#clients = Array.from({ length: options.replay === undefined ? options.clients : 1 }, () => new Client())
    this.#done = this.#clients.map(() => 0)
  }

  async run(): Promise<FsxResult> {
    try {
      await this.#workAndCompare()
    } finally {
      for (const client of this.#clients) client.stop()
    }
    await this.#end()
    for (const finding of this.#result.findings) await this.#shrink(finding)
    return this.#result
  }

  async #workAndCompare(): Promise<void> {
    await this.#begin()
    const start = performance.now()
    const tasks = this.#clients.map((_, client) => this.#task(client))
    const ends = await Promise.all(this.#clients.map((client, i) => this.#work(client, i, tasks[i])))
    await this.#killer?.end()
    this.#result.seconds = (performance.now() - start) / 1000
    this.#result.operations = this.#total()
    this.#noteKills()
    if (this.#result.findings.length === 0) await this.#restart(tasks, ends)
  }

  async #begin(): Promise<void> {
    const { killEvery, seed, workers } = this.#options
    await this.#mount?.mount('--workers', String(workers))
    if (this.#mount === undefined) this.#result.without = await this.#clients[0].probe(join(this.#path, 'probe'))
    if (this.#mount === undefined || killEvery === undefined) return
    this.#killer = new Killer(this.#mount, killEvery, seededRandom(seed), () => {
      for (const client of this.#clients) if (client.isAlive) client.doubt()
    })
  }

  #task(client: number): Task {
    const { clients, killEvery, keepsGoing, logs, operations, replay, seed, shared } = this.#options
    const random = {
      count: Math.floor(operations / clients) + (client < operations % clients ? 1 : 0),
      seed: seed + client,
      isShared: shared,
      without: this.#result.without,
    }
    const replayed = replay === undefined ? undefined : readLog(replay)
    const number = replayed?.client ?? client
    return {
      directory: join(this.#path, String(number)),
      shared: join(this.#path, 'shared'),
      client: number,
      operations: replayed?.lines ?? random,
      log: join(logs, `client-${number}.log`),
      keepsGoing,
      reportEvery: Math.min(REPORT_EVERY, Math.ceil((killEvery ?? REPORT_EVERY) / clients / 4)),
      isAttempt: false,
    }
  }

  async #work(client: Client, i: number, task: Task): Promise<Ended> {
    const ended = await client.run(task, report => this.#onReport(i, report))
    this.#done[i] = ended.done
    if (ended.failure === undefined) return ended
    this.#find(`client ${task.client}, after ${ended.done} operations: ${ended.failure}`, task.log)
    for (const other of this.#clients) if (other !== client) other.stop()
    return ended
  }

  #onReport(client: number, report: Report): void {
    if (report.is === 'error') {
      this.#result.errors++
      if (this.#result.errorLines.length < ERROR_LINES) {
        this.#result.errorLines.push(`${report.line}: ${report.answer}`)
      }
    } else {
      this.#done[client] = report.done
      this.#killer?.onProgress(this.#total())
    }
    const { errors } = this.#result
    this.#options.onProgress?.({ operations: this.#total(), kills: this.#killer?.kills ?? 0, errors })
  }

  #total(): number {
    return this.#done.reduce((sum, done) => sum + done, 0)
  }

  #find(what: string, log?: string): void {
    this.#result.findings.push({ what, ...(log === undefined ? {} : { log }) })
  }

  #noteKills(): void {
    if (this.#killer === undefined) return
    const pauses = this.#killer.pauses().sort((a, b) => a - b)
    this.#result.kills = this.#killer.kills
    if (pauses.length > 0) this.#result.pause = { median: pauses[pauses.length >> 1], longest: pauses.at(-1)! }
    if (this.#killer.failure !== undefined) this.#find(`killing: ${this.#killer.failure.message}`)
  }

  /** The store is clean, and everything is as the clients left it. */
  async #restart(tasks: Task[], ends: Ended[]): Promise<void> {
    try {
      await this.#mount?.checkBetween('--workers', String(this.#options.workers))
    } catch (error) {
      return this.#find((error as Error).message)
    }
    for (const [i, { directory, shared, client, log }] of tasks.entries()) {
      for (const name of ['a', 'b']) {
        const expected = `${log}.${name}.expected`
        // A file that was never worked on is not there.
        if (statSync(expected).size > 0) await this.#compare(join(directory, name), expected, log, [])
      }
      const range = ['-i', `${client * WINDOW}:0`, '-n', String(ends[i].shared)]
      if (ends[i].shared > 0) await this.#compare(shared, `${log}.s.expected`, log, range)
    }
  }

  async #compare(path: string, expected: string, log: string | undefined, range: string[]): Promise<void> {
    const { code, out, err } = await run('cmp', [...range, path, expected])
    if (code !== 0) this.#find(`after a restart: ${out}${err}`.trim(), log)
  }

  async #end(): Promise<void> {
    if (this.#mount === undefined) {
      await run('rm', ['-r', this.#path])
      return
    }
    const { findings } = this.#result
    const log = join(this.#mount.store, 'holtfs.log')
    if (findings.length > 0 && existsSync(log)) copyFileSync(log, join(this.#options.logs, 'holtfs.log'))
    if (findings.length === 0) await this.#mount.umount().catch(error => this.#find(error.message))
    await this.#mount.remove()
  }

  async #shrink(finding: Finding): Promise<void> {
    const { directory, logs, onAttempt, shrinkFor, workers } = this.#options
    if (finding.log === undefined || shrinkFor === 0 || !existsSync(finding.log)) return
    const { client, lines } = readLog(finding.log)
    const place = { directory, workers, client, onAttempt }
    const shrunk = await shrinkAt(place, lines.map(parse), shrinkFor)
    if (shrunk === undefined) return
    const log = join(logs, `shrunk-${client}.log`)
    const operations = shrunk.operations.map(format)
    writeFileSync(log, `${[`# client ${client}`, ...operations, `# ${shrunk.failure}`].join('\n')}\n`)
    finding.shrunk = { log, operations, failure: shrunk.failure }
  }
}

function readLog(path: string): { client: number; lines: string[] } {
  const lines = readFileSync(path, 'utf8').split('\n')
  const client = Number(lines.find(line => /^# client \d+/.test(line))?.match(/\d+/)?.[0] ?? 0)
  return { client, lines: lines.filter(line => line.trim() !== '' && !line.startsWith('#')) }
}
