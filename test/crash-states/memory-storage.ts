/**
 * Files in memory that note every call which changes the medium, in order (`events`): what each sector of a file holds
 * after it, which names change together, what is synced. From these notes medium.ts tells what a power cut could leave.
 *
 * With `mapping` files can be mapped. What is stored into a mapping makes no call, so before each event, and on `note()`,
 * it is noted as an event of its own.
 *
 * `isDead` ends a process as SIGKILL does: whatever it still calls changes nothing and throws (code `EDEAD`).
 */
import { constants } from 'node:fs'
import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import type { FileMapping, Storage } from '../../src/journal/storage.ts'
import { callers } from './callers.ts'
import { MemoryFile, type Touched } from './memory-file.ts'
import { type Move, moveDirectories } from './moves.ts'
import { type Directory, type Image, SECTOR, Sectors } from './sectors.ts'

export interface DataEvent {
  kind: 'data'
  file: number
  /** First sector that changed. */
  first: number
  /** What the sectors from there on hold after the call. */
  ids: Uint32Array
  /** Bytes of the file after the call. */
  size: number
  /** Stored through a mapping: a sector may reach the medium in the middle of it. */
  stored: boolean
}

/** One atomic change of the name space: what each path shall be. */
export interface NameEvent {
  kind: 'names'
  changes: [path: string, now: number | Directory | undefined][]
  /** Directories that get another name, before the rest of it. */
  moves: readonly Move[]
}

/** `callers`: the lines of the source that the sync was called through, innermost first. */
export interface SyncEvent {
  kind: 'sync'
  file: number
  callers: readonly string[]
}

export interface DirectorySyncEvent {
  kind: 'directory-sync'
  path: string
  callers: readonly string[]
}

/** So many entries of the workload's history have come to their end. */
export interface MarkEvent {
  kind: 'mark'
  done: number
}

type Change = [path: string, node: MemoryFile | Directory | undefined]

export type MediumEvent = DataEvent | NameEvent | SyncEvent | DirectorySyncEvent | MarkEvent

export class MemoryStorage implements Storage {
  readonly events: MediumEvent[] = []
  readonly sectors: Sectors
  readonly mapping: FileMapping | undefined
  isDead = false
  /** Whether events are noted. */
  readonly isNoting: boolean
  /** Called before a call that changes the medium takes place, with its name and the file's. */
  before: (call: string, name: string) => void = () => {}
  readonly #names = new Map<string, MemoryFile | Directory>()
  readonly #descriptors = new Map<number, { file: MemoryFile; path: string }>()
  readonly #mappings = new Map<number, { memory: Uint8Array; file: MemoryFile }>()
  readonly #image: Image
  readonly #opened = new Map<number, MemoryFile>()
  #nextDescriptor = 1000
  #nextFile: number

  constructor(image: Image, options: { mapping?: boolean; notes?: boolean } = {}) {
    this.#image = image
    this.isNoting = options.notes === true
    this.sectors = this.isNoting ? new Sectors(image.sectors) : image.sectors
    this.#nextFile = Math.max(0, ...image.files.keys()) + 1
    for (const [path, node] of image.names) this.#names.set(path, node === 'directory' ? node : this.#materialise(node))
    if (options.mapping === true) this.mapping = this.#createMapping()
  }

  /** One file may have two names after a rename of which only a half came to be: they share it. */
  #materialise(number: number): MemoryFile {
    let file = this.#opened.get(number)
    if (file === undefined) {
      file = new MemoryFile(number, this.#image.files.get(number), this.#image.sectors)
      this.#opened.set(number, file)
    }
    return file
  }

