/**
 * A store directory: opening, recovery, sharing with other threads, closing.
 *
 *     STORE/lock  manifest  frames.dat  wal/<first seq>.wal  data/…
 *
 * Recovery is the last checkpoint plus the write-ahead log behind it. Whatever is wrong with the store is found before
 * anything in it is changed.
 */
import { constants, existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ADVICE, HoltError, hostError } from '../errors.ts'
import { DURABILITIES, type Durability } from '../journal/durability.ts'
import { Journal } from '../journal/journal.ts'
import { makeDirectory } from '../journal/make-directory.ts'
import { replay } from '../journal/replay.ts'
import { listSegments } from '../journal/segments.ts'
import { createJournalShared } from '../journal/shared.ts'
import { hostStorage, type Storage } from '../journal/storage.ts'
import { DEFAULT_POOL, FRAME_SIZE, MIN_POOL_FRAMES, WAL_SEGMENT } from '../limits.ts'
import { Apply } from './apply.ts'
import { attachStore, framesOf, type StoreHandle, WAL } from './attach.ts'
import { FRAMES } from './frame-file.ts'
import { Gate } from './gate.ts'
import { Maintenance } from './maintenance.ts'
import { createManifest, hasManifest, MANIFEST, type ManifestState, readManifest, settleManifest } from './manifest.ts'
import { Pool } from './pool.ts'
import { createScratch, type FrameStorage, type Scratch } from './scratch.ts'
import {
  C_BLOB_HIGH,
  C_CLOSED,
  C_DISK_HIGH,
  C_DISK_HINT,
  C_EPOCH,
  C_FAILED,
  C_LONGEST_KEY,
  C_MANIFEST_SIZE,
  C_NO_LOG,
  C_SHRINK,
  createEngineShared,
  N_CHECKPOINT_SEQ,
  N_MEMORY_SEQ,
  SHRINK_FREE,
} from './shared.ts'
import { checkEntries } from './store-entries.ts'
import { type HeldLock, lockStore, unlockStore } from './store-lock.ts'
import { Tree } from './tree.ts'

export interface StoreOptions {
  /** Bytes of memory for frames; at least 8 frames of 512 KB are taken. Default 256 MB. */
  poolBytes?: number
  /** What an acknowledged change survives. Default `process`. */
  durability?: Durability
  /**
   * Refuse changes with HOLT_READ_ONLY. The log is replayed in memory, and in a temporary file where the pool is too
   * small for what it changes; no file of the store is touched. Several processes may have a store open like this at
   * once, while none writes to it.
   */
  readOnly?: boolean
  /** Run checkpoint rounds and the periodic sync in a worker thread; else in the writing thread. Default true. */
  background?: boolean
  /** Host files, or a test's stand-in for them. With a stand-in there is no background thread. */
  storage?: Storage
  /** Bytes of WAL after which a segment is closed. */
  segmentBytes?: number
  /** The lock of the directory, when the process that started this one holds it. Default: it is taken. */
  lock?: HeldLock
}

export interface Store {
  readonly tree: Tree
  /** Directory of the store, absolute; undefined in memory. */
  readonly directory: string | undefined
  share(): StoreHandle
  /**
   * Writes a last checkpoint, stops the background thread and lets go of the lock. The store is closed even when that
   * fails, and every further call throws the same error: what was not synced may not be durable.
   * @throws HoltError HOLT_IO, HOLT_FULL
   */
  close(): void
}

/** What a first open that was cut short may leave in a directory that is no store yet. */
const LEFTOVERS = ['lock', 'manifest.new', 'holtfs.log']

/**
 * Opens the store in a directory, creating it when the directory does not exist or is empty; without a directory, a
 * store in memory.
 * @throws HoltError HOLT_LOCKED, HOLT_NOT_A_STORE, HOLT_FORMAT, HOLT_CORRUPT_MANIFEST, HOLT_CORRUPT_WAL,
 * HOLT_MISSING_WAL, HOLT_CORRUPT_FRAME, HOLT_INVALID, HOLT_IO
 */
export function openStore(directory?: string, options: StoreOptions = {}): Store {
  const poolBytes = options.poolBytes ?? DEFAULT_POOL
  if (!Number.isFinite(poolBytes) || poolBytes < 0) {
    throw new HoltError('HOLT_INVALID', `poolBytes is ${poolBytes}: give a number of bytes`)
  }
  const durability = options.durability ?? 'process'
  if (!DURABILITIES.includes(durability)) {
    throw new HoltError('HOLT_INVALID', `durability is ${durability}: give process, sync or async`)
  }
  if (directory === '') throw new HoltError('HOLT_INVALID', 'the path of the directory is empty')
  const engine = createEngineShared(Math.max(poolBytes, MIN_POOL_FRAMES * FRAME_SIZE))
  const handle: StoreHandle = {
    directory: undefined,
    engine,
    journal: createJournalShared(),
    framesFd: -1,
    scratch: undefined,
    durability,
    readOnly: options.readOnly ?? false,
    segmentBytes: options.segmentBytes ?? WAL_SEGMENT,
    background: options.background !== false && options.storage === undefined,
  }
  if (directory !== undefined) return new FileStore(resolve(directory), handle, options)
  const pool = new Pool(engine, undefined)
  pool.openRoot()
  const tree = new Tree({ pool, gate: new Gate(pool.control), readOnly: handle.readOnly })
  const close = () => void Atomics.store(pool.control, C_CLOSED, 1)
  tree.onClose = close
  return { tree, directory: undefined, share: () => handle, close }
}

