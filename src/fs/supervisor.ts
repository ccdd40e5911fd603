/**
 * The process that a mount lives as long as: it holds the device and the lock of the store, mounts, and keeps a server
 * process (server.ts) going that does everything else. It opens no file of the store and reads no request, so there is
 * little that can end it.
 *
 * When the server ends in any other way than with the mount, the next one takes the mount over: programs wait meanwhile,
 * and see no error (fuse/takeover.ts). One that has loaded its modules stands by for that. A request that servers die of,
 * one after the other, is answered EIO (restarts.ts); when none comes to serving at all, everything is, until the mount is gone.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync } from 'node:fs'
import { totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import createDebug from 'debug'
import { takeLock } from '../engine/store-lock.ts'
import { HoltError } from '../errors.ts'
import { makeDirectory } from '../journal/make-directory.ts'
import { startThread } from '../thread.ts'
import { checkApart } from './apart.ts'
import { attach, attachAsUser, checkDevice, checkMountPoint, isRoot, openDevice, unmountNow } from './fuse/mount.ts'
import { findMount, MOUNT_TYPE } from './fuse/mount-table.ts'
import type { MountStoreOptions } from './mount-store.ts'
import { Restarts } from './restarts.ts'
import { type ServerEnd, ServerProcess } from './server-process.ts'
import { checkStoreDirectory } from './store-directory.ts'

const debug = createDebug('holtfs:mount')
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Milliseconds that the mount has been served before the next server is started, and after one that stood by has ended. */
const STANDBY_AFTER = 1000
const STANDBY_AGAIN = 30_000
/** Bytes of memory that this machine, or our part of it, must have for a process to stand by. */
const STANDBY_MEMORY = 1 << 30

/**
 * Serves a store on a mount point; resolves when the mount has ended and the store is closed. Handles SIGINT, SIGTERM and
 * SIGHUP meanwhile.
 * @throws {HoltError} HOLT_LOCKED; HOLT_MOUNT when it could not be mounted, in the server's words; HOLT_FAILED when the mount
 * did not end in order
 */
