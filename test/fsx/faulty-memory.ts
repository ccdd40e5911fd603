/**
 * A target in memory that makes one mistake on purpose, of the kind that filesystems make: what fsx must find, and shrink to the
 * few operations that show it. It shares nothing with the memory that operations are compared with.
 */
import { CAPACITY, type FileName, PAGE } from './operation.ts'
import type { Target } from './target.ts'

/** Bytes come back after truncation; a copy of more than a page lacks its last byte; a punched hole keeps the rest of its last page. */
export type Fault = 'none' | 'stale tail' | 'short copy' | 'half-punched page'

interface File {
  bytes: Uint8Array
  size: number
}

export class FaultyMemory implements Target {
  readonly #fault: Fault
  readonly #files: Record<FileName, File> = { a: emptyFile(), b: emptyFile(), s: emptyFile() }

  constructor(fault: Fault) {
    this.#fault = fault
  }

  write(name: FileName, at: number, bytes: Buffer): number {
    const file = this.#files[name]
    file.bytes.set(bytes, at)
    file.size = Math.max(file.size, at + bytes.length)
    return bytes.length
  }

  append(name: FileName, bytes: Buffer): number {
    return this.write(name, this.#files[name].size, bytes)
  }

  writeDirect(name: FileName, at: number, bytes: Buffer): number {
    return this.write(name, at, bytes)
  }

  read(name: FileName, at: number, into: Buffer): number {
    const { bytes, size } = this.#files[name]
    const got = bytes.subarray(at, Math.max(at, Math.min(size, at + into.length)))
    into.set(got)
    return got.length
  }

  readDirect(name: FileName, at: number, into: Buffer): number {
    return this.read(name, at, into)
  }

  store(name: FileName, at: number, bytes: Buffer): number {
    this.write(name, at, bytes)
    return 0
  }

  load(name: FileName, at: number, into: Buffer): number {
    return this.read(name, at, into)
  }

  truncate(name: FileName, size: number): number {
    const file = this.#files[name]
    if (this.#fault !== 'stale tail') file.bytes.fill(0, size, Math.max(size, file.size))
    file.size = size
    return 0
  }

  fallocate(name: FileName, mode: number, at: number, length: number): number {
    const file = this.#files[name]
    const end = at + length
    if ((mode & 1) === 0) file.size = Math.max(file.size, end)
    const isPunch = mode === 3
    const wrong = isPunch && this.#fault === 'half-punched page' && at % PAGE === 0
    if (mode > 1) file.bytes.fill(0, at, wrong ? end - (end % PAGE) : end)
    return 0
  }

  copy(source: FileName, from: number, name: FileName, at: number, length: number): number | string {
    const { bytes, size } = this.#files[source]
    const n = Math.max(0, Math.min(length, size - from))
    if (source === name && from < at + n && at < from + n) return 'EINVAL'
    const isShort = this.#fault === 'short copy' && n > PAGE
    if (n > 0) this.write(name, at, Buffer.from(bytes.slice(from, from + n - (isShort ? 1 : 0))))
    this.#files[name].size = Math.max(this.#files[name].size, n > 0 ? at + n : 0)
    return n
  }

  /** All is data. */
  seek(name: FileName, at: number, whence: number): number {
    return whence === 3 ? at : this.#files[name].size
  }

  sync(): number {
    return 0
  }

  drop(): number {
    return 0
  }

  reopen(): number {
    return 0
  }

  renew(name: FileName): number {
    this.#files[name] = emptyFile()
    return 0
  }

  size(name: FileName): number {
    return this.#files[name].size
  }
}

function emptyFile(): File {
  return { bytes: new Uint8Array(CAPACITY + PAGE), size: 0 }
}