class FileStore implements Store {
  readonly tree: Tree
  readonly directory: string
  readonly #handle: StoreHandle
  readonly #storage: Storage
  readonly #lockFd: number
  readonly #journal: Journal | undefined
  #maintenance: Maintenance | undefined
  #closed = false
  #failure: { error: unknown } | undefined

  constructor(directory: string, handle: StoreHandle, { storage = hostStorage, lock }: StoreOptions) {
    this.directory = directory
    this.#storage = storage
    this.#handle = handle
    const what = `cannot open ${directory}`
    atHost(what, () => prepareDirectory(directory, storage, handle.readOnly))
    this.#lockFd = atHost(what, () => lockStore(directory, handle.readOnly, lock))
    try {
      handle.directory = directory
      this.#journal = this.#recover()
      this.tree = attachStore(handle, storage)
      this.tree.onClose = () => this.close()
      this.tree.onFirstChange = () => this.#maintain()
    } catch (error) {
      this.#letGo()
      throw 'syscall' in (error as Error) ? hostError(what, error) : error
    }
  }

  share(): StoreHandle {
    this.#maintain()
    return this.#handle
  }

  /** From the first change on, or when other threads may make one: a store that is only read has no background thread. */
  #maintain(): void {
    if (!this.#handle.background || this.#journal === undefined || this.#closed) return
    this.#maintenance ??= new Maintenance(this.#handle)
  }

  /** Checkpoint plus log. Returns the log, open for appending; a read-only store has none. */
  #recover(): Journal | undefined {
    const { directory } = this
    const storage = this.#storage
    const handle = this.#handle
    if (!hasManifest(storage, directory)) {
      if (handle.readOnly) throw new HoltError('HOLT_NOT_A_STORE', `${directory} holds no store`)
      atHost(`cannot create a store in ${directory}`, () => createManifest(storage, directory))
    }
    const manifest = readManifest(storage, directory)
    const mayBeNew = manifest.slots.size === 0
    handle.framesFd = atHost('cannot open frames.dat', () => openFrames(storage, directory, mayBeNew, handle.readOnly))
    if (handle.readOnly) handle.scratch = atHost('cannot make a temporary file', () => scratchFor(storage, manifest))
    const wal = join(directory, WAL)
    // Closing deletes the log once the manifest is durable.
    let isSettled = handle.readOnly || (manifest.hasNoLog && listSegments(storage, wal).length === 0)
    // Before the first frame goes to a slot that the manifest calls free; but a store that is refused stays as it is.
    const settle = () => {
      if (isSettled) return
      isSettled = true
      const step = () => settleManifest(storage, directory, manifest)
      pool.control[C_MANIFEST_SIZE] = atHost('cannot make the manifest durable', step)
    }
    const pool = new Pool(handle.engine, framesOf(handle, beforeWrites(storage, settle)))
    mapSlots(pool, manifest)
    if (handle.scratch !== undefined) pool.control[C_DISK_HINT] = handle.scratch.from
    pool.openRoot()
    const gate = new Gate(pool.control)
    const apply = new Apply(pool)
    const entered = gate.enter()
    const log = replay(storage, wal, manifest.seq, manifest.hasNoLog, (type, body, length, seq) =>
      apply.run(type, body, length, seq),
    )
    gate.leave(entered)
    settle()
    pool.numbers[N_MEMORY_SEQ] = log.lastSeq
    if (handle.readOnly) return undefined
    return Journal.start(storage, wal, handle.journal, log, handle)
  }

  close(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#closed) return
    this.#closed = true
    this.#maintenance?.stop()
    try {
      this.#end()
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }

  #end(): void {
    const journal = this.#journal
    const control = new Int32Array(this.#handle.engine.control)
    // A change that is under way still is in the log, which then stays.
    Atomics.store(control, C_CLOSED, 1)
    let covered = -1
    try {
      // After a failure memory is not to be believed: what the log holds is for the next open.
      if (journal !== undefined && !journal.failed() && Atomics.load(control, C_FAILED) === 0) {
        if (control[C_SHRINK] === 0) control[C_SHRINK] = SHRINK_FREE
        covered = this.tree.finish()
      }
    } finally {
      try {
        journal?.close(covered)
      } finally {
        this.#letGo()
      }
    }
  }

  #letGo(): void {
    const { framesFd, scratch, readOnly } = this.#handle
    if (framesFd >= 0) this.#closeQuietly(framesFd)
    if (scratch !== undefined) this.#closeQuietly(scratch.fd)
    unlockStore(this.directory, this.#lockFd, readOnly)
  }

  /** What was to be durable is, or its failure was told. */
  #closeQuietly(fd: number): void {
    try {
      this.#storage.close(fd)
    } catch {
      // As said; the lock has to go.
    }
  }
}

