/**
 * The host files that hold the bytes of files too large for the tree: `data/<xx>/<data id>`, both hexadecimal, xx the
 * id's low byte. In place, sparse: a host file may be shorter than its inode says (the rest reads as zeros) or missing
 * (a power cut before the first fsync; all zeros). An id is used for one file only, so a cached descriptor never means
 * another file.
 *
 * One object a thread, with its own descriptors. Who may write or cut what and when is decided elsewhere
 * (allocation.ts, bytes.ts, truncate.ts).
 */
import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../journal/sparse.ts'
import type { Storage } from '../journal/storage.ts'
import { EIO, isAbsent, isUnsupported } from './errno.ts'
import { type FsShared, SharedState, W_CREATED, W_SYNCED } from './shared.ts'

/** Descriptors that one thread keeps open. */
const MAX_DESCRIPTORS = 100
/** Indexes of `data/` and of the store's directory among the directories to be synced. */
const TOP = 256
const STORE = 257
const ABSENT = -1
/** Bytes moved at a time where the host does not copy by itself. */
const COPY_PIECE = 1 << 20

export class DataFiles {
  readonly #storage: Storage
  readonly #directory: string
  readonly #shared: SharedState
  readonly #words: Int32Array
  readonly #flags: number
  /** In order of last use. */
  readonly #descriptors = new Map<number, number>()
  #recent = 0

  /** `directory` is the store's `data`; it is made when the first file is. */
  constructor(storage: Storage, directory: string, shared: FsShared, options: { readOnly?: boolean } = {}) {
    this.#storage = storage
    this.#directory = directory
    this.#shared = new SharedState(shared)
    this.#words = this.#shared.words
    this.#flags = options.readOnly === true ? constants.O_RDONLY : constants.O_RDWR
  }

  /** Creates the empty file of a new id. */
  create(id: number): void {
    this.#forgetDescriptor(id)
    this.#create(id)
  }

  /** Reads up to `length` bytes; what lies beyond the host file is not filled in. Returns the bytes read. */
  read(id: number, target: Uint8Array, at: number, length: number, position: number): number {
    const fd = this.#open(id)
    return fd === ABSENT ? 0 : this.#storage.read(fd, target, at, length, position)
  }

  /**
   * Throws EIO for a file of which a sync has failed: the host counts its bytes as saved from then on, so no later sync
   * of it is to be believed (I23). It can be read, removed, and left for another one; so it is until the store is opened again.
   */
  assertKept(id: number): void {
    if (this.#shared.isLost(id)) throw lost(id)
  }

  write(id: number, source: Uint8Array, at: number, length: number, position: number): void {
    this.assertKept(id)
    let fd = this.#open(id)
    if (fd === ABSENT) fd = this.#create(id)
    this.#storage.write(fd, source, at, length, position)
  }

  /** Bytes of the host file; 0 when it is missing. */
  size(id: number): number {
    const fd = this.#open(id)
    return fd === ABSENT ? 0 : this.#storage.size(fd)
  }

  /** Cuts the host file to `length` bytes; never extends it. */
  cut(id: number, length: number): void {
    const fd = this.#open(id)
    if (fd !== ABSENT && this.#storage.size(fd) > length) this.#storage.truncate(fd, length)
  }

  /** Bytes that the host file takes on the medium. */
  allocated(id: number): number {
    const fd = this.#open(id)
    return fd === ABSENT ? 0 : this.#storage.allocated(fd)
  }

  /** fallocate(2) on the host file, with the FALLOC_* bits of sparse.ts. */
  allocate(id: number, mode: number, position: number, length: number): void {
    this.assertKept(id)
    let fd = this.#open(id)
    if (fd === ABSENT) fd = this.#create(id)
    this.#storage.allocate(fd, mode, position, length)
  }

  /** Makes these bytes zeros, without the space they take where the host can do that. Never extends the host file. */
  clear(id: number, position: number, length: number): void {
    this.assertKept(id)
    const fd = this.#open(id)
    if (fd === ABSENT) return
    try {
      this.#storage.allocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, position, length)
    } catch (error) {
      if (!isUnsupported(error)) throw error
      this.#writeZeros(fd, position, Math.min(position + length, this.#storage.size(fd)))
    }
  }

  #writeZeros(fd: number, from: number, end: number): void {
    const zeros = new Uint8Array(Math.max(0, Math.min(COPY_PIECE, end - from)))
    for (let at = from; at < end; at += zeros.length) {
      this.#storage.write(fd, zeros, 0, Math.min(zeros.length, end - at), at)
    }
  }

  /** The first byte at or behind `position` in a hole (the end is one) or with data; -1 when there is none. */
  seek(id: number, position: number, hole: boolean): number {
    const fd = this.#open(id)
    return fd === ABSENT ? -1 : this.#storage.seek(fd, position, hole)
  }

  /** Copies from one host file to another (or the same: ranges apart), inside the host where that is possible. */
  copy(from: number, fromPosition: number, to: number, toPosition: number, length: number): number {
    this.assertKept(to)
    let target = this.#open(to)
    if (target === ABSENT) target = this.#create(to)
    const source = this.#open(from)
    if (source === ABSENT) return 0
    try {
      const copied = this.#storage.copyRange(source, fromPosition, target, toPosition, length)
      // Behind the end, or a host that cannot copy this and does not say so: reading tells.
      if (copied > 0) return copied
    } catch (error) {
      if (!isUnsupported(error)) throw error
    }
    const piece = new Uint8Array(Math.min(length, COPY_PIECE))
    const got = this.#storage.read(source, piece, 0, piece.length, fromPosition)
    this.#storage.write(target, piece, 0, got, toPosition)
    return got
  }

  /** Gives back what is reserved behind the end of the host file. */
  trim(id: number): void {
    const fd = this.#open(id)
    if (fd !== ABSENT) this.#storage.truncate(fd, this.#storage.size(fd))
  }

  /** Whether this thread has used the file lately. */
  isOpen(id: number): boolean {
    return this.#descriptors.has(id)
  }

  /** Returns when the bytes and the size of the file are on the medium; its name may not be. */
  syncBytes(id: number): void {
    const fd = this.#open(id)
    if (fd !== ABSENT) this.#settle(id, () => this.#storage.datasync(fd))
  }

  /** Returns when the bytes and the name of the file are on the medium; at once for one that is missing. */
  sync(id: number): void {
    const fd = this.#open(id)
    if (fd === ABSENT) return
    this.#settle(id, () => this.#storage.datasync(fd))
    const index = id & 0xff
    this.#syncDirectory(index, this.#folder(index))
    this.#syncDirectory(TOP, this.#directory)
    this.#syncDirectory(STORE, dirname(this.#directory))
  }

  #settle(id: number, sync: () => void): void {
    this.assertKept(id)
    try {
      sync()
    } catch (error) {
      this.#shared.noteLost(id)
      throw error
    }
  }

