/**
 * A filesystem over a store that can lose its power, the operations of a workload on it, and the comparison of what a
 * recovery finds with the model.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openStore, type Store } from '../../src/engine/store.ts'
import type { Durability } from '../../src/journal/durability.ts'
import { DEFAULT } from '../support/acl.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { PowerCutStorage } from '../support/power-cut-storage.ts'
import { adopted, CrashModel, DEFAULT_LIST, type State, wrongAttributes, wrongBytes } from './crash-model.ts'

/** Small, so that even short runs rotate segments. */
const SEGMENT = 6000
const EMPTY: State = { directories: new Map(), names: new Map(), files: new Map(), xattrs: new Map() }

/** An empty storage in which the directory of a store to be exists. */
export function emptyMedium(directory: string, options: { mapping?: boolean } = {}): PowerCutStorage {
  const storage = new PowerCutStorage(options)
  storage.mkdir(directory)
  for (let at = directory; at !== '/'; ) {
    at = dirname(at)
    storage.syncDirectory(at)
  }
  return storage
}

export function makeDirectory(): { directory: string; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-cut-'))
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

/** Bytes that tell what wrote them and where: 1 to 255, never the zero of a hole. */
export function pattern(generation: number, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const seed = Math.imul(generation + 1, 0x9e3779b1)
  for (let i = 0; i < length; i++) {
    const mixed = Math.imul(seed ^ (at + i), 0x85ebca6b)
    bytes[i] = (((mixed ^ (mixed >>> 13)) >>> 8) % 255) + 1
  }
  return bytes
}

/** One life of a store, from opening to the end of its process. */
export class CrashRun {
  readonly directory: string
  readonly storage: PowerCutStorage
  readonly durability: Durability
  /** Seq up to which the store was recovered. */
  readonly recovered: number
  readonly #store: Store
  readonly #fixture: FsFixture
  model: CrashModel
  #generation: number
  #leaked = new Set<string>()

  /** Opens the store; throws when the power goes meanwhile. Generations of patterns count on from `generation`. */
  constructor(directory: string, storage: PowerCutStorage, durability: Durability, generation = 0) {
    this.directory = directory
    this.storage = storage
    this.durability = durability
    this.#generation = generation
    this.#store = openStore(directory, {
      storage,
      background: false,
      durability,
      poolBytes: 4 << 20,
      segmentBytes: SEGMENT,
    })
    this.recovered = this.tree.lastSeq()
    try {
      this.#fixture = new FsFixture(this.tree, storage, directory)
      this.#fixture.fs.collectOrphans()
    } catch (error) {
      this.end()
      throw error
    }
    this.model = this.#modelOf(EMPTY)
  }

  get tree() {
    return this.#store.tree
  }

  get generation(): number {
    return this.#generation
  }

  /** Data files that a power cut has left without an owner, as the check words it. */
  get leaked(): Set<string> {
    return this.#leaked
  }

  /** Ends the process: lets go of the store's lock, whatever is still possible. */
  end(): void {
    try {
      this.#store.close()
    } catch (error) {
      if (!this.storage.isFrozen) throw error
    }
  }

  // --- operations: each throws when the power goes ---

  create(path: string): number {
    return this.#making(path, (parent, name) => this.#fixture.mknod(parent, name), 'created')
  }

  mkdir(path: string): number {
    return this.#making(path, (parent, name) => this.#fixture.mkdir(parent, name), 'directoryCreated')
  }

  link(ino: number, path: string): void {
    this.#run(this.model.linked(ino, path), () => this.#fixture.link(ino, ...this.#at(path)))
  }

  unlink(path: string): void {
    this.#run(this.model.unlinked(path), () => this.#fixture.unlink(...this.#at(path)))
  }

  forget(ino: number): void {
    this.#run(this.model.forgotten(ino), () => this.#fixture.forget(ino))
  }

  setAttribute(ino: number, name: string, length: number): void {
    const value = name === DEFAULT ? DEFAULT_LIST : pattern(this.#generation++, 0, length)
    this.#run(this.model.attributeSet(ino, name, value), () => this.#fixture.setxattr(ino, name, value))
  }

  removeAttribute(ino: number, name: string): void {
    this.#run(this.model.attributeSet(ino, name), () => this.#fixture.removexattr(ino, name))
  }

  rename(from: string, to: string): void {
    const isDirectory = this.model.state.directories.has(from)
    const next = isDirectory ? this.model.directoryRenamed(from, to) : this.model.renamed(from, to)
    this.#run(next, () => this.#fixture.rename(...this.#at(from), ...this.#at(to)))
  }

  write(ino: number, at: number, length: number): void {
    const bytes = pattern(this.#generation++, at, length)
    this.#run(this.model.written(ino, at, bytes), () => this.#fixture.write(ino, at, bytes))
    this.model.wrote(ino)
  }

  truncate(ino: number, size: number): void {
    this.#run(this.model.truncated(ino, size), () => this.#fixture.truncate(ino, size))
  }

  /** `mode` is that of fallocate: 0 and 1 reserve, 3 punches a hole, 16 and 17 make zeros. */
  fallocate(ino: number, mode: number, at: number, length: number): void {
    const next = this.model.ranged(ino, at, at + length, (mode & 1) !== 0, mode > 1)
    this.#run(next, () => this.#fixture.fallocate(ino, mode, at, length))
    // A hole is nothing to make a lost file for.
    if (mode !== 3) this.model.wrote(ino)
  }

  copyRange(from: number, at: number, to: number, toAt: number, length: number): void {
    const bytes = this.model.state.files.get(from)!.content.slice(at, at + length)
    if (bytes.length === 0) return
    this.#run(this.model.written(to, toAt, bytes), () => this.#fixture.copyRange(from, at, to, toAt, length))
  }

  fsync(ino: number): void {
    this.#run(this.model.state, () => this.#fixture.fs.fsync(ino, false))
    this.model.fsynced(ino)
    this.model.promise(this.tree.lastSeq())
  }

  fsyncdir(): void {
    this.#run(this.model.state, () => this.#fixture.fs.fsyncdir(ROOT))
    this.model.promise(this.tree.lastSeq())
  }

  sync(): void {
    this.tree.sync()
    this.model.promise(this.tree.lastSeq())
  }

  checkpoint(): void {
    this.tree.checkpoint()
    this.model.promise(this.tree.lastSeq())
  }

  collect(): void {
    this.#run(this.model.state, () => this.#fixture.fs.collectRetired())
  }

  /** The ino is known only once the thing is there: a cut in between leaves one of any number. */
  #making(
    path: string,
    make: (parent: number, name: string) => number | Attributes,
    kind: 'created' | 'directoryCreated',
  ): number {
    this.model.begin(this.model[kind](path, UNKNOWN))
    const made = make(...this.#at(path))
    if (typeof made === 'number') throw new Error(`${path}: errno ${-made}`)
    this.model.begin(this.model[kind](path, made.ino))
    this.#ended()
    return made.ino
  }

  #run(next: State, operation: () => unknown): void {
    this.model.begin(next)
    const result = operation()
    if (typeof result === 'number' && result < 0) throw new Error(`errno ${-result}`)
    this.#ended()
  }

  #ended(): void {
    const seq = this.tree.lastSeq()
    this.model.end(seq)
    if (this.durability === 'sync') this.model.promise(seq)
  }

  #at(path: string): [number, string] {
    const cut = path.lastIndexOf('/')
    if (cut < 0) return [ROOT, path]
    return [this.model.state.directories.get(path.slice(0, cut))!, path.slice(cut + 1)]
  }

  // --- comparison ---

  /**
   * Compares what was recovered with the model of the life before, and takes it over as the state to go on from.
   * Returns what is wrong. `killed`: only the process died, so nothing but the operation in flight may be missing, and
   * no data file is without an owner but those that were `leaked` before.
   */
  verify(before: CrashModel, killed = false, leaked: Set<string> = new Set()): string[] {
    this.#leaked = leaked
    const states = before.after(this.recovered)
    const promised = killed ? before.acknowledged : before.promised
    if (states.length === 0 || this.recovered < promised) return [`recovered up to ${this.recovered} of ${promised}`]
    const wrong = states.map(state => this.#compare(state, killed ? [before.inFlight ?? state] : undefined))
    const right = wrong.findIndex(list => list.length === 0)
    if (right < 0) return wrong.at(-1)!
    const problems = this.#fixture.check()
    const missing = new Set(problems.map(({ code, ino }) => (code === 'DATA_MISSING' ? ino : 0)))
    this.#leaked = new Set(problems.flatMap(({ code, message }) => (code === 'DATA_UNREFERENCED' ? message : [])))
    const found = withKnownInos(states[right], this.#listing())
    const read = (ino: number) => this.#read(ino)
    this.model = this.#modelOf(adopted(found, killed, read, ino => missing.has(ino)))
    return []
  }

  /** What was recovered is on the medium; what the start itself committed since changes nothing that counts. */
  #modelOf(state: State): CrashModel {
    const model = new CrashModel(this.recovered, state)
    model.promise(this.recovered)
    model.begin(state)
    model.end(this.tree.lastSeq())
    return model
  }

  #compare(expected: State, whenKilled: State[] | undefined): string[] {
    const wrong: string[] = []
    const listing = this.#listing()
    const state = withKnownInos(expected, listing)
    for (const kind of ['directories', 'names'] as const) {
      const found = JSON.stringify([...listing[kind]].sort())
      const wanted = JSON.stringify([...state[kind]].sort())
      if (found !== wanted) wrong.push(`${kind} ${found} instead of ${wanted}`)
    }
    if (wrong.length > 0) return wrong
    const named = new Set(state.names.values())
    for (const ino of [ROOT, ...state.directories.values(), ...named]) {
      const problem = wrongAttributes(state, ino, this.#attributes(ino))
      if (problem !== undefined) wrong.push(`inode ${ino}: ${problem}`)
    }
    for (const [ino, file] of state.files) {
      if (!named.has(ino)) {
        if (typeof this.#fixture.getattr(ino) !== 'number') wrong.push(`inode ${ino} has no name and is still there`)
        continue
      }
      const size = (this.#fixture.getattr(ino) as Attributes).size
      const others = whenKilled?.flatMap(other => other.files.get(ino)?.content ?? [])
      const problem = size === file.content.length ? wrongBytes(file, this.#read(ino), others) : `size ${size}`
      if (problem !== undefined) wrong.push(`inode ${ino}: ${problem}`)
    }
    for (const { code, blob, message } of this.tree.check().problems) wrong.push(`${code} blob ${blob}: ${message}`)
    for (const { code, ino, path, message } of this.#fixture.check()) {
      const host = state.files.get(ino ?? 0)?.host
      if (
        code === 'DATA_MISSING' &&
        host !== undefined &&
        (host.isLost || (whenKilled === undefined && !host.isSynced))
      ) {
        continue
      }
      // The record under which a data file was made or removed may be lost, and the file not.
      if (code === 'DATA_UNREFERENCED' && (whenKilled === undefined || this.#leaked.has(message))) continue
      wrong.push(`${code} ino ${ino} ${path ?? ''}: ${message}`)
    }
    return wrong
  }

  #read(ino: number): Uint8Array {
    const bytes = this.#fixture.read(ino, 0, 1 << 18)
    if (typeof bytes === 'number') throw new Error(`inode ${ino}: errno ${-bytes}`)
    return bytes
  }

  #attributes(ino: number): Map<string, string> {
    const names = this.#fixture.listxattr(ino)
    return new Map(names.map(name => [name, (this.#fixture.getxattr(ino, name) as Buffer).toString('latin1')]))
  }

  #listing(): Pick<State, 'directories' | 'names'> {
    const directories = new Map<string, number>()
    const names = new Map<string, number>()
    const walk = (ino: number, prefix: string) => {
      for (const name of this.#fixture.list(ino)) {
        const found = this.#fixture.lookup(ino, name) as Attributes
        const isDirectory = (found.mode & 0o170000) === 0o040000
        ;(isDirectory ? directories : names).set(prefix + name, found.ino)
        if (isDirectory) walk(found.ino, `${prefix + name}/`)
      }
    }
    walk(ROOT, '')
    return { directories, names }
  }
}

/** Stands for the ino of what was being created when the power went. */
const UNKNOWN = -1

function withKnownInos(state: State, listing: Pick<State, 'directories' | 'names'>): State {
  const known = (kind: 'directories' | 'names') =>
    new Map([...state[kind]].map(([path, ino]) => [path, ino === UNKNOWN ? (listing[kind].get(path) ?? ino) : ino]))
  const names = known('names')
  const files = new Map(state.files)
  const made = files.get(UNKNOWN)
  if (made !== undefined) {
    files.delete(UNKNOWN)
    for (const [path, ino] of state.names) if (ino === UNKNOWN) files.set(names.get(path)!, made)
  }
  const xattrs = new Map(state.xattrs)
  const given = xattrs.get(UNKNOWN)
  if (given !== undefined) {
    xattrs.delete(UNKNOWN)
    for (const kind of ['directories', 'names'] as const) {
      for (const [path, ino] of state[kind]) if (ino === UNKNOWN) xattrs.set(listing[kind].get(path) ?? ino, given)
    }
  }
  return { directories: known('directories'), names, files, xattrs }
}