  /** Addresses are numbers of mappings. */
  #createMapping(): FileMapping {
    return {
      supports: () => true,
      map: (fd, length, at) => {
        this.note()
        const address = at === 0 ? this.#mappings.size + 1 : at
        const replaced = this.#mappings.get(address)
        if (replaced !== undefined) replaced.file.mapped = undefined
        const memory = replaced?.memory ?? new Uint8Array(length)
        const { file } = this.#open(fd)
        if (!this.isDead) file.map(memory)
        this.#mappings.set(address, { memory, file })
        return address
      },
      view: address => this.#mappings.get(address)!.memory,
      unmap: address => {
        this.note()
        this.#mappings.get(address)!.file.mapped = undefined
      },
    }
  }

  /** Notes what was stored into mappings since the last event. */
  note(): void {
    if (this.isDead) return
    for (const { file } of this.#mappings.values()) {
      file.takeStores(touched => this.#noteData(file, touched, true))
    }
  }

  /** The process dies, as by SIGKILL: what it has stored stays. `end` runs what is left of it, in vain. */
  kill(end: () => void): void {
    this.note()
    this.isDead = true
    this.#die(end)
  }

  /** The process dies in `work`, as it comes to its n-th such call. */
  killAt(call: string, nth: number, work: () => void): void {
    let left = nth
    this.before = called => {
      if (called !== call || --left > 0) return
      this.note()
      this.isDead = true
      throw failure('EDEAD', call)
    }
    this.#die(work)
    this.before = () => {}
  }

  #die(end: () => void): void {
    try {
      end()
    } catch (error) {
      if (codeOf(error) !== 'EDEAD') throw error
    } finally {
      this.isDead = false
      for (const { file } of this.#mappings.values()) file.mapped = undefined
      this.#mappings.clear()
      this.#descriptors.clear()
    }
  }

  mark(done: number): void {
    this.note()
    if (this.isNoting) this.events.push({ kind: 'mark', done })
  }

  open(path: string, flags: number): number {
    let node = this.#names.get(path)
    if (node === 'directory') throw failure('EISDIR', path)
    if (node !== undefined && (flags & constants.O_EXCL) !== 0) throw failure('EEXIST', path)
    if (node === undefined) {
      if ((flags & constants.O_CREAT) === 0) throw failure('ENOENT', path)
      this.#parent(path)
      this.#begin('create', path)
      node = new MemoryFile(this.#nextFile++)
      this.#changeNames([[path, node]])
    } else if ((flags & constants.O_TRUNC) !== 0) {
      this.#begin('truncate', path)
      this.#noteData(node, node.truncate(0))
    }
    const fd = this.#nextDescriptor++
    this.#descriptors.set(fd, { file: node, path })
    return fd
  }

  close(fd: number): void {
    this.#open(fd)
    this.#descriptors.delete(fd)
  }

  read(fd: number, target: Uint8Array, at: number, length: number, position: number): number {
    this.note()
    return this.#open(fd).file.read(target, at, length, position)
  }

  write(fd: number, source: Uint8Array, at: number, length: number, position: number): void {
    if (length > 0) this.#change('write', fd, file => file.write(source, at, length, position))
  }

  size(fd: number): number {
    return this.#open(fd).file.size
  }

  truncate(fd: number, length: number): void {
    this.#change('truncate', fd, file => file.truncate(length))
  }

  allocated(fd: number): number {
    return this.#open(fd).file.allocated
  }

  punch(fd: number, position: number, length: number): void {
    this.#change('punch', fd, file => file.allocate(3, position, length))
  }

  allocate(fd: number, mode: number, position: number, length: number): void {
    this.#change('allocate', fd, file => file.allocate(mode, position, length))
  }

  seek(fd: number, position: number, hole: boolean): number {
    return this.#open(fd).file.seek(position, hole)
  }

  copyRange(from: number, fromPosition: number, to: number, toPosition: number, length: number): number {
    const bytes = new Uint8Array(length)
    const n = this.#open(from).file.read(bytes, 0, length, fromPosition)
    this.#change('copyRange', to, file => file.write(bytes, 0, n, toPosition))
    return n
  }

  datasync(fd: number): void {
    const { file, path } = this.#open(fd)
    this.#begin('datasync', path)
    if (this.isNoting) this.events.push({ kind: 'sync', file: file.number, callers: callers() })
  }

  syncDirectory(path: string): void {
    if (this.#names.get(path) !== 'directory') throw failure('ENOENT', path)
    this.#begin('syncDirectory', path)
    if (this.isNoting) this.events.push({ kind: 'directory-sync', path, callers: callers() })
  }

  rename(from: string, to: string): void {
    this.#parent(to)
    if (this.isDirectory(from)) {
      this.#begin('rename', from)
      this.#move([[from, to]])
      return
    }
    const node = this.#fileAt(from)
    this.#begin('rename', from)
    this.#changeNames([
      [from, undefined],
      [to, node],
    ])
  }

  /** Exchanges two directories. */
  exchange(a: string, b: string): void {
    this.#begin('exchange', a)
    this.#move([
      [a, b],
      [b, a],
    ])
  }

  link(from: string, to: string): void {
    const file = this.#fileAt(from)
    this.#parent(to)
    this.#begin('link', to)
    this.#changeNames([[to, file]])
  }

  removeDirectory(path: string): void {
    if (this.list(path).length > 0) throw failure('ENOTEMPTY', path)
    this.#begin('rmdir', path)
    this.#changeNames([[path, undefined]])
  }

  isDirectory(path: string): boolean {
    return this.#names.get(path) === 'directory'
  }

  isFile(path: string): boolean {
    return this.#names.get(path) instanceof MemoryFile
  }

  /** Of the bytes of a file. */
  sum(path: string): number {
    const { bytes, size } = this.#fileAt(path)
    return crc32(bytes.subarray(0, size))
  }

  unlink(path: string): void {
    this.#fileAt(path)
    this.#begin('unlink', path)
    this.#changeNames([[path, undefined]])
  }

  mkdir(path: string): void {
    const node = this.#names.get(path)
    if (node === 'directory') return
    if (node !== undefined) throw failure('EEXIST', path)
    if (dirname(path) !== path) this.mkdir(dirname(path))
    this.#begin('mkdir', path)
    this.#changeNames([[path, 'directory']])
  }

  list(path: string): string[] {
    const names: string[] = []
    for (const at of this.#names.keys()) if (dirname(at) === path && at !== path) names.push(basename(at))
    return names
  }

  #change(call: string, fd: number, change: (file: MemoryFile) => Touched): void {
    const { file, path } = this.#open(fd)
    this.#begin(call, path)
    this.#noteData(file, change(file))
  }

  #begin(call: string, path: string): void {
    if (this.isDead) throw failure('EDEAD', call)
    this.before(call, basename(path))
    this.note()
  }

  #noteData(file: MemoryFile, { first, end }: Touched, stored = false): void {
    if (!this.isNoting) return
    const ids = new Uint32Array(Math.max(0, end - first))
    for (let i = 0; i < ids.length; i++) {
      const at = (first + i) * SECTOR
      const length = Math.max(0, Math.min(SECTOR, file.size - at))
      ids[i] = length === 0 ? 0 : this.sectors.number(file.bytes, at, length)
    }
    this.events.push({ kind: 'data', file: file.number, first, ids, size: file.size, stored })
  }

  #changeNames(changes: Change[]): void {
    for (const [path, node] of changes) {
      if (node === undefined) this.#names.delete(path)
      else this.#names.set(path, node)
    }
    if (!this.isNoting) return
    const numbered = changes.map(([path, node]): NameEvent['changes'][0] => [
      path,
      node instanceof MemoryFile ? node.number : node,
    ])
    this.events.push({ kind: 'names', changes: numbered, moves: [] })
  }

  #move(moves: readonly Move[]): void {
    moveDirectories(this.#names, moves)
    if (this.isNoting) this.events.push({ kind: 'names', changes: [], moves })
  }

  #parent(path: string): void {
    if (this.#names.get(dirname(path)) !== 'directory') throw failure('ENOENT', dirname(path))
  }

  #fileAt(path: string): MemoryFile {
    const node = this.#names.get(path)
    if (node === undefined) throw failure('ENOENT', path)
    if (node === 'directory') throw failure('EISDIR', path)
    return node
  }

  #open(fd: number): { file: MemoryFile; path: string } {
    const open = this.#descriptors.get(fd)
    if (open === undefined) throw failure(this.isDead ? 'EDEAD' : 'EBADF', String(fd))
    return open
  }
}

function failure(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}

/** The host's error code at the bottom of an error. */
function codeOf(error: unknown): string | undefined {
  const { code, cause } = error as { code?: string; cause?: unknown }
  return cause === undefined ? code : codeOf(cause)
}
