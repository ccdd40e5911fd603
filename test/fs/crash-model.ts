/**
 * What a volume may look like after a power cut. Metadata is logged in order, so what is found must be the state after
 * one of the commits: not an older one than was promised, not one that nobody asked for. Bytes in the tree belong to
 * that state. Bytes of a data file may be ahead of it or missing, each on its own, but every byte is one that was
 * written there since the last fsync of the file, or the one that this fsync saved.
 */
import { ACCESS, acl, DEFAULT } from '../support/acl.ts'

/** One write into a data file. */
interface Layer {
  at: number
  bytes: Uint8Array
}

/** Largest file in the tree, in bytes. Stated again: the model knows nothing of the source. */
const INLINE = 8192

/** Bytes of one data file since it was last synced. */
export class HostBytes {
  /** What a power cut must leave; zeros behind its end. */
  base: Uint8Array
  layers: Layer[] = []
  /** Whether an fsync saved the file's name. */
  isSynced = false
  /** The power cut before took the file, and nothing was written to it since. */
  isLost = false
  /** The same file as states before a truncation see it. */
  #before: HostBytes | undefined

  constructor(base: Uint8Array) {
    this.base = base
  }

  write(layer: Layer): void {
    this.layers.push(layer)
    this.#before?.write(layer)
  }

  /** The file after a truncation to `size` bytes that is durable when the file grows again. */
  cut(size: number): HostBytes {
    const after = new HostBytes(this.base.subarray(0, size))
    after.layers = this.layers.map(({ at, bytes }) => ({ at, bytes: bytes.subarray(0, Math.max(0, size - at)) }))
    after.isSynced = this.isSynced
    after.isLost = this.isLost
    after.#before = this
    return after
  }

  synced(content: Uint8Array): void {
    this.base = content
    this.layers = []
    this.isSynced ||= !this.isLost
    this.#before = undefined
  }

  allows(position: number, value: number): boolean {
    if (value === (this.base[position] ?? 0)) return true
    return this.layers.some(({ at, bytes }) => bytes[position - at] === value)
  }
}

export interface FileState {
  content: Uint8Array
  /** Undefined while the bytes are in the tree. */
  host: HostBytes | undefined
  /** Of a file in the tree: what a power cut must leave of it, wherever its bytes go next. */
  promised: Uint8Array
}

export interface State {
  /** Ino by path, without a slash at the front. */
  directories: Map<string, number>
  names: Map<string, number>
  /** By ino; those without a name are open. */
  files: Map<number, FileState>
  /** Extended attributes by ino; an ino without any may be absent. Values are latin1. */
  xattrs: Map<number, Attributes>
}

export type Attributes = ReadonlyMap<string, string>

/** Ino of the root directory. */
export const ROOT = 1
/** The default list that directories get, and what it makes of a file of mode 0644 and of a directory of mode 0755. */
export const DEFAULT_LIST = acl('u::rwx,u:7:rw,g::rx,m::rwx,o::')
const FILE_LIST = acl('u::rw,u:7:rw,g::rx,m::r,o::')
const DIRECTORY_LIST = acl('u::rwx,u:7:rw,g::rx,m::rx,o::')

const NOTHING = new Uint8Array(0)
const copyOf = (state: State): State => ({
  directories: new Map(state.directories),
  names: new Map(state.names),
  files: new Map(state.files),
  xattrs: new Map(state.xattrs),
})

function resized(content: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  bytes.set(content.subarray(0, size))
  return bytes
}

export class CrashModel {
  /** The state after each commit known, oldest first. */
  #states: { seq: number; state: State }[]
  #inFlight: State | undefined
  #promised = 0

  constructor(seq: number, state: State) {
    this.#states = [{ seq, state }]
  }

  get state(): State {
    return this.#states.at(-1)!.state
  }

  get promised(): number {
    return this.#promised
  }

  /** Seq of the last commit that was acknowledged. */
  get acknowledged(): number {
    return this.#states.at(-1)!.seq
  }