/** `storage` for frames, with a step that comes before each write. */
function beforeWrites(storage: Storage, step: () => void): FrameStorage {
  return {
    read: (fd, target, at, length, position) => storage.read(fd, target, at, length, position),
    write(fd, source, at, length, position) {
      step()
      storage.write(fd, source, at, length, position)
    },
    datasync: fd => storage.datasync(fd),
    size: fd => storage.size(fd),
    allocated: fd => storage.allocated(fd),
    truncate: (fd, length) => storage.truncate(fd, length),
    punch: (fd, position, length) => storage.punch(fd, position, length),
  }
}

/** Runs a step of opening; the host's error becomes a HoltError. */
function atHost<T>(what: string, step: () => T): T {
  try {
    return step()
  } catch (cause) {
    throw hostError(what, cause)
  }
}

/** Makes sure that `directory` is a store or can become one. */
function prepareDirectory(directory: string, storage: Storage, readOnly: boolean): void {
  if (storage !== hostStorage) {
    makeDirectory(directory)
    return
  }
  if (!existsSync(directory)) {
    if (readOnly)
      throw new HoltError(
        'HOLT_NOT_A_STORE',
        `${directory} does not exist: name a store; one that is only read is not made`,
      )
    makeDirectory(directory)
    syncAncestors(directory)
    return
  }
  if (!statSync(directory).isDirectory()) {
    throw new HoltError('HOLT_NOT_A_STORE', `${directory} is not a directory: name a store directory`)
  }
  const foreign = readdirSync(directory).filter(name => !LEFTOVERS.includes(name))
  if (readOnly && foreign.length === 0) throw new HoltError('HOLT_NOT_A_STORE', `${directory} holds no store`)
  if (foreign.includes(FRAMES) && !foreign.includes(MANIFEST)) {
    throw new HoltError('HOLT_CORRUPT_MANIFEST', `${join(directory, MANIFEST)} is missing: ${ADVICE}`)
  }
  if (foreign.length > 0 && !foreign.includes(MANIFEST)) {
    throw new HoltError('HOLT_NOT_A_STORE', `${directory} is not empty and not a store: name another directory`)
  }
  checkEntries(directory)
  if (foreign.length === 0) syncAncestors(directory)
}

/** Makes the way to a new store durable, as far as we may: a power cut must not take the directory with what is synced in it. */
function syncAncestors(directory: string): void {
  for (let above = dirname(directory); ; above = dirname(above)) {
    try {
      hostStorage.syncDirectory(above)
    } catch {
      // Not ours to open: then it was there before us.
    }
    if (above === dirname(above)) return
  }
}

function scratchFor(storage: Storage, manifest: ManifestState): Scratch {
  let from = 0
  for (const slot of manifest.slots.values()) from = Math.max(from, slot)
  return createScratch(storage, from)
}

function openFrames(storage: Storage, directory: string, mayBeNew: boolean, readOnly: boolean): number {
  const fresh = !storage.list(directory).includes(FRAMES)
  if (fresh && !mayBeNew) {
    throw new HoltError('HOLT_CORRUPT_FRAME', `${join(directory, FRAMES)} is missing: ${ADVICE}`)
  }
  if (readOnly) return fresh ? -1 : storage.open(join(directory, FRAMES), constants.O_RDONLY)
  const fd = storage.open(join(directory, FRAMES), constants.O_RDWR | constants.O_CREAT)
  // A checkpoint may need the name. If frames.dat is there already, whoever made it may have been killed before this.
  if (mayBeNew) storage.syncDirectory(directory)
  return fd
}

/** Fills the residency tables from the manifest. */
function mapSlots(pool: Pool, manifest: ManifestState): void {
  for (const [blob, slot] of manifest.slots) {
    if (pool.disk.refs[slot - 1] !== 0) {
      throw new HoltError('HOLT_CORRUPT_MANIFEST', `the manifest maps two blobs to slot ${slot - 1}`)
    }
    pool.diskSlotOf[blob] = slot
    pool.committedOf[blob] = slot
    pool.disk.refs[slot - 1] = 2
    pool.disk.routed[slot - 1] = manifest.routed.has(slot) ? 1 : 0
    pool.disk.sums[slot - 1] = manifest.sums.get(slot) as number
    if (blob > pool.control[C_BLOB_HIGH]) pool.control[C_BLOB_HIGH] = blob
    if (slot > pool.control[C_DISK_HIGH]) pool.control[C_DISK_HIGH] = slot
  }
  pool.control[C_EPOCH] = manifest.epoch + 1
  pool.control[C_LONGEST_KEY] = manifest.longestKey
  pool.control[C_NO_LOG] = manifest.hasNoLog ? 1 : 0
  pool.control[C_MANIFEST_SIZE] = manifest.size
  pool.numbers[N_CHECKPOINT_SEQ] = manifest.seq
}
