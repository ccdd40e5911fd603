/** A workload on a volume: each operation is carried out, and noted with everything that can be seen after it. */
import type { StoreOptions } from '../../src/engine/store.ts'
import { type Attributes, type FsFixture, ROOT } from '../support/fs-fixture.ts'
import type { Random } from '../support/random.ts'
import { History } from './history.ts'
import type { MemoryStorage } from './memory-storage.ts'
import { type Volume, VolumeLife } from './volume-life.ts'

export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2

export class VolumeWork {
  readonly history: History<Volume>
  readonly random: Random
  readonly #directory: string
  readonly #storage: MemoryStorage
  readonly #options: StoreOptions
  #life: VolumeLife
  /** Inodes that were seen with bytes, or made without a name, in this life: whoever has them open goes on using them. */
  readonly #open = new Set<number>()
  #generation = 1

  constructor(directory: string, storage: MemoryStorage, options: StoreOptions, random: Random) {
    this.#directory = directory
    this.#storage = storage
    this.#options = options
    this.random = random
    // A data file that nobody owns is what a power cut has left, before or now: then a kill is taken for one.
    const isClean = storage.list(`${directory}/data`).length === 0
    this.history = new History(options.durability !== 'async' && isClean)
    this.history.steps.push({
      what: 'nothing',
      seq: 0,
      seen: { paths: new Map(), files: new Map() },
      promised: 0,
      synced: 0,
    })
    this.#life = new VolumeLife(directory, storage, options)
    this.#note('open')
  }

