/**
 * Space on the host that a mounted store keeps back: the file `reserve`. Removing something takes a little space first, for
 * the log. When the host is full, the reserve is given up for that, and until it can be had again only changes that free
 * space are made ({@link FsContext.enter}); all others are answered as a full host would.
 *
 * Any thread gives the reserve up, the main thread gets it again.
 */
import { constants, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { HoltError } from '../errors.ts'
import type { Storage } from '../journal/storage.ts'
import { isUnsupported } from './errno.ts'
import { type FsShared, SharedState, W_RESERVE_GIVEN_UP } from './shared.ts'

/** Bytes kept back, but never more than one part in so many of the host. */
const RESERVE = 8 << 20
const SHARE = 16

export class Reserve {
  readonly #storage: Storage
  readonly #directory: string
  readonly #words: Int32Array
  #isTaken = false

  /** `directory` is that of the store. */
  constructor(storage: Storage, directory: string, shared: FsShared) {
    this.#storage = storage
    this.#directory = directory
    this.#words = new SharedState(shared).words
  }

  /** Takes the space, if it is not taken and the host has twice as much. Only in the main thread. */
  take(): void {
    if (this.#isTaken && Atomics.load(this.#words, W_RESERVE_GIVEN_UP) === 0) return
    const host = statfsSync(this.#directory)
    const size = Math.min(RESERVE, Math.floor((host.blocks * host.bsize) / SHARE))
    const fd = this.#open()
    try {
      if (this.#storage.size(fd) < size) {
        if (host.bavail * host.bsize < 2 * size) throw new HoltError('HOLT_FULL', 'no space for a reserve')
        this.#fill(fd, size)
      }
      this.#isTaken = true
      Atomics.store(this.#words, W_RESERVE_GIVEN_UP, 0)
    } catch (error) {
      if (!isFull(error)) throw error
      this.#storage.truncate(fd, 0)
      Atomics.store(this.#words, W_RESERVE_GIVEN_UP, 1)
    } finally {
      this.#storage.close(fd)
    }
  }

  #fill(fd: number, size: number): void {
    try {
      this.#storage.allocate(fd, 0, 0, size)
    } catch (error) {
      if (!isUnsupported(error)) throw error
      this.#storage.write(fd, new Uint8Array(size), 0, size, 0)
    }
  }

  /** Gives the space to whoever asks the host next. */
  giveUp(): void {
    if (Atomics.exchange(this.#words, W_RESERVE_GIVEN_UP, 1) === 1) return
    const fd = this.#open()
    try {
      this.#storage.truncate(fd, 0)
    } finally {
      this.#storage.close(fd)
    }
  }

  #open(): number {
    return this.#storage.open(join(this.#directory, 'reserve'), constants.O_RDWR | constants.O_CREAT)
  }
}

/** Whether this error says that the host has no space. */
export function isFull(error: unknown): boolean {
  const { code } = error as { code?: string }
  return code === 'HOLT_FULL' || code === 'ENOSPC' || code === 'EDQUOT'
}
