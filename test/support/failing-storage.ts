/**
 * A Storage whose n-th call fails, for tests that fail at every call in turn until a run passes. It forwards all other
 * calls; the calls of the kinds chosen are counted from 1. For the threads of tests that share nothing else.
 *
 *     for (let n = 1; ; n++) {
 *       const storage = new FailingStorage(hostStorage, { failAt: n })
 *       run(storage)                     // must lose nothing that it acknowledged
 *       if (!storage.hasFailed) break    // fewer than n calls: every one of them has failed once
 *     }
 */
import { constants } from 'node:os'
import type { FileMapping, Storage } from '../../src/journal/storage.ts'

export type StorageCall = Exclude<keyof Storage, 'close' | 'list' | 'size' | 'allocated' | 'seek' | 'mapping'> | 'map'

export interface FailingOptions {
  /** The call that fails, counted from 1 over the kinds chosen; 0 (the default): none, until `failAt` is set. */
  failAt?: number
  /** Kinds of call that count and fail; all of them by default. */
  kinds?: readonly StorageCall[]
  /** `code` of the error; EIO by default. */
  code?: string
  /** All calls from the n-th on fail, until `heal()`. */
  sticky?: boolean
  /** A failing write writes its first half before it fails, as a full disk does. */
  partialWrites?: boolean
}

export class FailingStorage implements Storage {
  /** Calls of the kinds chosen so far. */
  calls = 0
  hasFailed = false
  failAt: number
  readonly mapping: FileMapping | undefined
  readonly #inner: Storage
  readonly #options: FailingOptions

  constructor(inner: Storage, options: FailingOptions = {}) {
    this.#inner = inner
    this.#options = options
    this.failAt = options.failAt ?? 0
    const mapping = inner.mapping
    this.mapping = mapping && {
      ...mapping,
      map: (fd, length, at) => {
        this.#count('map')
        return mapping.map(fd, length, at)
      },
    }
  }

  /** No call fails from now on. */
  heal(): void {
    this.failAt = 0
  }

  open(path: string, flags: number): number {
    this.#count('open')
    return this.#inner.open(path, flags)
  }

  close(fd: number): void {
    this.#inner.close(fd)
  }

  read(fd: number, target: Uint8Array, at: number, length: number, position: number): number {
    this.#count('read')
    return this.#inner.read(fd, target, at, length, position)
  }

  write(fd: number, source: Uint8Array, at: number, length: number, position: number): void {
    if (this.#options.partialWrites === true && this.#isNext('write')) {
      this.#inner.write(fd, source, at, length >> 1, position)
    }
    this.#count('write')
    this.#inner.write(fd, source, at, length, position)
  }

  size(fd: number): number {
    return this.#inner.size(fd)
  }

  truncate(fd: number, length: number): void {
    this.#count('truncate')
    this.#inner.truncate(fd, length)
  }

  allocated(fd: number): number {
    return this.#inner.allocated(fd)
  }

  punch(fd: number, position: number, length: number): void {
    this.#count('punch')
    this.#inner.punch(fd, position, length)
  }

  allocate(fd: number, mode: number, position: number, length: number): void {
    this.#count('allocate')
    this.#inner.allocate(fd, mode, position, length)
  }

  seek(fd: number, position: number, hole: boolean): number {
    return this.#inner.seek(fd, position, hole)
  }

  copyRange(from: number, fromPosition: number, to: number, toPosition: number, length: number): number {
    this.#count('copyRange')
    return this.#inner.copyRange(from, fromPosition, to, toPosition, length)
  }

  datasync(fd: number): void {
    this.#count('datasync')
    this.#inner.datasync(fd)
  }

  syncDirectory(path: string): void {
    this.#count('syncDirectory')
    this.#inner.syncDirectory(path)
  }

  rename(from: string, to: string): void {
    this.#count('rename')
    this.#inner.rename(from, to)
  }

  unlink(path: string): void {
    this.#count('unlink')
    this.#inner.unlink(path)
  }

  mkdir(path: string): void {
    this.#count('mkdir')
    this.#inner.mkdir(path)
  }

  list(path: string): string[] {
    return this.#inner.list(path)
  }

  #counts(kind: StorageCall): boolean {
    return this.#options.kinds === undefined || this.#options.kinds.includes(kind)
  }

  #isNext(kind: StorageCall): boolean {
    const next = this.calls + 1
    return (
      this.failAt > 0 &&
      this.#counts(kind) &&
      (this.#options.sticky === true ? next >= this.failAt : next === this.failAt)
    )
  }

  #count(kind: StorageCall): void {
    const fails = this.#isNext(kind)
    if (this.#counts(kind)) this.calls++
    if (!fails) return
    this.hasFailed = true
    const code = this.#options.code ?? 'EIO'
    const errno = -(constants.errno as Record<string, number>)[code]
    const message = `${code}: injected failure of ${kind}, call ${this.calls}`
    throw Object.assign(new Error(message), { code, errno, syscall: kind })
  }
}
