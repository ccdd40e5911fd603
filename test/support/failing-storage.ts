/**
 * A Storage whose n-th call fails, for tests that fail at every call in turn until a run passes. It forwards all other
 * calls; the calls of the kinds chosen are counted from 1. For the threads of tests that share nothing else.
 *
 * A failed sync loses what it was to make durable, as the kernel does: the pages count as clean from then on, so later
 * syncs succeed and do nothing for them (over a PowerCutStorage, which knows what is durable). A failed close has closed.
 *
 *     for (let n = 1; ; n++) {
 *       const storage = new FailingStorage(hostStorage, { failAt: n })
 *       run(storage)                     // must lose nothing that it acknowledged
 *       if (!storage.hasFailed) break    // fewer than n calls: every one of them has failed once
 *     }
 */
import type { FileMapping, Storage } from '../../src/journal/storage.ts'
import { hostFailure } from './host-failure.ts'
import { PowerCutStorage } from './power-cut-storage.ts'

export type StorageCall = Exclude<keyof Storage, 'mapping'> | 'map'

/** The calls that can change what is on the host. */
export const CHANGING_CALLS: readonly StorageCall[] = [
  'open',
  'write',
  'truncate',
  'punch',
  'allocate',
  'copyRange',
  'datasync',
  'syncDirectory',
  'rename',
  'unlink',
  'mkdir',
  'map',
]
/** The calls after which nobody knows what is on the medium, when they fail. */
export const SYNC_CALLS: readonly StorageCall[] = ['datasync', 'syncDirectory']

export interface FailingOptions {
  /** The call that fails, counted from 1 over the kinds chosen; 0 (the default): none, until `failAt` is set. */
  failAt?: number
  /** A further call that fails. */
  failAlsoAt?: number
  /** Kinds of call that count and fail; all of them by default. */
  kinds?: readonly StorageCall[]
  /** `code` of the error; EIO by default. */
  code?: string
  /** All calls from the n-th on fail, until `heal()`. */
  sticky?: boolean
  /** At the n-th call the process ends instead: see {@link FailingStorage.die}. */
  kills?: boolean
  /** A failing write writes its first half before it fails, as a full disk does. */
  partialWrites?: boolean
}

export class FailingStorage implements Storage {
  /** Calls of the kinds chosen so far. */
  calls = 0
  /** Those of them that have failed, and the paths that they were about. */
  readonly failures: { kind: StorageCall; path: string }[]
  /** Calls neither count nor fail: the test itself is looking. */
  isPaused = false
  failAt: number
  readonly mapping: FileMapping | undefined
  readonly #inner: Storage
  readonly #options: FailingOptions
  #failAlsoAt: number
  #isDead = false
  readonly #paths = new Map<number, string>()

  constructor(inner: Storage, options: FailingOptions = {}, failures: FailingStorage['failures'] = []) {
    this.#inner = inner
    this.failures = failures
    this.#options = options
    this.failAt = options.failAt ?? 0
    this.#failAlsoAt = options.failAlsoAt ?? 0
    const mapping = inner.mapping
    this.mapping = mapping && {
      ...mapping,
      map: (fd, length, at) => {
        this.#count('map', fd)
        return mapping.map(fd, length, at)
      },
    }
  }

  get hasFailed(): boolean {
    return this.failures.length > 0
  }

  /** No call fails from now on. */
  heal(): void {
    this.failAt = 0
    this.#failAlsoAt = 0
  }

