/**
 * Entry of the process that serves a supervised mount: `server.js STORE MOUNTPOINT JSON`, the device as descriptor 3, the
 * pipe of fuse/in-hand.ts as 4, the lock of the store as 5, and an IPC channel to the supervisor. It loads what it needs and
 * waits for the order to serve. It may end at any moment, however it ends; while the mount is there, only the kernel and
 * the store know more than it does.
 */
import { once } from 'node:events'
import { HoltError, oneLine } from '../errors.ts'
import { type MountStoreOptions, prepareThreads, serveStore } from './mount-store.ts'

/** The third argument: the same for all servers of a mount. */
export interface ServerOptions extends Pick<MountStoreOptions, 'options' | 'workers' | 'durability' | 'poolBytes'> {
  readOnly: boolean
  connection: number
  /** Whether descriptor 5 is there. */
  isLocked: boolean
}

/** The one message to the server: serve now. */
export interface ServeOrder {
  refused: readonly number[]
  generation: number
}

/**
 * What the supervisor is told. `attached`: mount now; `ready`: it answers; `ended`: it is gone, or was taken away while
 * it was in use, and what follows is not the mount's business; `failed`: why the process is about to end.
 */
export type ServerMessage =
  | { is: 'attached' | 'ended' }
  | { is: 'ready'; outlives: boolean }
  | { is: 'failed'; why: string }

const DEVICE = 3
const NOTES = 4
const LOCK = 5

const [, , store, mountpoint, rest] = process.argv
const { connection, isLocked, ...options } = JSON.parse(rest) as ServerOptions
let isReady = false

function tell(message: ServerMessage, then: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, then)
  else then()
}

/** Says why, to the supervisor if there is one. Threads that wait for requests keep a process from exiting; SIGKILL does not. */
function die(error: unknown): void {
  if (!process.connected) process.stderr.write(`holtfs: ${oneLine(error)}\n`)
  tell({ is: 'failed', why: oneLine(error) }, () => process.kill(process.pid, 'SIGKILL'))
}

const leave = () => process.exit()

process.on('uncaughtException', die)
process.on('disconnect', leave)
// It may have ended while the modules were loaded.
if (!process.connected) leave()
try {
  const threads = prepareThreads()
  const [{ refused, generation }] = (await once(process, 'message')) as [ServeOrder]
  process.off('disconnect', leave)
  process.on('disconnect', () => {
    if (isReady) process.stderr.write('holtfs: the supervisor is gone; the mount now ends with this process\n')
    else die(new HoltError('HOLT_MOUNT', 'the supervisor ended before the mount was ready'))
  })
  await serveStore(
    { ...options, store, mountpoint, onReady: () => {} },
    {
      fd: DEVICE,
      lock: isLocked ? { fd: LOCK, pid: process.ppid } : undefined,
      threads,
      connection,
      notes: NOTES,
      refused,
      generation,
      die,
      onAttached: () => tell({ is: 'attached' }),
      onReady: outlives => {
        isReady = true
        tell({ is: 'ready', outlives })
      },
      onDetached: () => tell({ is: 'ended' }),
      onEnded: () => tell({ is: 'ended' }),
    },
  )
  process.removeAllListeners('disconnect')
  if (process.connected) process.disconnect()
} catch (error) {
  die(error)
}