  /** Removes the file and frees its space, even while other threads hold descriptors of it. */
  remove(id: number): void {
    try {
      this.cut(id, 0)
      this.#forgetDescriptor(id)
      this.#storage.unlink(this.#path(id))
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
  }

  /** Ids of all host files, `data/<xx>` after `data/<xx>`. */
  *ids(): Generator<number> {
    for (let index = 0; index < TOP; index++) {
      for (const name of this.#storage.list(this.#folder(index))) yield Number.parseInt(name, 16)
    }
  }

  /** Closes this thread's descriptors; the object stays usable. */
  close(): void {
    for (const fd of this.#descriptors.values()) this.#storage.close(fd)
    this.#descriptors.clear()
    this.#recent = 0
  }

  #open(id: number): number {
    const fd = this.#descriptors.get(id)
    if (fd === undefined) return this.#openHost(id, this.#flags)
    if (id !== this.#recent) {
      this.#descriptors.delete(id)
      this.#descriptors.set(id, fd)
      this.#recent = id
    }
    return fd
  }

  #create(id: number): number {
    const index = id & 0xff
    if (Atomics.load(this.#words, W_CREATED + index) <= 1) {
      this.#storage.mkdir(this.#directory)
      this.#storage.mkdir(this.#folder(index))
      Atomics.add(this.#words, W_CREATED + TOP, 1)
    }
    const fd = this.#openHost(id, this.#flags | constants.O_CREAT)
    if (this.#storage.size(fd) > 0) {
      // A power cut took the record that the id was given out, and left the file: its bytes must not come back.
      this.#storage.truncate(fd, 0)
      this.#storage.datasync(fd)
    }
    Atomics.add(this.#words, W_CREATED + index, 1)
    return fd
  }

  #openHost(id: number, flags: number): number {
    let fd: number
    try {
      fd = this.#storage.open(this.#path(id), flags)
    } catch (error) {
      if (isAbsent(error) && (flags & constants.O_CREAT) === 0) return ABSENT
      throw error
    }
    if (this.#descriptors.size >= MAX_DESCRIPTORS) {
      const [oldest] = this.#descriptors.keys()
      this.#forgetDescriptor(oldest)
    }
    this.#descriptors.set(id, fd)
    this.#recent = id
    return fd
  }

  #forgetDescriptor(id: number): void {
    const fd = this.#descriptors.get(id)
    if (fd === undefined) return
    this.#descriptors.delete(id)
    this.#storage.close(fd)
    if (id === this.#recent) this.#recent = 0
  }

  /** Syncs a directory if something was created in it since it was last synced. */
  #syncDirectory(index: number, path: string): void {
    const created = Atomics.load(this.#words, W_CREATED + index)
    if (Atomics.load(this.#words, W_SYNCED + index) === created) return
    try {
      this.#storage.syncDirectory(path)
    } catch (error) {
      this.#shared.noteAllLost()
      throw error
    }
    Atomics.store(this.#words, W_SYNCED + index, created)
  }

  #folder(index: number): string {
    return join(this.#directory, index.toString(16).padStart(2, '0'))
  }

  #path(id: number): string {
    return join(this.#folder(id & 0xff), id.toString(16).padStart(8, '0'))
  }
}

function lost(id: number): NodeJS.ErrnoException {
  const message = `EIO, fdatasync: a sync of data file ${id.toString(16)} failed earlier`
  return Object.assign(new Error(message), { code: 'EIO', errno: -EIO, syscall: 'fdatasync' })
}