  /** What the operation that the cut has interrupted would have led to. */
  get inFlight(): State | undefined {
    return this.#inFlight
  }

  /** An operation is about to begin that leads from the current state to `next`. */
  begin(next: State): void {
    this.#inFlight = next
  }

  /** It has returned, its last commit being `seq`. */
  end(seq: number): void {
    this.#states.push({ seq, state: this.#inFlight! })
    this.#inFlight = undefined
  }

  /** Everything up to `seq`, which is now, survives from here on. */
  promise(seq: number): void {
    this.#promised = Math.max(this.#promised, seq)
    for (const file of this.state.files.values()) if (file.host === undefined) file.promised = file.content
  }

  /** The states that a store may be in that was recovered up to `seq`; none when that seq itself is wrong. */
  after(seq: number): State[] {
    const last = this.#states.at(-1)!
    if (seq < this.#promised) return []
    if (seq > last.seq) return this.#inFlight === undefined ? [] : [last.state, this.#inFlight]
    const i = this.#states.findLastIndex(known => known.seq <= seq)
    const { state } = this.#states[i]
    // An operation of several commits shows what it does with one of them.
    return this.#states[i].seq === seq ? [state] : [state, this.#states[i + 1].state]
  }

  // --- transitions: each returns the state that the operation leads to ---

  created(path: string, ino: number): State {
    const next = copyOf(this.state)
    next.names.set(path, ino)
    next.files.set(ino, { content: NOTHING, host: undefined, promised: NOTHING })
    inherit(next, path, ino, [[ACCESS, FILE_LIST]])
    return next
  }

  directoryCreated(path: string, ino: number): State {
    const next = copyOf(this.state)
    next.directories.set(path, ino)
    const lists: [string, Buffer][] = [
      [ACCESS, DIRECTORY_LIST],
      [DEFAULT, DEFAULT_LIST],
    ]
    inherit(next, path, ino, lists)
    return next
  }

  linked(ino: number, path: string): State {
    const next = copyOf(this.state)
    next.names.set(path, ino)
    return next
  }

  unlinked(path: string): State {
    const next = copyOf(this.state)
    next.names.delete(path)
    return next
  }

  forgotten(ino: number): State {
    const next = copyOf(this.state)
    next.files.delete(ino)
    next.xattrs.delete(ino)
    return next
  }

  /** Without a value the attribute is removed. */
  attributeSet(ino: number, name: string, value?: Uint8Array): State {
    const next = copyOf(this.state)
    const attributes = new Map(next.xattrs.get(ino))
    if (value === undefined) attributes.delete(name)
    else attributes.set(name, Buffer.from(value).toString('latin1'))
    next.xattrs.set(ino, attributes)
    return next
  }

  renamed(from: string, to: string): State {
    const next = copyOf(this.state)
    const ino = next.names.get(from)!
    next.names.delete(from)
    next.names.set(to, ino)
    return next
  }

  directoryRenamed(from: string, to: string): State {
    const next = copyOf(this.state)
    for (const map of [next.directories, next.names]) {
      for (const [path, ino] of [...map]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue
        map.delete(path)
        map.set(to + path.slice(from.length), ino)
      }
    }
    return next
  }

  written(ino: number, at: number, bytes: Uint8Array): State {
    const next = copyOf(this.state)
    const file = next.files.get(ino)!
    const content = resized(file.content, Math.max(file.content.length, at + bytes.length))
    content.set(bytes, at)
    let { host } = file
    if (host === undefined && content.length > INLINE) host = movedOut(file)
    host?.write({ at, bytes })
    next.files.set(ino, { content, host, promised: file.promised })
    return next
  }

  /** fallocate with `keep`: the size stays; with `clear`: the range becomes zeros. */
  ranged(ino: number, at: number, end: number, keep: boolean, clear: boolean): State {
    const next = copyOf(this.state)
    const file = next.files.get(ino)!
    const size = keep ? file.content.length : Math.max(file.content.length, end)
    const content = resized(file.content, size)
    const zeros = new Uint8Array(clear ? Math.max(0, Math.min(end, size) - at) : 0)
    content.set(zeros, Math.min(at, size))
    let { host } = file
    const reserves = keep && !clear && end > size
    if (host === undefined && (size > INLINE || reserves)) host = movedOut(file)
    host?.write({ at, bytes: zeros })
    next.files.set(ino, { content, host, promised: file.promised })
    return next
  }

  truncated(ino: number, size: number): State {
    const next = copyOf(this.state)
    const file = next.files.get(ino)!
    const content = resized(file.content, size)
    let { host, promised } = file
    if (size <= INLINE) {
      promised = (host?.base ?? promised).subarray(0, size)
      host = undefined
    } else if (host === undefined) host = movedOut(file)
    else if (size < file.content.length) host = host.cut(size)
    next.files.set(ino, { content, host, promised })
    return next
  }

  /** A write to the file has returned: its data file exists. */
  wrote(ino: number): void {
    const { host } = this.state.files.get(ino)!
    if (host !== undefined) host.isLost = false
  }

  /** An fsync of the file has returned. */
  fsynced(ino: number): void {
    const file = this.state.files.get(ino)!
    file.host?.synced(file.content)
  }
}

/** What is made in a directory with a default list has lists from the beginning. */
function inherit(state: State, path: string, ino: number, lists: [string, Buffer][]): void {
  const cut = path.lastIndexOf('/')
  const parent = cut < 0 ? ROOT : state.directories.get(path.slice(0, cut))!
  if (!state.xattrs.get(parent)?.has(DEFAULT)) return
  state.xattrs.set(ino, new Map(lists.map(([name, list]) => [name, list.toString('latin1')])))
}

/** What is wrong with the attributes found of an inode; undefined when they are those of the state. */
export function wrongAttributes(state: State, ino: number, found: Attributes): string | undefined {
  const text = (attributes: Attributes | undefined) => JSON.stringify([...(attributes ?? [])].sort())
  const expected = state.xattrs.get(ino)
  return text(found) === text(expected) ? undefined : `attributes ${text(found)} instead of ${text(expected)}`
}

function movedOut(file: FileState): HostBytes {
  const host = new HostBytes(file.promised)
  host.write({ at: 0, bytes: file.content })
  return host
}

/**
 * What is wrong with the bytes found of a file; undefined when they are allowed. `alternatives`: only the process died,
 * so every byte is that of the state or of one of these.
 */
export function wrongBytes(file: FileState, found: Uint8Array, alternatives?: Uint8Array[]): string | undefined {
  const { content, host } = file
  if (found.length !== content.length) return `size ${found.length} instead of ${content.length}`
  if (Buffer.compare(found, content) === 0) return undefined
  for (let i = 0; i < found.length; i++) {
    if (found[i] === content[i]) continue
    if (alternatives === undefined ? host?.allows(i, found[i]) : alternatives.some(other => other[i] === found[i]))
      continue
    const where = host === undefined ? 'in the tree' : `in a data file with ${host.layers.length} unsynced writes`
    return `byte ${i} of ${found.length}, ${where}: ${found[i]} instead of ${content[i]}`
  }
  return undefined
}

/**
 * What is left of `state` when nobody has a file open and `read` says what the bytes are. After a power cut all of them
 * are on the medium; after a kill what was not synced still is not.
 */
export function adopted(
  state: State,
  killed: boolean,
  read: (ino: number) => Uint8Array,
  isMissing: (ino: number) => boolean,
): State {
  const next = copyOf(state)
  const named = new Set(state.names.values())
  for (const [ino, file] of state.files) {
    if (!named.has(ino)) {
      next.files.delete(ino)
      next.xattrs.delete(ino)
      continue
    }
    const content = read(ino)
    let host = file.host?.cut(content.length)
    if (host !== undefined && !killed) {
      const { isSynced } = host
      host = new HostBytes(content)
      host.isSynced = isSynced
      host.isLost = isMissing(ino)
    }
    next.files.set(ino, { content, host, promised: content })
  }
  return next
}
