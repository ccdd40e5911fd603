/**
 * A mount from its beginning to its end, seen from the main thread: device, workers, mount(8), signals, and every way out.
 * The rule for the ways out: the mount goes first. A worker that is blocked in read(2) on the device cannot be stopped,
 * and the process cannot exit while it is; taking the mount away wakes it.
 */
import { closeSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import createDebug from 'debug'
import { HoltError } from '../../errors.ts'
import { koffi } from '../../journal/c-library.ts'
import { startThread } from '../../thread.ts'
import { GATE_OPEN, GATE_SHUT } from './channel.ts'
import { run } from './command.ts'
import { raiseReadAhead } from './connection.ts'
import { createRequestCounters } from './counters.ts'
import { attach, attachAsUser, checkMountPoint, isRoot, openDevice, unmount, unmountNow } from './mount.ts'
import { findMount, MOUNT_TYPE, mountPointPath } from './mount-table.ts'
import { TIMEOUTS, type Timeouts } from './reply.ts'
import type { WorkerInput, WorkerReport, WorkerStart } from './worker.ts'

const debug = createDebug('holtfs:fuse')
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Milliseconds that workers get to leave after the connection was aborted, before the process is killed. */
const LEAVE_PATIENCE = 10_000
/** Seconds that dirty mapped pages of a busy mount get to be written back when a signal ends it. */
const SYNC_PATIENCE = 10

export interface ServeOptions {
  mountpoint: string
  /** Source of the mount as /proc/mounts shows it: the absolute path of the store. */
  name: string
  /** Somebody else holds the device, and the mount outlives this process. Without it, serve() opens and mounts the device. */
  supervision?: Supervision
  workers: number
  /** URL of an ES module that exports `attachOperations(handle): Operations`; each worker imports it. */
  module: string
  /** Threads from {@link prepareWorker} for that module, which are used first. */
  threads?: Worker[]
  /** Passed to attachOperations by structured clone: SharedArrayBuffers, descriptors, plain values. */
  handle: unknown
  readOnly: boolean
  /** Mount options as given with -o. */
  options: readonly string[]
  timeouts?: Timeouts
  /**
   * Called once, when the mount answers; `device` is the descriptor of its connection, open until serve() resolves, and
   * `resends` says whether the kernel lets another process take the mount over.
   */
  onReady(device: number, resends: boolean): void
  /** From createRequestCounters(workers), for who wants to read them. */
  requestCounters?: Int32Array<SharedArrayBuffer>
}

/** What a process that serves a mount and the one that holds its device agree on. */
export interface Supervision {
  /** The device, open for both. Closed here at the end. */
  fd: number
  /** See Connection.id. */
  connection: number
  /** The pipe for what a worker has in hand (in-hand.ts). */
  notes: number
  /** The numbers of requests that are answered EIO, because servers have died of them. */
  refused: readonly number[]
  /** Another process has served the mount so far: called when the workers are ready to read, and before they do. */
  takeOver?: () => void
  /** The workers are ready to read: the device is to be mounted now. Not called for a mount that is taken over. */
  onAttached(): void
  /** A signal has taken the mount away while files are open: with this process they go, and nobody is to take over. */
  onDetached(): void
  /** Something broke, and this process must end at once, whatever its threads do; the mount stays as it is. */
  die(failure: HoltError): void
}

/** Starts a worker thread that loads its modules and then waits for serve(). */
export function prepareWorker(module: string): Worker {
  return startThread(import.meta.url, './worker', { workerData: { module } satisfies WorkerStart })
}

/**
 * Serves a mount; resolves when it has ended and all workers have left. Handles SIGINT, SIGTERM and SIGHUP meanwhile.
 * @throws {HoltError} HOLT_MOUNT when it could not be mounted, HOLT_FAILED when a worker crashed (the mount is gone then)
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { supervision, mountpoint } = options
  await new Server(supervision === undefined ? { ...options, mountpoint: checkMountPoint(mountpoint) } : options).run()
}

class Server {
  readonly #options: ServeOptions
  readonly #mountpoint: string
  /** For a user who is not root, fusermount3 opens the device as it mounts. */
  #fd: number | undefined
  readonly #gate = new Int32Array(new SharedArrayBuffer(4))
  readonly #workers = new Set<Worker>()
  readonly #attached = new Milestone()
  readonly #agreed = new Milestone()
  readonly #left = new Milestone()
  #ready = false
  #resends = false
  /** The kernel has said that the mount is gone. */
  #ended = false
  #stopping = false
  #failure: HoltError | undefined

  constructor(options: ServeOptions) {
    this.#options = options
    this.#mountpoint = mountPointPath(options.mountpoint)
    this.#fd = options.supervision?.fd ?? (isRoot() ? openDevice() : undefined)
  }

  async run(): Promise<void> {
    const stop = (signal: NodeJS.Signals) => void this.#stop(signal)
    const exit = () => this.#atExit()
    for (const signal of SIGNALS) process.on(signal, stop)
    process.on('exit', exit)
    try {
      this.#fd ??= await this.#attachAsUser()
      if (this.#failure === undefined) {
        await this.#start(this.#fd)
      }
    } catch (error) {
      this.#fail(error instanceof HoltError ? error : new HoltError('HOLT_MOUNT', String(error), { cause: error }))
    }
    await this.#left.reached
    for (const signal of SIGNALS) process.off(signal, stop)
    process.off('exit', exit)
    if (this.#fd !== undefined) closeSync(this.#fd)
    if (this.#failure !== undefined) throw this.#failure
  }

  async #attachAsUser(): Promise<number> {
    const fd = await attachAsUser({ ...this.#options, mountpoint: this.#mountpoint })
    // A signal may have come while fusermount3 ran: then nobody serves what was just mounted.
    if (this.#failure !== undefined) this.#releaseNow()
    return fd
  }

  async #start(fd: number): Promise<void> {
    const { workers, supervision, requestCounters } = this.#options
    const counters = requestCounters ?? createRequestCounters(workers)
    // One is enough to answer with, and alone it is ready sooner: programs may be waiting.
    this.#startWorker(0, fd, counters)
    await this.#attached.reached
    supervision?.takeOver?.()
    Atomics.store(this.#gate, 0, GATE_OPEN)
    Atomics.notify(this.#gate, 0)
    for (let worker = 1; worker < workers; worker++) this.#startWorker(worker, fd, counters)
    if (supervision === undefined) {
      if (isRoot()) await attach(fd, { ...this.#options, mountpoint: this.#mountpoint })
      // It may have failed while mount(8) ran: then nobody serves what was just mounted.
      if (this.#failure !== undefined) return this.#releaseNow()
      await this.#agreed.reached
    } else if (supervision.takeOver === undefined) {
      supervision.onAttached()
      await this.#agreed.reached
    }
    this.#ready = true
    raiseReadAhead(this.#mountpoint)
    this.#options.onReady(fd, this.#resends)
  }

  #startWorker(worker: number, fd: number, counters: Int32Array<SharedArrayBuffer>): void {
    const { module, threads, handle, timeouts = TIMEOUTS, supervision } = this.#options
    const input: WorkerInput = {
      fd,
      handle,
      worker,
      timeouts,
      gate: this.#gate,
      counters,
      connection: supervision?.connection,
      resent: supervision && { notes: supervision.notes, refused: supervision.refused },
    }
    const thread = threads?.pop() ?? prepareWorker(module)
    thread.postMessage(input)
    this.#workers.add(thread)
    thread.on('message', (report: WorkerReport) => this.#onReport(report))
    thread.on('error', error => this.#fail(crash(worker, error)))
    thread.on('exit', () => this.#onLeft(worker, thread))
  }

  #onReport(report: WorkerReport): void {
    switch (report.is) {
      case 'attached':
        this.#attached.reach()
        break
      case 'agreed':
        this.#resends = report.resends
        this.#agreed.reach()
        break
      case 'refused':
        this.#fail(new HoltError('HOLT_MOUNT', report.why))
        break
      case 'ended':
        this.#ended = true
        break
    }
  }

  #onLeft(worker: number, thread: Worker): void {
    this.#workers.delete(thread)
    // It leaves because the process is about to end: the mount is not over.
    if (this.#failure !== undefined && this.#options.supervision !== undefined) return
    if (!this.#ended) this.#fail(crash(worker, new Error('the thread ended')))
    if (this.#workers.size > 0) return
    this.#agreed.miss(new HoltError('HOLT_MOUNT', `${this.#mountpoint} was unmounted while it was being mounted`))
    this.#left.reach()
  }

  /** Ends the mount because something broke: nobody may be left waiting for an answer. */
  #fail(failure: HoltError): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    debug('%O', failure)
    const { supervision } = this.#options
    if (supervision !== undefined) {
      supervision.die(failure)
      return
    }
    this.#releaseNow()
    this.#attached.miss(failure)
    this.#agreed.miss(failure)
    if (this.#workers.size === 0) this.#left.reach()
    this.#killWhenStuck()
  }

  /** A signal asks for the end: unmount in order; when files are open, write back what can be and take the mount away. */
  async #stop(signal: NodeJS.Signals): Promise<void> {
    debug('%s', signal)
    if (this.#stopping) return this.#detach()
    this.#stopping = true
    if (!this.#ready) return this.#fail(new HoltError('HOLT_MOUNT', `stopped by ${signal} before the mount was ready`))
    try {
      await unmount(this.#mountpoint)
    } catch (error) {
      debug('busy: %O', error)
      await run('timeout', [String(SYNC_PATIENCE), 'sync', '-f', this.#mountpoint], 'ignore')
      this.#detach()
    }
  }

  /** Takes a mount away that is in use. */
  #detach(): void {
    this.#releaseNow()
    this.#options.supervision?.onDetached()
    this.#killWhenStuck()
  }

  /** The process ends without having been asked to: the mount goes first, or else the threads, which cannot be stopped. */
  #atExit(): void {
    if (this.#options.supervision !== undefined) process.kill(process.pid, 'SIGKILL')
    this.#releaseNow()
    // Where the connection could not be ended, a worker in read(2) would keep the exit waiting for the last open file.
    if (!isRoot()) koffi().load(null).func('unsigned int alarm(unsigned int seconds)')(LEAVE_PATIENCE / 1000)
  }

  /** Takes our mount away at once, without the event loop, and lets no worker wait for one. */
  #releaseNow(): void {
    Atomics.store(this.#gate, 0, GATE_SHUT)
    Atomics.notify(this.#gate, 0)
    const there = findMount(this.#mountpoint)
    const ours = there?.type === MOUNT_TYPE && there.source === this.#options.name
    if (ours) unmountNow(this.#mountpoint, { abort: true })
  }

  /** The last resort: only the end of the process closes the device when a worker does not leave. */
  #killWhenStuck(): void {
    const timer = setTimeout(() => {
      process.stderr.write(`holtfs: ${this.#failure?.message ?? 'a worker does not end'}; killing the process\n`)
      process.kill(process.pid, 'SIGKILL')
    }, LEAVE_PATIENCE)
    void this.#left.reached.then(() => clearTimeout(timer))
  }
}

/** Something that happens once, or turns out to be impossible. */
class Milestone {
  readonly reached: Promise<void>
  reach!: () => void
  miss!: (error: Error) => void

  constructor() {
    this.reached = new Promise((resolve, reject) => {
      this.reach = resolve
      this.miss = reject
    })
    // Missed before anybody waits for it is no unhandled rejection: the failure is kept and thrown by run().
    this.reached.catch(() => {})
  }
}

function crash(worker: number, error: unknown): HoltError {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new HoltError('HOLT_FAILED', `FUSE worker ${worker} crashed (${what}); the mount was taken down`, {
    applied: 'unknown',
    cause: error,
  })
}
