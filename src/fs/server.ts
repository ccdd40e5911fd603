/**
 * Entry of the process that serves a supervised mount: `server.js STORE MOUNTPOINT JSON`, the device as descriptor 3, the
 * pipe of fuse/in-hand.ts as descriptor 4, and an IPC channel to the supervisor. It may end at any moment, however it
 * ends; while the mount is there, only the kernel and the store know more than it does.
 */
import { HoltError, oneLine } from '../errors.ts'
import { type MountStoreOptions, serveStore } from './mount-store.ts'

/** The third argument. */
export interface ServerOptions extends Pick<MountStoreOptions, 'options' | 'workers' | 'durability' | 'poolBytes'> {
  readOnly: boolean
  connection: number
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

const [, , store, mountpoint, rest] = process.argv
const { connection, refused, generation, ...options } = JSON.parse(rest) as ServerOptions
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

process.on('uncaughtException', die)
process.on('disconnect', () => {
  if (isReady) process.stderr.write('holtfs: the supervisor is gone; the mount now ends with this process\n')
  else die(new HoltError('HOLT_MOUNT', 'the supervisor ended before the mount was ready'))
})

try {
  await serveStore(
    { ...options, store, mountpoint, onReady: () => {} },
    {
      fd: DEVICE,
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