  get #fixture(): FsFixture {
    return this.#life.fixture
  }

  get volume(): Volume {
    return this.history.steps.at(-1)!.seen
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  /** The inode of a path from the root. */
  ino(path: string): number {
    return this.#fixture.stat(path).ino
  }

  create(path: string, mode = 0o100644): number {
    return this.#made(`create ${path}`, () => this.#fixture.mknod(...this.#at(path), mode))
  }

  mkdir(path: string): number {
    return this.#made(`mkdir ${path}`, () => this.#fixture.mkdir(...this.#at(path)))
  }

  symlink(path: string, target: string): void {
    this.#made(`symlink ${path}`, () => this.#fixture.symlink(...this.#at(path), target))
  }

  /** A file that has no name yet. */
  tmpfile(directory: string): number {
    const attr = Buffer.alloc(100)
    this.#done('tmpfile', () =>
      this.#fixture.fs.tmpfile(this.#fixture.caller, directory === '' ? ROOT : this.ino(directory), 0o600, attr, 0),
    )
    const ino = Number(attr.readBigUInt64LE(0))
    this.#open.add(ino)
    return ino
  }

  link(ino: number, path: string): void {
    this.#made(`link ${ino} ${path}`, () => this.#fixture.link(ino, ...this.#at(path)))
  }

  unlink(path: string): void {
    this.#done(`unlink ${path}`, () => this.#fixture.unlink(...this.#at(path)))
  }

  rmdir(path: string): void {
    this.#done(`rmdir ${path}`, () => this.#fixture.rmdir(...this.#at(path)))
  }

  rename(from: string, to: string, flags = 0): void {
    this.#done(`rename ${from} ${to} ${flags}`, () => this.#fixture.rename(...this.#at(from), ...this.#at(to), flags))
  }

  /** Bytes that tell which write they are of, and are never zero. */
  write(ino: number, at: number, length: number): void {
    const first = 1 + ((this.#generation++ * 37) % 255)
    const bytes = Uint8Array.from({ length }, (_, i) => 1 + ((first + (i >> 5)) % 255))
    this.#done(`write ${ino} ${at} ${length}`, () => this.#fixture.write(ino, at, bytes))
  }

  truncate(ino: number, size: number): void {
    this.#made(`truncate ${ino} ${size}`, () => this.#fixture.truncate(ino, size))
  }

  /** `mode` is that of fallocate: 0 and 1 reserve, 3 punches a hole, 16 and 17 make zeros. */
  fallocate(ino: number, mode: number, at: number, length: number): void {
    this.#done(`fallocate ${ino} ${mode} ${at} ${length}`, () => this.#fixture.fallocate(ino, mode, at, length))
  }

  copyRange(from: number, at: number, to: number, toAt: number, length: number): void {
    this.#done(`copy ${from} ${at} ${to} ${toAt} ${length}`, () => this.#fixture.copyRange(from, at, to, toAt, length))
  }

  /** `valid` are FATTR_* bits; the values are those given. */
  setattr(ino: number, valid: number, change: Parameters<FsFixture['setattr']>[2]): void {
    this.#made(`setattr ${ino} ${valid}`, () => this.#fixture.setattr(ino, valid, change))
  }

  setxattr(ino: number, name: string, value: Uint8Array | string): void {
    this.#done(`setxattr ${ino} ${name}`, () => this.#fixture.setxattr(ino, name, value))
  }

  removexattr(ino: number, name: string): void {
    this.#done(`removexattr ${ino} ${name}`, () => this.#fixture.removexattr(ino, name))
  }

  /** The kernel has forgotten an inode without a name. */
  forget(ino: number): void {
    this.#fixture.forget(ino)
    this.#note(`forget ${ino}`)
  }

  fsync(ino: number): void {
    this.#done(`fsync ${ino}`, () => this.#fixture.fs.fsync(ino, false), { promises: true, synced: ino })
  }

  fsyncdir(): void {
    this.#done('fsyncdir', () => this.#fixture.fs.fsyncdir(ROOT), { promises: true })
  }

  sync(): void {
    this.#life.tree.sync()
    this.#note('sync', { promises: true })
  }

  /** A round promises what was there when it began. */
  checkpoint(): void {
    const promised = this.#life.tree.lastSeq()
    this.#life.tree.checkpoint()
    this.#note('checkpoint', { promised })
  }

  compact(): void {
    this.#life.tree.compact()
    this.#note('compact')
  }

  /** What the server does every second. */
  collect(): void {
    this.#fixture.fs.collectRetired(0)
    this.#note('collect')
  }

  /** Runs `steps` at the n-th such call on a file of that name from now on: as another thread might, in the middle of a step. */
  during(call: string, name: string, nth: number, steps: () => void): void {
    let left = nth
    this.#storage.before = (called, on) => {
      if (called !== call || on !== name || --left > 0) return
      this.#storage.before = () => {}
      steps()
    }
  }

  reopen(): void {
    this.end()
    this.#begin()
  }

  /** The process dies, and the next one opens the store. What nobody has handed to the kernel, it is given before. */
  kill(): void {
    this.#life.tree.flush()
    this.#storage.kill(() => this.#life.end())
    this.#begin()
  }

  end(): void {
    const { seq, seen } = this.history.steps.at(-1)!
    this.#life.end()
    this.history.steps.push({ what: 'close', seq, seen, promised: seq, synced: 0 })
    this.#storage.mark(this.history.steps.length)
  }

  #begin(): void {
    this.#open.clear()
    this.#life = new VolumeLife(this.#directory, this.#storage, this.#options)
    this.#note('open')
  }

  #made(what: string, operation: () => number | Attributes): number {
    const made = operation()
    if (typeof made === 'number') throw new Error(`${what}: errno ${-made}`)
    this.#note(what)
    return made.ino
  }

  #done(what: string, operation: () => number, promise: { promises?: boolean; synced?: number } = {}): void {
    const result = operation()
    if (result < 0) throw new Error(`${what}: errno ${-result}`)
    this.#note(what, promise)
  }

  #note(what: string, given: { promises?: boolean; promised?: number; synced?: number } = {}): void {
    const { steps } = this.history
    const seq = this.#life.tree.lastSeq()
    const isSafe = given.promises === true || this.#options.durability === 'sync'
    const promised = given.promised ?? (isSafe ? seq : 0)
    const seen = this.#life.see(this.#open)
    for (const ino of seen.files.keys()) this.#open.add(ino)
    steps.push({ what, seq, seen, promised, synced: given.synced ?? 0 })
    this.#storage.mark(steps.length)
  }

  #at(path: string): [number, string] {
    const cut = path.lastIndexOf('/')
    return cut < 0 ? [ROOT, path] : [this.ino(path.slice(0, cut)), path.slice(cut + 1)]
  }
}
