/**
 * A FileSystem over a metadata store and a data directory in a temporary place, with operations that take strings and
 * answer decoded attributes.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkFilesystem, type Problem } from '../../src/fs/check.ts'
import { DataFiles } from '../../src/fs/data-files.ts'
import { FileSystem } from '../../src/fs/filesystem.ts'
import type { Metadata } from '../../src/fs/metadata.ts'
import type { AttributeChange, Caller, DirectorySink } from '../../src/fs/operations.ts'
import { createFsShared, type FsShared } from '../../src/fs/shared.ts'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'

export const ROOT = 1

export interface Attributes {
  ino: number
  size: number
  blocks: number
  atime: bigint
  mtime: bigint
  ctime: bigint
  mode: number
  nlink: number
  uid: number
  gid: number
  rdev: number
}

export interface Entry {
  name: string
  ino: number
  type: number
  cookie: number
  attributes?: Attributes
}

export const bytesOf = (name: string) => new Uint8Array(Buffer.from(name, 'latin1'))

function decode(attr: Uint8Array): Attributes {
  const b = Buffer.from(attr)
  const time = (at: number, ns: number) => b.readBigInt64LE(at) * 1_000_000_000n + BigInt(b.readUInt32LE(ns))
  return {
    ino: Number(b.readBigUInt64LE(0)),
    size: Number(b.readBigUInt64LE(8)),
    blocks: Number(b.readBigUInt64LE(16)),
    atime: time(24, 48),
    mtime: time(32, 52),
    ctime: time(40, 56),
    mode: b.readUInt32LE(60),
    nlink: b.readUInt32LE(64),
    uid: b.readUInt32LE(68),
    gid: b.readUInt32LE(72),
    rdev: b.readUInt32LE(76),
  }
}

export class FsFixture {
  readonly metadata: Metadata
  readonly directory: string
  readonly storage: Storage
  caller: Caller = { uid: 0, gid: 0, pid: 1, umask: 0, killsPrivileges: false }
  shared: FsShared
  data: DataFiles
  fs: FileSystem
  readonly #attr = new Uint8Array(100).fill(0xee)

  constructor(
    metadata: Metadata,
    storage: Storage = hostStorage,
    directory = mkdtempSync(join(tmpdir(), 'holtfs-fs-')),
    readOnly = false,
  ) {
    this.metadata = metadata
    this.directory = directory
    this.storage = storage
    this.shared = createFsShared()
    this.data = this.dataFiles()
    this.fs = this.another(this.data, readOnly)
    if (!readOnly) this.fs.format(0, 0)
  }

  dataFiles(): DataFiles {
    return new DataFiles(this.storage, join(this.directory, 'data'), this.shared)
  }

  /** A further FileSystem on the same shared memory, as another worker thread has it. */
  another(data = this.dataFiles(), readOnly = false): FileSystem {
    return new FileSystem(this.metadata, data, this.shared, { readOnly, statfsPath: this.directory })
  }

  /** What a new process does: new shared memory over the same store. */
  restart(): void {
    this.data.close()
    this.shared = createFsShared()
    this.data = this.dataFiles()
    this.fs = this.another(this.data)
    this.fs.format(0, 0)
    this.fs.collectOrphans()
  }

  dispose(): void {
    this.data.close()
    rmSync(this.directory, { recursive: true, force: true })
  }

  check(): Problem[] {
    const problems: Problem[] = []
    checkFilesystem(this.metadata, this.data, problem => problems.push(problem))
    return problems
  }

  lookup(parent: number, name: string, fs = this.fs): number | Attributes {
    return this.#answer(fs.lookup(this.caller, parent, bytesOf(name), this.#attr, 4))
  }

  /** Attributes of a path from the root; throws when it does not exist. */
  stat(path: string): Attributes {
    let found = this.getattr(ROOT) as Attributes
    for (const name of path.split('/').filter(part => part !== '')) {
      const next = this.lookup(found.ino, name)
      if (typeof next === 'number') throw new Error(`${path}: errno ${-next}`)
      found = next
    }
    return found
  }

  getattr(ino: number): number | Attributes {
    return this.#answer(this.fs.getattr(ino, this.#attr, 4))
  }

  setattr(ino: number, valid: number, change: Partial<AttributeChange>): number | Attributes {
    const full = { mode: 0, uid: 0, gid: 0, size: 0, atime: 0, atimeNs: 0, mtime: 0, mtimeNs: 0, ctime: 0, ctimeNs: 0 }
    return this.#answer(this.fs.setattr(this.caller, ino, { ...full, ...change, valid }, this.#attr, 4))
  }

  mknod(parent: number, name: string, mode = 0o100644, rdev = 0): number | Attributes {
    return this.#answer(this.fs.mknod(this.caller, parent, bytesOf(name), mode, rdev, this.#attr, 4))
  }

  mkdir(parent: number, name: string, mode = 0o755): number | Attributes {
    return this.#answer(this.fs.mkdir(this.caller, parent, bytesOf(name), mode, this.#attr, 4))
  }

  symlink(parent: number, name: string, target: string): number | Attributes {
    return this.#answer(this.fs.symlink(this.caller, parent, bytesOf(name), bytesOf(target), this.#attr, 4))
  }

  readlink(ino: number): number | string {
    const out = Buffer.alloc(5000)
    const length = this.fs.readlink(ino, out, 10)
    return length < 0 ? length : out.toString('latin1', 10, 10 + length)
  }

  link(ino: number, parent: number, name: string): number | Attributes {
    return this.#answer(this.fs.link(this.caller, ino, parent, bytesOf(name), this.#attr, 4))
  }

  unlink(parent: number, name: string): number {
    return this.fs.unlink(this.caller, parent, bytesOf(name))
  }

  rmdir(parent: number, name: string): number {
    return this.fs.rmdir(this.caller, parent, bytesOf(name))
  }

  rename(parent: number, name: string, newParent: number, newName: string, flags = 0, fs = this.fs): number {
    return fs.rename(this.caller, parent, bytesOf(name), newParent, bytesOf(newName), flags)
  }

  /** The kernel has forgotten `ino` for good, and nothing else. */
  forget(ino: number): void {
    this.fs.forget(ino)
    this.fs.collectForgotten(other => other !== ino)
  }

  write(ino: number, offset: number, data: Uint8Array | string): number {
    return this.fs.write(this.caller, ino, offset, typeof data === 'string' ? bytesOf(data) : data)
  }

  read(ino: number, offset: number, size: number): number | Buffer {
    const out = Buffer.alloc(size + 20, 0xaa)
    const length = this.fs.read(ino, offset, size, out, 10)
    return length < 0 ? length : out.subarray(10, 10 + length)
  }

  fallocate(ino: number, mode: number, offset: number, length: number): number {
    return this.fs.fallocate(this.caller, ino, mode, offset, length)
  }

  copyRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
    return this.fs.copyRange(this.caller, from, fromOffset, to, toOffset, length, 0)
  }

  truncate(ino: number, size: number): number | Attributes {
    return this.setattr(ino, 1 << 3, { size })
  }

  setxattr(ino: number, name: string, value: Uint8Array | string, flags = 0): number {
    const bytes = typeof value === 'string' ? bytesOf(value) : value
    return this.fs.setxattr(ino, bytesOf(name), bytes, flags, false)
  }

  getxattr(ino: number, name: string): number | Buffer {
    const out = Buffer.alloc(65_600)
    const length = this.fs.getxattr(ino, bytesOf(name), 65_536, out, 10)
    return length < 0 ? length : out.subarray(10, 10 + length)
  }

  listxattr(ino: number): string[] {
    const out = Buffer.alloc(65_600)
    const length = this.fs.listxattr(this.caller, ino, 65_536, out, 10)
    if (length < 0) throw new Error(`errno ${-length}`)
    return out
      .toString('latin1', 10, 10 + length)
      .split('\0')
      .slice(0, -1)
  }

  removexattr(ino: number, name: string): number {
    return this.fs.removexattr(ino, bytesOf(name))
  }

  /** Up to `limit` entries from `offset`. */
  readdir(ino: number, offset: number, limit: number, plus = false, fs = this.fs): number | Entry[] {
    const entries: Entry[] = []
    const sink: DirectorySink = {
      plus,
      add(entryIno, type, cookie, name, nameLength, attr, attrAt) {
        if (entries.length >= limit) return false
        const entry: Entry = {
          name: Buffer.from(name.subarray(0, nameLength)).toString('latin1'),
          ino: entryIno,
          type,
          cookie,
        }
        if (plus) entry.attributes = decode(attr.subarray(attrAt, attrAt + 88))
        entries.push(entry)
        return true
      },
    }
    const result = fs.readdir(ino, offset, sink)
    return result < 0 ? result : entries
  }

  /** Names in a directory without `.` and `..`, read in pieces of `step`, sorted. */
  list(ino: number, step = 7): string[] {
    const names: string[] = []
    for (let offset = 0; ; ) {
      const entries = this.readdir(ino, offset, step)
      if (typeof entries === 'number') throw new Error(`errno ${-entries}`)
      if (entries.length === 0) break
      offset = entries.at(-1)!.cookie
      names.push(...entries.map(entry => entry.name))
    }
    return names.slice(2).sort()
  }

  #answer(result: number): number | Attributes {
    return result < 0 ? result : decode(this.#attr.subarray(4, 92))
  }
}
