/**
 * A mounted store from its beginning to its end in one process: opens and recovers it, removes what a killed server left
 * behind, serves it, and closes it, in the main thread. The requests themselves are the FUSE workers' (fuse/worker.ts).
 * Supervised (supervisor.ts), the device is somebody else's and the mount may have been served before.
 */
import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import createDebug from 'debug'
import { MANIFEST } from '../engine/manifest.ts'
import { openStore } from '../engine/store.ts'
import type { HeldLock } from '../engine/store-lock.ts'
import { HoltError } from '../errors.ts'
import type { Durability } from '../journal/durability.ts'
import { checkApart } from './apart.ts'
import { type FileSystemHandle, makeFileSystem } from './attach.ts'
import { serveControl } from './control.ts'
import type { FileSystem } from './filesystem.ts'
import { createRequestCounters, describeRequests } from './fuse/counters.ts'
import { checkDevice, checkMountPoint } from './fuse/mount.ts'
import { isKnownToKernel } from './fuse/notify.ts'
import { TIMEOUTS } from './fuse/reply.ts'
import { prepareWorker, type Supervision, serve } from './fuse/serve.ts'
import { answerReceipts, askToResend } from './fuse/takeover.ts'
import { loadFuseNative } from './fuse-native/load.ts'
import { serveNative } from './fuse-native/serve-native.ts'
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
  /** FUSE worker threads, 1 to 64. */
  workers: number
  durability: Durability
  /** Bytes of memory for metadata. */
  poolBytes: number
  readOnly: boolean
  /** How to talk to the kernel; default builtin. fuse-native leaves handles behind that keep the process: end it afterwards. */
  transport?: 'builtin' | 'fuse-native'
  /** Called once, when the mount answers. */
  onReady(): void
}

/** For a process that serves a mount which is to outlive it. */
export interface SupervisedMount extends Omit<Supervision, 'takeOver'> {
  /** From {@link prepareThreads}. */
  threads: Worker[]
  lock: HeldLock | undefined
  /** How many processes have served this mount before. */
  generation: number
  /** Instead of MountStoreOptions.onReady; `outlives`: whether another process can take over. */
  onReady(outlives: boolean): void
  /** The mount is gone; the store is being closed. */
  onEnded(): void
}

const MODULE = new URL(`./attach.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href

/** The thread with which serving begins, to be started before there is anything to serve. */
export function prepareThreads(): Worker[] {
  return [prepareWorker(MODULE)]
}

/** Opens the store, serves it, closes it; resolves when the mount has ended. Throws what {@link openStore} and {@link serve} throw. */
export async function mountStore(given: MountStoreOptions): Promise<void> {
  const options = { ...given, mountpoint: checkMountPoint(given.mountpoint) }
  if (options.transport === 'fuse-native') loadFuseNative()
  else checkDevice()
  checkApart(options.store, options.mountpoint)
  checkStoreDirectory(options.store)
  await serveStore(options)
}

/** {@link mountStore} without its checks, supervised or not. */
export async function serveStore(options: MountStoreOptions, supervised?: SupervisedMount): Promise<void> {
  const { readOnly, workers, durability, poolBytes } = options
  const generation = supervised?.generation ?? 0
  const isNew = !existsSync(join(options.store, MANIFEST))
  const store = openStore(options.store, {
    durability,
    poolBytes,
    readOnly,
    ...(supervised?.lock && { lock: supervised.lock }),
  })
  const directory = store.directory as string
  if (isNew) chmodSync(directory, 0o700)
  const handle: FileSystemHandle = { store: store.share(), shared: createFsShared(), directory, readOnly }
  const requestCounters = createRequestCounters(workers)
  try {
    const filesystem = makeFileSystem(handle, store.tree)
    if (readOnly) refuseWithoutRoot(filesystem, directory)
    else prepare(filesystem, generation)
    const leftoversBelow = readOnly || generation === 0 ? 0 : filesystem.nextDataId
    const describe = () => ({ tree: store.tree.stats(), requests: describeRequests(requestCounters) })
    // Nothing is made in a store that is only read, and others may read it too: `holtfs stats` can open it itself.
    const control = readOnly ? undefined : serveControl(directory, describe)
    const mount: { device?: number } = {}
    const timer = setInterval(() => collect(filesystem, mount.device, readOnly, leftoversBelow), COLLECT_EVERY)
    const onReady = (device: number, resends: boolean) => {
      mount.device = device
      // What is only `async` may be lost with the process: programs that went on would see it gone.
      if (supervised !== undefined) supervised.onReady(resends && durability !== 'async')
      else options.onReady()
    }
    const takeOver = () => {
      // What `sync` acknowledges is durable, and the one that died may not have come to that.
      if (durability === 'sync') store.tree.sync()
      const { fd, connection } = supervised as SupervisedMount
      answerReceipts(fd, filesystem.receipts(connection), filesystem, TIMEOUTS)
      askToResend(fd)
    }
    const supervision = supervised && (generation > 0 ? { ...supervised, takeOver } : supervised)
    try {
      if (options.transport === 'fuse-native') {
        await serveNative(filesystem, { ...options, name: directory })
      } else {
        const parts = { name: directory, module: MODULE, handle, requestCounters, onReady }
        await serve({ ...options, ...parts, ...(supervision && { supervision, threads: supervision.threads }) })
      }
      supervised?.onEnded()
      // The mount is gone, nobody has anything open. What fails here is done at the next start.
      if (!readOnly) attempt(() => filesystem.collectOrphans())
    } finally {
      clearInterval(timer)
      control?.close()
    }
  } finally {
    store.close()
  }
}

function prepare(filesystem: FileSystem, generation: number): void {
  filesystem.format(process.getuid?.() ?? 0, process.getgid?.() ?? 0)
  filesystem.takeReserve()
  // Whoever has files open under a mount that outlived its server has the orphans open.
  if (generation === 0) filesystem.freeingSpace(() => filesystem.collectOrphans())
  else filesystem.doubtOrphans()
}

/** A tree that an embedding program filled, or a store that was never mounted to write, has nothing to show. */
function refuseWithoutRoot(filesystem: FileSystem, directory: string): void {
  if (filesystem.getattr(ROOT_INO, new Uint8Array(ATTR_SIZE), 0) >= 0) return
  throw new HoltError('HOLT_NOT_A_STORE', `${directory} holds no filesystem: mount it without --read-only once`)
}

function collect(filesystem: FileSystem, device: number | undefined, readOnly: boolean, leftoversBelow: number): void {
  if (readOnly) return
  attempt(() => {
    filesystem.freeingSpace(() => {
      if (device !== undefined) filesystem.collectForgotten(ino => isKnownToKernel(device, ino))
      filesystem.collectRetired(leftoversBelow)
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