export async function superviseMount(given: MountStoreOptions): Promise<void> {
  const options = { ...given, mountpoint: checkMountPoint(given.mountpoint) }
  checkDevice()
  checkApart(options.store, options.mountpoint)
  checkStoreDirectory(options.store)
  const supervisor = new Supervisor(options)
  const onSignal = (signal: NodeJS.Signals) => supervisor.stop(signal)
  for (const signal of SIGNALS) process.on(signal, onSignal)
  try {
    await supervisor.run()
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

class Supervisor {
  readonly #options: MountStoreOptions
  readonly #connection = randomBytes(6).readUIntLE(0, 6)
  #lock: number | undefined
  #fd = -1
  #server: ServerProcess | undefined
  #standby: ServerProcess | undefined
  #standbyTimer: NodeJS.Timeout | undefined
  /** The mount has answered. */
  #isReady = false
  #outlives = false
  #stopping: NodeJS.Signals | undefined
  #diedAt = 0
  #mountError: unknown

  constructor(options: MountStoreOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    this.#lock = lockFor(this.#options)
    try {
      this.#fd = isRoot() ? openDevice() : await attachAsUser(this.#mountRequest())
      await this.#keepServing()
    } finally {
      clearTimeout(this.#standbyTimer)
      const standby = this.#standby
      this.#standby = undefined
      standby?.kill('SIGKILL')
      await standby?.ended
      if (this.#lock !== undefined) closeSync(this.#lock)
    }
  }

  async #keepServing(): Promise<void> {
    const restarts = new Restarts()
    if (this.#stopping !== undefined) return this.#neverMounted()
    for (let generation = 0; ; generation++) {
      const end = await this.#serve(generation, restarts.refused)
      if (!this.#isReady) return this.#neverMounted(end)
      if (end.isOver || this.#stopping !== undefined) return this.#finish(end)
      if (!this.#outlives) throw failed(`${is(end)}; the mount ends with it: unmount ${this.#options.mountpoint}`)
      const { pause, isHopeless, newlyRefused } = restarts.ended(end)
      if (isHopeless) return this.#refuse(end)
      log(`${is(end)}; the mount waits for another one`)
      if (newlyRefused > 0) log(`${newlyRefused} of the calls that servers died of are answered EIO`)
      if (pause > 0) await sleep(pause)
    }
  }

  /** SIGINT, SIGTERM and SIGHUP end the mount: the server does it, in order, or we do when there is none. */
  stop(signal: NodeJS.Signals): void {
    const isRepeated = this.#stopping !== undefined
    this.#stopping = signal
    // One that takes over would die of a signal before it can handle it: it gets it later.
    if (this.#server !== undefined && (this.#server.isServing || !this.#isReady)) {
      this.#server.kill(signal)
    } else if (this.#server === undefined || isRepeated) {
      this.#release()
    }
  }

  /** Lets one server process serve to its end. */
  async #serve(generation: number, refused: readonly number[]): Promise<ServerEnd> {
    const server = this.#standby ?? this.#start()
    clearTimeout(this.#standbyTimer)
    this.#standby = undefined
    this.#server = server
    server.serve(
      { generation, refused },
      {
        onAttached: () => void this.#mount(server),
        onReady: outlives => this.#onServing(server, outlives, generation),
      },
    )
    const end = await server.ended
    this.#diedAt = performance.now()
    this.#server = undefined
    return end
  }

  #start(): ServerProcess {
    const { store, mountpoint, options, workers, durability, poolBytes, readOnly } = this.#options
    const isLocked = this.#lock !== undefined
    const connection = this.#connection
    return new ServerProcess({
      store,
      mountpoint,
      options: { options, workers, durability, poolBytes, readOnly, connection, isLocked },
      fd: this.#fd,
      lock: this.#lock,
    })
  }

  async #mount(server: ServerProcess): Promise<void> {
    try {
      if (isRoot()) await attach(this.#fd, this.#mountRequest())
      if (this.#server === undefined && !this.#isReady) this.#release()
    } catch (error) {
      this.#mountError = error
      server.kill('SIGKILL')
    }
  }

  #onServing(server: ServerProcess, outlives: boolean, generation: number): void {
    if (generation > 0) {
      log(`the mount is served again, after ${Math.round(performance.now() - this.#diedAt)} ms`)
    } else {
      this.#isReady = true
      this.#outlives = outlives
      this.#options.onReady()
    }
    if (this.#stopping !== undefined) server.kill(this.#stopping)
    else if (this.#outlives && memory() >= STANDBY_MEMORY) this.#standByIn(STANDBY_AFTER)
  }

  /** Starts the process that will take over. */
  #standByIn(milliseconds: number): void {
    this.#standbyTimer = setTimeout(() => {
      const standby = this.#start()
      this.#standby = standby
      void standby.ended.then(() => {
        if (this.#standby !== standby) return
        this.#standby = undefined
        this.#standByIn(STANDBY_AGAIN)
      })
    }, milliseconds)
  }

  #neverMounted(end?: ServerEnd): never {
    this.#release()
    if (this.#mountError !== undefined) throw this.#mountError
    const why = this.#stopping === undefined ? end?.how : undefined
    throw new HoltError(
      'HOLT_MOUNT',
      why === undefined
        ? `stopped by ${this.#stopping} before the mount was ready`
        : isBare(why)
          ? `the server ${why} at once`
          : why,
    )
  }

  #finish(end: ServerEnd): void {
    if (end.code === 0) return
    this.#release()
    throw failed(`${is(end)} as it closed ${this.#options.store}; the next mount recovers it`)
  }

  /** Nobody can serve the mount: nobody shall wait for it either. */
  async #refuse(end: ServerEnd): Promise<void> {
    const { store, mountpoint } = this.#options
    log(`${is(end)}; ${mountpoint} answers EIO from now on: unmount it, and see holtfs check ${store}`)
    const thread = startThread(import.meta.url, './fuse/refuse', { workerData: { fd: this.#fd } })
    await new Promise((resolve, reject) => {
      thread.on('exit', resolve)
      thread.on('error', reject)
    })
    throw failed(`${mountpoint} could not be served to its end`)
  }

  /** Takes the mount away when nobody serves it. */
  #release(): void {
    const { mountpoint, store } = this.#options
    const there = findMount(mountpoint)
    if (there?.type === MOUNT_TYPE && there.source === store) unmountNow(mountpoint, { abort: true })
  }

  #mountRequest() {
    const { store: name, mountpoint, readOnly, options } = this.#options
    return { name, mountpoint, readOnly, options }
  }
}

/** The lock that is held as long as the mount. When there is nothing to lock, the server tells better why. */
function lockFor({ store, readOnly }: MountStoreOptions): number | undefined {
  try {
    if (!readOnly && !existsSync(store)) makeDirectory(store)
    return takeLock(store, readOnly)
  } catch (error) {
    if (error instanceof HoltError) throw error
    return undefined
  }
}

/** Bytes of memory that we may use at most. */
function memory(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

function is({ pid, how }: ServerEnd): string {
  return `the server (process ${pid}) ${isBare(how) ? how : `ended: ${how}`}`
}

/** Whether nothing is known but that it has ended: no words of its own. */
function isBare(how: string): boolean {
  return /^(was|ended) /.test(how)
}

function log(line: string): void {
  debug(line)
  process.stderr.write(`holtfs: ${line}\n`)
}

function failed(message: string): HoltError {
  return new HoltError('HOLT_FAILED', message)
}
