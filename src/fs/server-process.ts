/**
 * The supervisor's side of one server process (server.ts): starts it, tells it when to serve, hears what it says, and says
 * how it ended. Between its start and the order to serve it has its modules loaded and a thread waiting, and has touched
 * neither the store nor the device.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { InHand } from './fuse/in-hand.ts'
import type { ServeOrder, ServerMessage, ServerOptions } from './server.ts'

/** How a process ends that has gone wrong by itself. */
const CRASHES = new Set<NodeJS.Signals>(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP', 'SIGSYS'])

export interface ServerSpecification {
  store: string
  mountpoint: string
  options: ServerOptions
  /** The device. */
  fd: number
  /** The lock of the store; undefined when there is nothing to lock. */
  lock: number | undefined
}

/** How a server process ended. */
export interface ServerEnd {
  pid: number | undefined
  how: string
  code: number | null
  /** By a signal from outside. */
  isKilled: boolean
  /** The mount was gone by then, or told to go. */
  isOver: boolean
  /** Milliseconds from when it was ready to answer; 0 when it never was. */
  served: number
  inHand: InHand
}

/** What the server says while it comes to serve. */
export interface ServerListener {
  /** The device is to be mounted now. */
  onAttached(): void
  /** It answers; `outlives`: another one can take over from it. */
  onReady(outlives: boolean): void
}

export class ServerProcess {
  readonly ended: Promise<ServerEnd>
  /** It has been ready to answer. */
  isServing = false
  readonly #child: ChildProcess
  #listener: ServerListener | undefined

  constructor({ store, mountpoint, options, fd, lock }: ServerSpecification) {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const entry = fileURLToPath(new URL(`./server.${extension}`, import.meta.url))
    // A process group of its own: what the terminal sends to ours is handed on by us, once.
    this.#child = spawn(process.execPath, [...process.execArgv, entry, store, mountpoint, JSON.stringify(options)], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', fd, 'pipe', lock ?? 'ignore', 'ipc'],
    })
    this.ended = this.#watch(this.#child)
  }

  serve(order: ServeOrder, listener: ServerListener): void {
    this.#listener = listener
    // When it has ended meanwhile, `ended` says so.
    if (this.#child.connected) this.#child.send(order, () => {})
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #watch(child: ChildProcess): Promise<ServerEnd> {
    const { pid } = child
    const inHand = new InHand()
    const end: ServerEnd = { pid, how: '', code: null, isKilled: false, isOver: false, served: 0, inHand }
    let readySince = 0
    child.stdio[4]?.on('data', (chunk: Buffer) => inHand.take(chunk))
    return new Promise(resolve => {
      child.on('error', error => {
        end.how = `cannot be started (${error.message})`
        if (pid === undefined) resolve(end)
      })
      child.on('message', (message: ServerMessage) => {
        switch (message.is) {
          case 'attached':
            this.#listener?.onAttached()
            break
          case 'ready':
            readySince = performance.now()
            this.isServing = true
            this.#listener?.onReady(message.outlives)
            break
          case 'ended':
            end.isOver = true
            break
          case 'failed':
            end.how = message.why
        }
      })
      child.on('close', (code, signal) => {
        end.code = code
        end.isKilled = end.how === '' && signal !== null && !CRASHES.has(signal)
        if (end.how === '') end.how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
        if (readySince !== 0) end.served = performance.now() - readySince
        resolve(end)
      })
    })
  }
}
