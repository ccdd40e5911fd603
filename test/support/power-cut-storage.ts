/**
 * A filesystem in memory that can lose its power. It keeps apart what programs see (live) and what the medium has
 * (durable), under the weakest promises that POSIX makes:
 *
 * - bytes and size of a file are durable after `datasync` of that file, and only then;
 * - a directory entry (creation, rename, unlink, mkdir) is durable after `syncDirectory` of its directory, and only
 *   then; syncing a file does not save its name. A rename is atomic: both of its names change or neither.
 *
 * `crash()` returns the filesystem after the power cut, with everything not synced dropped. `crash({ random })` lets any
 * subset of the unsynced 512-byte sectors, sizes and directory changes survive instead, independently of each other:
 * the medium may reorder all that was not separated by a sync. This object stays usable: crash it as often as you like,
 * with another seed each time. The result is a new PowerCutStorage, in which everything is durable.
 *
 * `freezeAt` is the number of the changing call (write, truncate, punch, allocate, copyRange, datasync, syncDirectory, rename, unlink, mkdir, and
 * open when it creates or truncates) at which the power goes: that call and all later ones throw (code `EPOWER`) and
 * change nothing. So a test runs its work for n = 1, 2, … until it is not frozen, and crashes it each time.
 *
 * With `{ mapping: true }` files can be mapped: stores into a mapping are unsynced changes of the sectors they touch, and
 * are lost when the power is gone.
 *
 * Descriptors belong to the object: for one thread only. Paths are absolute; '/' exists and is durable.
 */
import { constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { FileMapping, Storage } from '../../src/journal/storage.ts'
import { PowerCutFile } from './power-cut-file.ts'
import type { Random } from './random.ts'

type Directory = 'directory'
type Node = PowerCutFile | Directory
/** One atomic change of the name space: what each path shall be. */
type Change = Map<string, Node | undefined>

export class PowerCutStorage implements Storage {
  /** Changing calls so far. */
  calls = 0
  /** The changing call at which the power goes, counted from 1; 0: never. */
  freezeAt = 0
  #live = new Map<string, Node>([['/', 'directory']])
  #durable = new Map<string, Node>([['/', 'directory']])
  /** Changes of the name space not yet durable, oldest first. */
  #changes: Change[] = []
  readonly #descriptors = new Map<number, PowerCutFile>()
  #nextDescriptor = 1000
  readonly mapping: FileMapping | undefined
  readonly #mappings = new Map<number, { memory: Uint8Array; file: PowerCutFile }>()

  constructor(options: { mapping?: boolean } = {}) {
    this.mapping = options.mapping === true ? this.#createMapping() : undefined
  }

  /** Addresses are numbers of mappings. */
  #createMapping(): FileMapping {
    return {
      supports: () => true,
      map: (fd, length, at) => {
        const address = at === 0 ? this.#mappings.size + 1 : at
        const replaced = this.#mappings.get(address)
        replaced?.file.unmap()
        const memory = replaced?.memory ?? new Uint8Array(length)
        const file = this.#file(fd)
        if (!this.isFrozen) file.map(memory)
        this.#mappings.set(address, { memory, file })
        return address
      },
      view: address => (this.#mappings.get(address) as { memory: Uint8Array }).memory,
      unmap: address => this.#mappings.get(address)?.file.unmap(),
    }
  }

  get isFrozen(): boolean {
    return this.freezeAt > 0 && this.calls >= this.freezeAt
  }

  /** What is there after a power cut at this moment; `random` decides what survives of the unsynced part. */
  crash(options: { random?: Random } = {}): PowerCutStorage {
    const names = new Map(this.#durable)
    const random = options.random
    if (random !== undefined) for (const change of this.#changes) if (random() < 0.5) apply(change, names)
    const after = new PowerCutStorage({ mapping: this.mapping !== undefined })
    const files = new Map<PowerCutFile, PowerCutFile>()
    for (const path of [...names.keys()].sort()) {
      const node = names.get(path)
      if (node === undefined || !hasParents(path, names)) continue
      let copy: Node = 'directory'
      if (node !== 'directory') {
        copy = files.get(node) ?? node.afterCut(random)
        files.set(node, copy)
      }
      after.#live.set(path, copy)
      after.#durable.set(path, copy)
    }
    return after
  }

  /** What is there after the process was killed: all that programs see. It is durable in the copy. */
  afterKill(): PowerCutStorage {
    const after = new PowerCutStorage({ mapping: this.mapping !== undefined })
    for (const [path, node] of this.#live) {
      const copy = node === 'directory' ? node : node.afterKill()
      after.#live.set(path, copy)
      after.#durable.set(path, copy)
    }
    return after
  }

  open(path: string, flags: number): number {
    const at = resolve(path)
    let node = this.#live.get(at)
    if (node === 'directory') throw failure('EISDIR', at)
    if (node !== undefined && (flags & constants.O_EXCL) !== 0) throw failure('EEXIST', at)
    if (node === undefined) {
      if ((flags & constants.O_CREAT) === 0) throw failure('ENOENT', at)
      this.#parent(at)
      this.#change()
      node = new PowerCutFile()
      this.#record(new Map([[at, node]]))
    } else if ((flags & constants.O_TRUNC) !== 0) {
      this.#change()
      node.truncate(0)
    }
    const fd = this.#nextDescriptor++
    this.#descriptors.set(fd, node)
    return fd
  }

  close(fd: number): void {
    this.#file(fd)
    this.#descriptors.delete(fd)
  }

  read(fd: number, target: Uint8Array, at: number, length: number, position: number): number {
    return this.#file(fd).read(target, at, length, position)
  }

  write(fd: number, source: Uint8Array, at: number, length: number, position: number): void {
    const file = this.#file(fd)
    this.#change()
    file.write(source, at, length, position)
  }

  size(fd: number): number {
    return this.#file(fd).size
  }

  truncate(fd: number, length: number): void {
    const file = this.#file(fd)
    this.#change()
    file.truncate(length)
  }

  allocated(fd: number): number {
    return this.#file(fd).allocated
  }

  punch(fd: number, position: number, length: number): void {
    const file = this.#file(fd)
    this.#change()
    file.punch(position, length)
  }

  allocate(fd: number, mode: number, position: number, length: number): void {
    const file = this.#file(fd)
    this.#change()
    file.allocate(mode, position, length)
  }

  seek(fd: number, position: number, hole: boolean): number {
    return this.#file(fd).seek(position, hole)
  }

  copyRange(from: number, fromPosition: number, to: number, toPosition: number, length: number): number {
    const bytes = new Uint8Array(length)
    const n = this.#file(from).read(bytes, 0, length, fromPosition)
    this.#change()
    this.#file(to).write(bytes, 0, n, toPosition)
    return n
  }

  datasync(fd: number): void {
    const file = this.#file(fd)
    this.#change()
    file.datasync()
  }

  syncDirectory(path: string): void {
    const at = resolve(path)
    if (this.#live.get(at) !== 'directory') throw failure('ENOENT', at)
    this.#change()
    for (const change of this.#takeChanges(at)) apply(change, this.#durable)
  }

  /** Takes the changes of the names in a directory that are not durable from the list of what a sync has to do. */
  #takeChanges(directory: string): Change[] {
    const isConcerned = (change: Change) => [...change.keys()].some(name => dirname(name) === directory)
    const taken = this.#changes.filter(isConcerned)
    this.#changes = this.#changes.filter(change => !isConcerned(change))
    return taken
  }

  /** What a failed sync leaves: the bytes not durable never will be, though programs go on seeing them. */
  loseBytes(fd: number): void {
    this.#file(fd).lose()
  }

  /** The same for the names in a directory. */
  loseNames(directory: string): void {
    this.#takeChanges(resolve(directory))
  }

  rename(from: string, to: string): void {
    const source = resolve(from)
    const target = resolve(to)
    const node = this.#live.get(source)
    if (node === undefined) throw failure('ENOENT', source)
    if (node === 'directory') throw failure('EISDIR', source)
    this.#parent(target)
    this.#change()
    this.#record(
      new Map<string, Node | undefined>([
        [source, undefined],
        [target, node],
      ]),
    )
  }

  unlink(path: string): void {
    const at = resolve(path)
    const node = this.#live.get(at)
    if (node === undefined) throw failure('ENOENT', at)
    if (node === 'directory') throw failure('EISDIR', at)
    this.#change()
    this.#record(new Map([[at, undefined]]))
  }

  mkdir(path: string): void {
    const at = resolve(path)
    if (this.#live.get(at) === 'directory') return
    if (this.#live.has(at)) throw failure('EEXIST', at)
    if (dirname(at) !== at) this.mkdir(dirname(at))
    this.#change()
    this.#record(new Map<string, Node>([[at, 'directory']]))
  }

  list(path: string): string[] {
    const at = resolve(path)
    const below = at === '/' ? '/' : `${at}/`
    return [...this.#live.keys()]
      .filter(name => dirname(name) === at && name !== at)
      .map(name => name.slice(below.length))
  }

  #record(change: Change): void {
    apply(change, this.#live)
    this.#changes.push(change)
  }

  #change(): void {
    if (!this.isFrozen) this.calls++
    if (!this.isFrozen) return
    for (const { file } of this.#mappings.values()) file.unmap()
    throw failure('EPOWER', `call ${this.calls}`)
  }

  #parent(path: string): void {
    if (this.#live.get(dirname(path)) !== 'directory') throw failure('ENOENT', dirname(path))
  }

  #file(fd: number): PowerCutFile {
    const file = this.#descriptors.get(fd)
    if (file === undefined) throw failure('EBADF', String(fd))
    return file
  }
}

function apply(change: Change, names: Map<string, Node>): void {
  for (const [path, node] of change) {
    if (node === undefined) names.delete(path)
    else names.set(path, node)
  }
}

function hasParents(path: string, names: Map<string, Node>): boolean {
  for (let at = path; at !== '/'; ) {
    at = dirname(at)
    if (names.get(at) !== 'directory') return false
  }
  return true
}

function failure(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}