  /** The storage of the next process: it goes on counting where this one is. */
  successor(): FailingStorage {
    const { failAt } = this
    const next = new FailingStorage(
      this.#inner,
      { ...this.#options, failAt, failAlsoAt: this.#failAlsoAt },
      this.failures,
    )
    next.calls = this.calls
    return next
  }

  /** Whether the process is gone, perhaps unnoticed: not every failed call fails what asked for it. */
  get isDead(): boolean {
    return this.#isDead
  }

  /** The process that makes these calls is gone: all fail from now on, and change nothing. */
  die(): void {
    this.#isDead = true
  }

  open(path: string, flags: number): number {
    this.#count('open', path)
    const fd = this.#inner.open(path, flags)
    this.#paths.set(fd, path)
    return fd
  }

  close(fd: number): void {
    this.#inner.close(fd)
    this.#count('close', fd)
  }

  read(fd: number, target: Uint8Array, at: number, length: number, position: number): number {
    this.#count('read', fd)
    return this.#inner.read(fd, target, at, length, position)
  }

  write(fd: number, source: Uint8Array, at: number, length: number, position: number): void {
    if (this.#options.partialWrites === true && !this.#isDead && this.#isNext('write')) {
      this.#inner.write(fd, source, at, length >> 1, position)
    }
    this.#count('write', fd)
    this.#inner.write(fd, source, at, length, position)
  }

  size(fd: number): number {
    this.#count('size', fd)
    return this.#inner.size(fd)
  }

  truncate(fd: number, length: number): void {
    this.#count('truncate', fd)
    this.#inner.truncate(fd, length)
  }

  allocated(fd: number): number {
    this.#count('allocated', fd)
    return this.#inner.allocated(fd)
  }

  punch(fd: number, position: number, length: number): void {
    this.#count('punch', fd)
    this.#inner.punch(fd, position, length)
  }

  allocate(fd: number, mode: number, position: number, length: number): void {
    this.#count('allocate', fd)
    this.#inner.allocate(fd, mode, position, length)
  }

  seek(fd: number, position: number, hole: boolean): number {
    this.#count('seek', fd)
    return this.#inner.seek(fd, position, hole)
  }

  copyRange(from: number, fromPosition: number, to: number, toPosition: number, length: number): number {
    this.#count('copyRange', to)
    return this.#inner.copyRange(from, fromPosition, to, toPosition, length)
  }

  datasync(fd: number): void {
    if (this.#loses('datasync') && this.#inner instanceof PowerCutStorage) this.#inner.loseBytes(fd)
    this.#count('datasync', fd)
    this.#inner.datasync(fd)
  }

  syncDirectory(path: string): void {
    if (this.#loses('syncDirectory') && this.#inner instanceof PowerCutStorage) this.#inner.loseNames(path)
    this.#count('syncDirectory', path)
    this.#inner.syncDirectory(path)
  }

  rename(from: string, to: string): void {
    this.#count('rename', from)
    this.#inner.rename(from, to)
  }

  unlink(path: string): void {
    this.#count('unlink', path)
    this.#inner.unlink(path)
  }

  mkdir(path: string): void {
    this.#count('mkdir', path)
    this.#inner.mkdir(path)
  }

  list(path: string): string[] {
    this.#count('list', path)
    return this.#inner.list(path)
  }

  #counts(kind: StorageCall): boolean {
    return this.#options.kinds === undefined || this.#options.kinds.includes(kind)
  }

  #loses(kind: StorageCall): boolean {
    return !this.#isDead && this.#options.kills !== true && this.#isNext(kind)
  }

  #isNext(kind: StorageCall): boolean {
    const next = this.calls + 1
    if (this.#isDead) return true
    if (this.isPaused || !this.#counts(kind)) return false
    if (next === this.failAt || next === this.#failAlsoAt) return true
    return this.#options.sticky === true && this.failAt > 0 && next > this.failAt
  }

  #count(kind: StorageCall, about: number | string): void {
    const fails = this.#isNext(kind)
    if (this.#counts(kind) && !this.isPaused) this.calls++
    if (!fails) return
    const path = typeof about === 'string' ? about : (this.#paths.get(about) ?? '')
    if (!this.#isDead) this.failures.push({ kind, path })
    if (this.#options.kills === true) this.#isDead = true
    const code = this.#options.code ?? 'EIO'
    throw hostFailure(code, kind, `${code}: injected failure of ${kind}, call ${this.calls}, ${path}`)
  }
}
