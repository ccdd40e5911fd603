/**
 * Workers of the soak: each keeps a client process going in a directory of its own on the mount. A client that fails is counted
 * with its words, and another one begins in a new directory; nobody tries again inside a client, so every error that a
 * program would have seen shows.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../mount/real-mount.ts'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import type { Program } from './programs.ts'

export interface Failure {
  worker: string
  /** Seconds since the beginning. */
  at: number
  what: string
}

export interface Place {
  /** The mount. */
  mount: string
  /** On the host: for oracles. */
  scratch: string
  /** On the host: what programs copy. */
  source: string
  /** The file that ends all. */
  stop: string
  fail(failure: Omit<Failure, 'at'>): void
}

/** Failures after which a worker gives up, and milliseconds between two tries. */
const MOST_FAILURES = 20
const PAUSE = 2000
/** Milliseconds without a sign of life after which a client counts as hung. */
const PATIENCE = 180_000
const LONGEST_TEXT = 1500

interface Command {
  file: string
  argv: string[]
}

/** What keeps a client going on the mount until it is told to stop. */
export interface Worker {
  readonly name: string
  /** Calls, or rounds, so far. */
  readonly operations: number
  /** Milliseconds of the longest call so far; 0 where calls are not measured. */
  readonly longest: number
  run(): Promise<void>
  /** No other client after this one. */
  stop(): void
  kill(): void
  /** Looks at what the last client has left, if it ended in order; to be called before a remount and after it. */
  verify(): Promise<void>
}

abstract class CommandWorker implements Worker {
  readonly name: string
  protected readonly place: Place
  operations = 0
  longest = 0
  #attempt = 0
  #isDone = false
  #stopped = false
  #child: ChildProcess | undefined

  constructor(name: string, place: Place) {
    this.name = name
    this.place = place
  }

  protected abstract command(attempt: number): Command
  protected abstract verification(attempt: number): Command
  /** A line that a client printed. */
  protected abstract heard(line: string): void

  protected directory(attempt: number): string {
    return join(this.place.mount, `${this.name}-${attempt}`)
  }

  /** Resolves when the file `stop` has ended the client. */
  async run(): Promise<void> {
    for (; !this.#stopped && this.#attempt < MOST_FAILURES; this.#attempt++) {
      const directory = this.directory(this.#attempt)
      const failure = (await this.#mkdir(directory)) ?? (await this.#serve(this.command(this.#attempt), directory))
      if (failure === undefined) {
        this.#isDone = true
        return
      }
      this.place.fail({ worker: this.name, what: failure })
      if (!this.#stopped) await sleep(PAUSE)
    }
  }

  stop(): void {
    this.#stopped = true
  }

  kill(): void {
    this.stop()
    this.#child?.kill('SIGKILL')
  }

  async verify(): Promise<void> {
    if (!this.#isDone) return
    const failure = await this.#serve(this.verification(this.#attempt), this.directory(this.#attempt))
    if (failure !== undefined) this.place.fail({ worker: this.name, what: `afterwards: ${failure}` })
  }

  async #mkdir(directory: string): Promise<string | undefined> {
    const { code, err } = await run('mkdir', [directory])
    return code === 0 ? undefined : err
  }

  /** Runs a client; what it failed with. */
  #serve({ file, argv }: Command, directory: string): Promise<string | undefined> {
    return new Promise(resolve => {
      const { source, stop } = this.place
      const env = { ...process.env, SOURCE: source, STOP: stop }
      // The directory is the shell's to enter: this process must not touch the mount.
      const shell = ['-c', 'cd "$0" && exec "$@"', directory, file, ...argv]
      const child = spawn('/bin/sh', shell, { env, stdio: ['ignore', 'pipe', 'pipe'] })
      this.#child = child
      let text = ''
      let line = ''
      let isHung = false
      const hang = () => {
        isHung = true
        child.kill('SIGKILL')
      }
      let watchdog = setTimeout(hang, PATIENCE)
      child.stdout.setEncoding('latin1').on('data', chunk => {
        clearTimeout(watchdog)
        watchdog = setTimeout(hang, PATIENCE)
        const lines = (line + chunk).split('\n')
        line = lines.pop() ?? ''
        for (const each of lines) this.heard(each)
        text = (text + chunk).slice(-LONGEST_TEXT)
      })
      child.stderr.setEncoding('latin1').on('data', chunk => {
        text = (text + chunk).slice(-LONGEST_TEXT)
      })
      child.on('close', (code, signal) => {
        clearTimeout(watchdog)
        if (code === 0) resolve(undefined)
        else resolve(`${isHung ? 'hung' : `exit ${signal ?? code}`}: ${text.trim()}`)
      })
    })
  }
}

/** A shell script; each line that it prints is a round. */
export class ScriptWorker extends CommandWorker {
  readonly #program: Program

  constructor(name: string, place: Place, program: Program) {
    super(name, place)
    this.#program = program
  }

  protected command(): Command {
    return { file: '/bin/bash', argv: ['-euo', 'pipefail', '-c', this.#program.script] }
  }

  protected verification(): Command {
    return { file: '/bin/bash', argv: ['-euo', 'pipefail', '-c', this.#program.verify] }
  }

  protected heard(line: string): void {
    if (/^\d+$/.test(line)) this.operations++
  }
}

/** churn.ts. */
export class ChurnWorker extends CommandWorker {
  readonly #seed: number
  readonly #files: number

  constructor(name: string, place: Place, seed: number, files: number) {
    super(name, place)
    this.#seed = seed
    this.#files = files
  }

  #program(...argv: string[]): Command {
    return { file: process.execPath, argv: [...NODE_ARGUMENTS, pathOf(import.meta.url, './churn'), ...argv] }
  }

  #oracle(attempt: number): string {
    return join(this.place.scratch, `${this.name}-${attempt}.json`)
  }

  protected command(attempt: number): Command {
    const seed = String((this.#seed + attempt) >>> 0)
    return this.#program('.', this.place.stop, seed, this.#oracle(attempt), String(this.#files))
  }

  protected verification(attempt: number): Command {
    return this.#program('verify', '.', this.#oracle(attempt))
  }

  #before = 0

  protected heard(line: string): void {
    const [operations, longest] = line.split(' ').map(Number)
    if (Number.isNaN(longest)) return
    // A new client counts from zero.
    this.operations += operations < this.#before ? operations : operations - this.#before
    this.#before = operations
    this.longest = Math.max(this.longest, longest)
  }
}
