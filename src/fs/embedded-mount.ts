/** `mount` of the package: a mount that a program serves itself, with the defaults of `holtfs mount`. */
import { resolve } from 'node:path'
import { HoltError } from '../errors.ts'
import { DEFAULT_POOL } from '../limits.ts'
import { type MountStoreOptions, mountStore } from './mount-store.ts'
import { defaultWorkers, MOST_WORKERS } from './worker-count.ts'

export interface MountOptions extends Partial<MountStoreOptions> {
  /** Directory of the store; made when it does not exist. */
  store: string
  /** An existing directory. */
  mountpoint: string
}

/**
 * Opens a store, serves it on a directory, and closes it; resolves when the mount has ended: by umount(8), by SIGINT,
 * SIGTERM or SIGHUP, which it handles meanwhile. There is no supervisor, so the mount ends with the process.
 *
 * This process must not touch files of its own mount: a call that waits for the kernel may be what it waits for.
 * @throws HoltError HOLT_MOUNT; HOLT_INVALID; HOLT_FAILED when a worker thread crashed; what `openStore` throws
 */
export async function mount(given: MountOptions): Promise<void> {
  const { store, mountpoint, workers = defaultWorkers(), transport = 'builtin' } = given
  const { options = [], durability = 'process', poolBytes = DEFAULT_POOL, readOnly = false } = given
  if (!store || !mountpoint) throw new HoltError('HOLT_INVALID', 'mount: give the paths `store` and `mountpoint`')
  if (!Number.isInteger(workers) || workers < 1 || workers > MOST_WORKERS) {
    throw new HoltError('HOLT_INVALID', `workers is ${workers}: give a whole number from 1 to ${MOST_WORKERS}`)
  }
  await mountStore({
    store: resolve(store),
    mountpoint: resolve(mountpoint),
    options,
    workers,
    durability,
    poolBytes,
    readOnly,
    transport,
    onReady: () => given.onReady?.(),
  })
}
