/**
 * A mounted store from its beginning to its end: opens and recovers it, removes what a killed server left behind,
 * serves it, and closes it, in the main thread. The requests themselves are the FUSE workers' (fuse/worker.ts).
 */
import { chmodSync, existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import createDebug from 'debug'
import { openStore } from '../engine/store.ts'
import { HoltError } from '../errors.ts'
import type { Durability } from '../journal/journal.ts'
import { type FileSystemHandle, makeFileSystem } from './attach.ts'
import { serveControl } from './control.ts'
import type { FileSystem } from './filesystem.ts'
import { createRequestCounters, describeRequests } from './fuse/counters.ts'
import { checkDevice, checkMountPoint } from './fuse/mount.ts'
import { isKnownToKernel } from './fuse/notify.ts'
import { serve } from './fuse/serve.ts'
import { ATTR_SIZE } from './inode.ts'
import { ROOT_INO } from './keys.ts'
import { createFsShared } from './shared.ts'
import { checkStoreDirectory } from './store-directory.ts'

const debug = createDebug('holtfs:mount')

/** Milliseconds between two collections of inodes that were forgotten and of data files that were given up. */
const COLLECT_EVERY = 1000

export interface MountStoreOptions {
  /** Absolute path of the store's directory. */
  store: string
  mountpoint: string
  /** Mount options, passed on to mount(8). */
  options: string[]
  /** FUSE worker threads. */
  workers: number
  durability: Durability
  /** Bytes of memory for metadata. */
  poolBytes: number
  readOnly: boolean
  /** Called once, when the mount answers. */
  onReady(): void
}

/** Opens the store, serves it, closes it; resolves when the mount has ended. Throws what {@link openStore} and {@link serve} throw. */
export async function mountStore(options: MountStoreOptions): Promise<void> {
  const { readOnly, workers, durability, poolBytes } = options
  checkMountPoint(options.mountpoint)
  checkDevice()
  checkApart(options.store, options.mountpoint)
  checkStoreDirectory(options.store)
  const isNew = !existsSync(join(options.store, 'manifest'))
  const store = openStore(options.store, { durability, poolBytes, readOnly })
  const directory = store.directory as string
  if (isNew) chmodSync(directory, 0o700)
  const handle: FileSystemHandle = { store: store.share(), shared: createFsShared(), directory, readOnly }
  const requestCounters = createRequestCounters(workers)
  try {
    const filesystem = makeFileSystem(handle, store.tree)
    if (readOnly) {
      refuseWithoutRoot(filesystem, directory)
    } else {
      filesystem.format(process.getuid?.() ?? 0, process.getgid?.() ?? 0)
      filesystem.takeReserve()
      filesystem.freeingSpace(() => filesystem.collectOrphans())
    }
    const describe = () => ({ tree: store.tree.stats(), requests: describeRequests(requestCounters) })
    // Nothing is made in a store that is only read, and others may read it too: `holtfs stats` can open it itself.
    const control = readOnly ? undefined : serveControl(directory, describe)
    const mount: { device?: number } = {}
    const timer = setInterval(() => collect(filesystem, mount.device, readOnly), COLLECT_EVERY)
    const onReady = (device: number) => {
      mount.device = device
      options.onReady()
    }
    try {
      const module = new URL(`./attach.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href
      await serve({ ...options, name: directory, module, handle, requestCounters, onReady })
    } finally {
      clearInterval(timer)
      control?.close()
      // The mount is gone, nobody has anything open. What fails here is done at the next start.
      if (!readOnly) attempt(() => filesystem.collectOrphans())
    }
  } finally {
    store.close()
  }
}

/** A tree that an embedding program filled, or a store that was never mounted to write, has nothing to show. */
function refuseWithoutRoot(filesystem: FileSystem, directory: string): void {
  if (filesystem.getattr(ROOT_INO, new Uint8Array(ATTR_SIZE), 0) >= 0) return
  throw new HoltError('HOLT_NOT_A_STORE', `${directory} holds no filesystem: mount it without --read-only once`)
}

function collect(filesystem: FileSystem, device: number | undefined, readOnly: boolean): void {
  if (readOnly) return
  attempt(() => {
    filesystem.freeingSpace(() => {
      if (device !== undefined) filesystem.collectForgotten(ino => isKnownToKernel(device, ino))
      filesystem.collectRetired()
    })
    filesystem.takeReserve()
  })
}

function attempt(collection: () => void): void {
  try {
    collection()
  } catch (error) {
    debug('collecting what is not used any more failed: %s', (error as Error).message)
  }
}

/** A server that opens its own files through its own mount waits for itself; a mount over them hides them. */
function checkApart(store: string, mountpoint: string): void {
  const files = realPath(store)
  const mount = realPath(mountpoint)
  if (isWithin(files, mount)) {
    throw new HoltError('HOLT_MOUNT', `the mount point ${mountpoint} would hide the store ${store}: choose another`)
  }
  if (isWithin(mount, files)) {
    throw new HoltError('HOLT_MOUNT', `the mount point ${mountpoint} lies in the store ${store}: choose another`)
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

/** Without symbolic links, as far as the path exists. */
function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : join(realPath(dirname(path)), basename(path))
}
