/**
 * `holtfs check --repair`: a new store is made beside the damaged one of whatever can be saved of it, made consistent, and
 * checked; then the two exchange their names. Until then the damaged store is only read, and afterwards it is kept, with data
 * files of its own.
 */
import { chmodSync, constants, mkdtempSync, realpathSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { WAL } from '../engine/attach.ts'
import { FRAMES } from '../engine/frame-file.ts'
import { MANIFEST } from '../engine/manifest.ts'
import { type SalvageSummary, salvageStore } from '../engine/salvage.ts'
import { openStore } from '../engine/store.ts'
import { lockStore, unlockStore } from '../engine/store-lock.ts'
import { HoltError } from '../errors.ts'
import type { Storage } from '../journal/storage.ts'
import { checkFilesystem, type Problem } from './check.ts'
import { DataFiles } from './data-files.ts'
import { wide } from './dirent.ts'
import { listMounts, MOUNT_TYPE } from './fuse/mount-table.ts'
import { ALL_INODES, keyNumber, NO_KEY, NUMBER_KEY } from './keys.ts'
import type { Metadata } from './metadata.ts'
import { repairFilesystem } from './repair.ts'
import { type RepairHost, removeTree, repairHost } from './repair-host.ts'
import { createFsShared } from './shared.ts'
import { checkStoreDirectory } from './store-directory.ts'
import { takeDataFiles } from './take-data-files.ts'

export interface RepairStoreOptions {
  /** Say what would be done, and make the new store in the temporary directory only. */
  dryRun: boolean
  /** Remove the damaged store afterwards. */
  discard: boolean
  /** Bytes of memory for metadata. Default 256 MB. */
  poolBytes?: number
  /** Told now and then what is being done and how far that is; `total` 0: not known. */
  progress(what: string, done: number, total: number): void
  /** The host, or a test's stand-in for it. */
  host?: RepairHost
}

export interface RepairSummary extends SalvageSummary {
  isFilesystem: boolean
  /** What was lost, found or put right in the filesystem. */
  actions: Problem[]
  /** Where the damaged store is now; absent when it was removed, or nothing was done. */
  kept?: string
}

/** In `STORE.repairing`, this file says that the next repair may remove the directory; elsewhere it says nothing. */
const UNFINISHED = 'unfinished-repair'
/** Any of these makes a directory one that was a store. */
const PARTS = [MANIFEST, FRAMES, WAL, 'data']
const POOL_BYTES = 256 << 20

/**
 * Repairs the store in a directory, damaged or not.
 * @throws HoltError HOLT_LOCKED, HOLT_NOT_A_STORE, HOLT_MOUNT (not the caller's own store), HOLT_FORMAT; HOLT_FULL, HOLT_IO when the
 * new store cannot be written; HOLT_FAILED when it does not come out clean. The store is as it was then.
 */
export function repairStore(directory: string, options: RepairStoreOptions): RepairSummary {
  const { dryRun, discard, host = repairHost } = options
  const { storage } = host
  checkIsStore(storage, directory)
  checkStoreDirectory(directory)
  if (!dryRun) checkNotMounted(directory)
  if (!dryRun && statSync(directory).dev !== statSync(dirname(directory)).dev) {
    throw new HoltError(
      'HOLT_INVALID',
      `${directory} is a mount point of its own and cannot be exchanged: mount it elsewhere, so that the store is a directory in it`,
    )
  }
  const lock = lockStore(directory, dryRun)
  try {
    const fresh = dryRun ? mkdtempSync(join(tmpdir(), 'holtfs-repair-')) : prepare(host, repairingName(directory))
    try {
      const summary = fill(host, directory, fresh, options)
      if (dryRun) return summary
      const report = (files: number) => options.progress('taking over data files', files, 0)
      takeDataFiles(host, join(directory, 'data'), join(fresh, 'data'), discard, report)
      chmodSync(fresh, (statSync(directory).mode & 0o755) | 0o700)
      storage.syncDirectory(fresh)
      if (discard) replace(host, directory, fresh)
      else summary.kept = swap(host, directory, fresh)
      return summary
    } finally {
      if (host.isDirectory(fresh)) removeTree(host, fresh, UNFINISHED)
    }
  } finally {
    unlockStore(directory, lock, true)
  }
}

function checkIsStore(storage: Storage, directory: string): void {
  let names: string[]
  try {
    names = storage.list(directory)
  } catch (cause) {
    throw new HoltError('HOLT_NOT_A_STORE', `${directory}: ${(cause as Error).message}`, { cause })
  }
  if (PARTS.some(part => names.includes(part))) return
  throw new HoltError('HOLT_NOT_A_STORE', `${directory} holds nothing of a store`)
}

function repairingName(directory: string): string {
  return `${directory}.repairing`
}

/** Whether a repair of the store was cut short, and has left a directory beside it that the next one removes. */
export function isRepairUnfinished(directory: string, host: RepairHost = repairHost): boolean {
  const path = repairingName(directory)
  return host.isDirectory(path) && host.storage.list(path).includes(UNFINISHED)
}

/** A mount whose server has died and is about to be replaced holds no lock. */
function checkNotMounted(directory: string): void {
  const store = realpathSync(directory)
  const mount = listMounts().find(({ type, source }) => type === MOUNT_TYPE && resolve(source) === store)
  if (mount === undefined) return
  throw new HoltError('HOLT_LOCKED', `${directory} is mounted on ${mount.target}: unmount it first`)
}

/** An empty directory in the place of one that an earlier repair has left, which was killed. */
function prepare(host: RepairHost, path: string): string {
  const { storage } = host
  if (storage.list(dirname(path)).includes(basename(path))) {
    const names = host.isDirectory(path) ? storage.list(path) : ['']
    if (names.length > 0 && !names.includes(UNFINISHED)) {
      throw new HoltError('HOLT_INVALID', `${path} is in the way: move it elsewhere`)
    }
    removeTree(host, path, UNFINISHED)
  }
  storage.mkdir(path)
  mark(storage, path)
  return path
}

/** Lets the next repair remove the directory, if it is called as one that is being repaired. */
function mark(storage: Storage, directory: string): void {
  storage.close(storage.open(join(directory, UNFINISHED), constants.O_WRONLY | constants.O_CREAT))
  storage.syncDirectory(directory)
}

function unmark(storage: Storage, directory: string): void {
  try {
    storage.unlink(join(directory, UNFINISHED))
  } catch {
    // A store may hold it.
  }
}

/** Makes a consistent store in `fresh`. */
function fill(host: RepairHost, directory: string, fresh: string, options: RepairStoreOptions): RepairSummary {
  const { storage } = host
  const { progress, poolBytes = POOL_BYTES } = options
  const salvaged = salvageStore(storage, directory, fresh, { poolBytes, progress })
  const summary: RepairSummary = { ...salvaged, isFilesystem: false, actions: [] }
  const store = openStore(fresh, { poolBytes, background: false, durability: 'async', storage })
  try {
    const { tree } = store
    const data = new DataFiles(storage, join(directory, 'data'), createFsShared(), { readOnly: true })
    summary.isFilesystem = isFilesystem(tree, storage, directory)
    if (summary.isFilesystem) {
      const report = (problem: Problem) => void summary.actions.push(problem)
      const { uid, gid } = statSync(directory)
      repairFilesystem(tree, data, { report, progress: (what, done) => progress(`mending ${what}`, done, 0), uid, gid })
    }
    const left: Problem[] = tree.check((done, total) => progress('checking frames', done, total)).problems
    if (summary.isFilesystem) {
      checkFilesystem(
        tree,
        data,
        problem => left.push(problem),
        done => progress('checking records', done, 0),
      )
    }
    data.close()
    if (left.length > 0) {
      const first = `${left[0].code}: ${left[0].path ?? ''} ${left[0].message}`
      throw new HoltError(
        'HOLT_FAILED',
        `the repaired store has ${left.length} problems (${first}): nothing was changed`,
      )
    }
  } finally {
    store.close()
  }
  return summary
}

/** Whether the store is one of a filesystem: it has inodes, or files beside the tree. */
function isFilesystem(metadata: Metadata, storage: Storage, directory: string): boolean {
  const cursor = metadata.cursor()
  cursor.seek(ALL_INODES, ALL_INODES.length, NO_KEY, 0, -1, false)
  if (!cursor.next()) return storage.list(directory).includes('data')
  // An inode record begins with its number, which is its key.
  const { key, keyLength, value, valueLength } = cursor
  return keyLength === NUMBER_KEY && valueLength > NUMBER_KEY && wide(value, 0) === keyNumber(key)
}

/** Exchanges the two stores; returns where the damaged one is. Each step is durable before the next one begins. */
function swap(host: RepairHost, directory: string, fresh: string): string {
  const { storage } = host
  const above = dirname(directory)
  const kept = keptName(storage, directory)
  storage.rename(fresh, kept)
  try {
    storage.syncDirectory(above)
    host.exchange(directory, kept)
  } catch (error) {
    storage.rename(kept, fresh)
    throw error
  }
  storage.syncDirectory(above)
  unmark(storage, directory)
  return kept
}

/** Exchanges the two stores; the damaged one is then where the next repair removes it, if this one does not come to it. */
function replace(host: RepairHost, directory: string, fresh: string): void {
  const { storage } = host
  // The names that are exchanged are both on the medium before.
  storage.syncDirectory(dirname(directory))
  mark(storage, directory)
  try {
    host.exchange(directory, fresh)
  } catch (error) {
    unmark(storage, directory)
    throw error
  }
  try {
    storage.syncDirectory(dirname(directory))
  } catch (error) {
    // Nobody knows which of the two a power cut would leave there: both stay.
    storage.rename(fresh, keptName(storage, directory))
    throw error
  }
  unmark(storage, directory)
}

function keptName(storage: Storage, directory: string): string {
  const time = new Date(Date.now()).toISOString().slice(0, 19).replaceAll(':', '')
  const taken = storage.list(dirname(directory))
  const name = `${directory}.damaged-${time}`
  let kept = name
  for (let i = 2; taken.includes(basename(kept)); i++) kept = `${name}-${i}`
  return kept
}
