/**
 * The process that a mount lives as long as: it holds the device, mounts it, and keeps a server process (server.ts) going
 * that does everything else. It opens nothing of the store and reads no request, so there is little that can end it.
 *
 * When the server ends in any other way than with the mount, the next one takes the mount over: programs wait meanwhile,
 * and see no error (fuse/takeover.ts). A request that servers die of, one after the other, is answered EIO
 * (restarts.ts); when none comes to serving at all, everything is, until the mount is gone.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import createDebug from 'debug'
import { HoltError } from '../errors.ts'
import { startThread } from '../thread.ts'
import { checkApart } from './apart.ts'
import { InHand } from './fuse/in-hand.ts'
import { attach, attachAsUser, checkDevice, checkMountPoint, isRoot, openDevice, unmountNow } from './fuse/mount.ts'
import { findMount, MOUNT_TYPE } from './fuse/mount-table.ts'
import type { MountStoreOptions } from './mount-store.ts'
import { Restarts, type ServerEnd } from './restarts.ts'
import type { ServerMessage, ServerOptions } from './server.ts'
import { checkStoreDirectory } from './store-directory.ts'

const debug = createDebug('holtfs:mount')
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** How a process ends that has gone wrong by itself. */
const CRASHES = new Set<NodeJS.Signals>(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP', 'SIGSYS'])

/**
 * Serves a store on a mount point; resolves when the mount has ended and the store is closed.
 * @throws {HoltError} HOLT_MOUNT when it could not be mounted, in the server's words; HOLT_FAILED when the mount did not end
 * in order
 */
export async function superviseMount(given: MountStoreOptions): Promise<void> {
  const options = { ...given, mountpoint: checkMountPoint(given.mountpoint) }
  checkDevice()
  checkApart(options.store, options.mountpoint)
  checkStoreDirectory(options.store)
  const { store: name, mountpoint, readOnly } = options
  // Root mounts when the server is ready to answer. fusermount3 opens the device and mounts at once.
  const fd = isRoot() ? openDevice() : await attachAsUser({ name, mountpoint, readOnly, options: options.options })
  const supervisor = new Supervisor(options, fd)
  const onSignal = (signal: NodeJS.Signals) => void supervisor.stop(signal)
  for (const signal of SIGNALS) process.on(signal, onSignal)
  try {
    await supervisor.run()
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

/** How a server process ended. */
interface End extends ServerEnd {
  how: string
  pid: number | undefined
  /** The mount was gone by then, or told to go. */
  isOver: boolean
  code: number | null
}

class Supervisor {
  readonly #options: MountStoreOptions
  readonly #fd: number
  readonly #connection = randomBytes(6).readUIntLE(0, 6)
  #server: ChildProcess | undefined
  /** The server that runs has answered. */
  #isServing = false
  /** The mount has answered. */
  #isReady = false
  #outlives = false
  #stopping: NodeJS.Signals | undefined
  #diedAt = 0
  #mountError: unknown

  constructor(options: MountStoreOptions, fd: number) {
    this.#options = options
    this.#fd = fd
  }

  async run(): Promise<void> {
    const restarts = new Restarts()
    for (let generation = 0; ; generation++) {
      const end = await this.#serve(generation, restarts.refused)
      if (!this.#isReady) return this.#neverMounted(end)
      if (end.isOver || this.#stopping !== undefined) return this.#finish(end)
      if (!this.#outlives) throw failed(`${this.#is(end)}; the mount ends with it: unmount ${this.#options.mountpoint}`)
      const { pause, isHopeless, newlyRefused } = restarts.ended(end)
      if (isHopeless) return this.#refuse(end)
      log(`${this.#is(end)}; the mount waits for another one`)
      if (newlyRefused > 0) log(`${newlyRefused} of the calls that servers died of are answered EIO`)
      if (pause > 0) await sleep(pause)
    }
  }

  /** SIGINT, SIGTERM and SIGHUP end the mount: the server does it, in order, or we do when there is none. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const isRepeated = this.#stopping !== undefined
    this.#stopping = signal
    // One that takes over would die of a signal before it can handle it: it gets it later.
    if (this.#server !== undefined && (this.#isServing || !this.#isReady)) {
      this.#server.kill(signal)
    } else if (this.#server === undefined || isRepeated) {
      await this.#release()
    }
  }

  /** Runs one server process to its end. */
  #serve(generation: number, refused: readonly number[]): Promise<End> {
    const { store, mountpoint, options, workers, durability, poolBytes, readOnly } = this.#options
    const rest: ServerOptions = {
      options,
      workers,
      durability,
      poolBytes,
      readOnly,
      connection: this.#connection,
      refused,
      generation,
    }
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const entry = fileURLToPath(new URL(`./server.${extension}`, import.meta.url))
    // A process group of its own: what the terminal sends to ours is handed on by us, once.
    const server = spawn(process.execPath, [...process.execArgv, entry, store, mountpoint, JSON.stringify(rest)], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', this.#fd, 'pipe', 'ipc'],
    })
    this.#server = server
    const inHand = new InHand()
    server.stdio[4]?.on('data', (chunk: Buffer) => inHand.take(chunk))
    const end: End = { how: '', pid: server.pid, isOver: false, code: null, served: 0, isKilled: false, inHand }
    let firstAnswer = 0
    return new Promise(resolve => {
      server.on('error', error => {
        end.how = `cannot be started (${error.message})`
        if (server.pid === undefined) resolve(end)
      })
      server.on('message', (message: ServerMessage) => {
        switch (message.is) {
          case 'attached':
            void this.#mount(server)
            break
          case 'ready':
            firstAnswer = performance.now()
            this.#onServing(message.outlives, generation)
            break
          case 'ended':
            end.isOver = true
            break
          case 'failed':
            end.how = message.why
        }
      })
      server.on('close', (code, signal) => {
        end.code = code
        end.isKilled = end.how === '' && signal !== null && !CRASHES.has(signal)
        if (end.how === '') end.how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
        if (firstAnswer !== 0) end.served = performance.now() - firstAnswer
        this.#diedAt = performance.now()
        this.#server = undefined
        this.#isServing = false
        resolve(end)
      })
    })
  }

  async #mount(server: ChildProcess): Promise<void> {
    const { store, mountpoint, options, readOnly } = this.#options
    try {
      if (isRoot()) await attach(this.#fd, { name: store, mountpoint, readOnly, options })
      if (this.#server === undefined && !this.#isReady) await this.#release()
    } catch (error) {
      this.#mountError = error
      server.kill('SIGKILL')
    }
  }

  #onServing(outlives: boolean, generation: number): void {
    this.#isServing = true
    if (generation > 0) {
      log(`the mount is served again, after ${Math.round(performance.now() - this.#diedAt)} ms`)
    } else {
      this.#isReady = true
      this.#outlives = outlives
      this.#options.onReady()
    }
    if (this.#stopping !== undefined) this.#server?.kill(this.#stopping)
  }

  async #neverMounted(end: End): Promise<never> {
    await this.#release()
    if (this.#mountError !== undefined) throw this.#mountError
    const why = this.#stopping === undefined ? end.how : `stopped by ${this.#stopping} before the mount was ready`
    throw new HoltError('HOLT_MOUNT', /^(was|ended) /.test(why) ? `the server ${why} at once` : why)
  }

  async #finish(end: End): Promise<void> {
    if (end.code === 0) return
    await this.#release()
    throw failed(`${this.#is(end)} as it closed ${this.#options.store}; the next mount recovers it`)
  }

  /** Nobody can serve the mount: nobody shall wait for it either. */
  async #refuse(end: End): Promise<void> {
    const { store, mountpoint } = this.#options
    log(`${this.#is(end)}; ${mountpoint} answers EIO from now on: unmount it, and see holtfs check ${store}`)
    const thread = startThread(import.meta.url, './fuse/refuse', { workerData: { fd: this.#fd } })
    await new Promise((resolve, reject) => {
      thread.on('exit', resolve)
      thread.on('error', reject)
    })
    throw failed(`${mountpoint} could not be served to its end`)
  }

  /** Takes the mount away when nobody serves it. */
  async #release(): Promise<void> {
    const { mountpoint, store } = this.#options
    const there = findMount(mountpoint)
    if (there?.type === MOUNT_TYPE && there.source === store) unmountNow(mountpoint, { abort: true })
  }

  #is(end: End): string {
    return end.how.startsWith('was ') || end.how.startsWith('ended ')
      ? `the server (process ${end.pid}) ${end.how}`
      : `the server (process ${end.pid}) ended: ${end.how}`
  }
}

function log(line: string): void {
  debug(line)
  process.stderr.write(`holtfs: ${line}\n`)
}

function failed(message: string): HoltError {
  return new HoltError('HOLT_FAILED', message)
}
