/**
 * One of several clients that use a few names at once: `contended-client.ts MOUNT NUMBER SEED OPERATIONS [UNTIL]`, UNTIL in ms
 * since 1970 instead of a number of operations. Prints what came of it as JSON ({@link Contended}). An answer that no order of
 * all clients' operations explains ends it with an error.
 *
 * No client sees in which order all of them came. So each part of the tree is used in ways whose sum does not depend on it.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { type Random, seededRandom } from '../support/random.ts'
import { type Statx, statx } from '../support/statx.ts'
import * as sys from '../support/syscalls.ts'

/** Names come and go one by one here: made, removed, moved to where nothing is, exchanged. */
export const KEPT = ['kept-0', 'kept-1']
/** Here a rename may also replace. */
export const REPLACED = ['replaced-0', 'replaced-1']
/** Names in each of these directories. */
export const NAMES = ['a', 'b', 'c', 'd', 'e', 'f']
/** One file of {@link UNITS} units: all clients write units, cut it, and append. */
export const UNIT = 512
export const UNITS = 40
export const FILES = ['file-0', 'file-1']
/** Entries that nobody touches, one in each directory. */
export const STANDING = 'standing'

export interface Contended {
  /** Files that this client made anew: what they say of themselves in their first bytes. */
  made: string[]
  /** In KEPT: names made less names removed. In REPLACED too, and renames that may have replaced one more. */
  kept: number
  replaced: number
  renames: number
  /** How often each operation succeeded and failed. */
  tried: Record<string, [number, number]>
}

const TYPE = 0o170000
const DIRECTORY = 0o040000

/** A unit says who wrote it, when, and nothing else. */
export function unitOf(client: number, n: number): Buffer {
  return Buffer.alloc(UNIT, `<${client} ${n}>`)
}

class Client {
  readonly #number: number
  readonly #random: Random
  readonly #outcome: Contended = { made: [], kept: 0, replaced: 0, renames: 0, tried: {} }
  #next = 0

  constructor(number: number, random: Random) {
    this.#number = number
    this.#random = random
  }

  run(goesOn: (done: number) => boolean): Contended {
    const kinds = [
      () => this.#make(),
      () => this.#make(),
      () => this.#makeDirectory(),
      () => this.#makeLink(),
      () => this.#makeSymlink(),
      () => this.#remove(),
      () => this.#remove(),
      () => this.#removeDirectory(),
      () => this.#move(),
      () => this.#exchange(),
      () => this.#replace(),
      () => this.#writeUnit(),
      () => this.#writeUnit(),
      () => this.#append(),
      () => this.#cut(),
      () => this.#readUnits(),
      () => this.#changeMode(),
      () => this.#look(),
      () => this.#list(),
    ]
    for (let i = 0; goesOn(i); i++) this.#pick(kinds)()
    return this.#outcome
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]
  }

  #place(directories = [...KEPT, ...REPLACED]): string {
    return `${this.#pick(directories)}/${this.#pick(NAMES)}`
  }

  /** Whether a call succeeded; it may fail only with one of these. */
  #done(what: string, answer: sys.Answer, ...errors: string[]): boolean {
    this.#outcome.tried[what] ??= [0, 0]
    this.#outcome.tried[what][typeof answer === 'number' ? 0 : 1]++
    if (typeof answer === 'number') return true
    if (!errors.includes(answer)) throw new Error(`${what} answered ${answer}`)
    return false
  }

  #count(path: string, by: number): void {
    if (path.startsWith('kept')) this.#outcome.kept += by
    else this.#outcome.replaced += by
  }

  #make(): void {
    const path = this.#place()
    const fd = sys.open(path, 0o301, 0o644)
    if (!this.#done('create', fd, 'EEXIST')) return
    this.#count(path, 1)
    const id = `${this.#number}-${this.#next++}\n`
    this.#outcome.made.push(id)
    this.#done('first write', sys.pwrite(fd as number, id, 0))
    sys.close(fd as number)
  }

  #makeDirectory(): void {
    const path = this.#place()
    if (this.#done('mkdir', sys.mkdir(path), 'EEXIST')) this.#count(path, 1)
  }

  #makeSymlink(): void {
    const path = this.#place()
    if (this.#done('symlink', sys.symlink('nowhere', path), 'EEXIST')) this.#count(path, 1)
  }

  #makeLink(): void {
    const path = this.#place()
    if (this.#done('link', sys.link(this.#place(), path), 'EEXIST', 'ENOENT', 'EPERM')) this.#count(path, 1)
  }

  #remove(): void {
    const path = this.#place()
    if (this.#done('unlink', sys.unlink(path), 'ENOENT', 'EISDIR')) this.#count(path, -1)
  }

  #removeDirectory(): void {
    const path = this.#place()
    if (this.#done('rmdir', sys.rmdir(path), 'ENOENT', 'ENOTDIR')) this.#count(path, -1)
  }

  /** From one part to the other it takes the name out of one sum and into the other. */
  #move(): void {
    const from = this.#place()
    const to = this.#place()
    if (!this.#done('move', sys.renameat2(from, to, sys.RENAME_NOREPLACE), 'ENOENT', 'EEXIST')) return
    this.#count(from, -1)
    this.#count(to, 1)
  }

  #exchange(): void {
    this.#done('exchange', sys.renameat2(this.#place(), this.#place(), sys.RENAME_EXCHANGE), 'ENOENT')
  }

  #replace(): void {
    const to = this.#place(REPLACED)
    const from = this.#place(REPLACED)
    if (this.#done('replace', sys.rename(from, to), 'ENOENT', 'EISDIR', 'ENOTDIR') && from !== to)
      this.#outcome.renames++
  }

  #open(flags: number): number {
    return sys.open(this.#pick(FILES), flags) as number
  }

  #unit(): Buffer {
    return unitOf(this.#number, this.#next++)
  }

  #writeUnit(): void {
    const fd = this.#open(1)
    this.#done('write', sys.pwrite(fd, this.#unit(), this.#below(UNITS) * UNIT))
    sys.close(fd)
  }

  #append(): void {
    const fd = this.#open(0o2001)
    this.#done('append', sys.write(fd, this.#unit()))
    sys.close(fd)
  }

  #cut(): void {
    this.#done('truncate', sys.truncate(this.#pick(FILES), this.#pick([0, this.#below(UNITS)]) * UNIT))
  }

  #readUnits(): void {
    const fd = this.#open(0)
    const bytes = sys.pread(fd, 3 * UNIT, this.#below(UNITS) * UNIT)
    if (!this.#done('read', typeof bytes === 'string' ? bytes : bytes.length) || typeof bytes === 'string') return
    if (bytes.length % UNIT !== 0) throw new Error(`a file of units ends inside one: ${bytes.length}`)
    sys.close(fd)
  }

  #changeMode(): void {
    this.#done('chmod', sys.chmod(this.#place(), this.#pick([0o600, 0o644, 0o755])), 'ENOENT')
  }

  /** An inode that has a name has that many; a directory here has no directory in it. */
  #look(): void {
    const found = statx(this.#place(), sys.AT_SYMLINK_NOFOLLOW)
    if (!this.#done('stat', typeof found === 'string' ? found : 0, 'ENOENT')) return
    const { mode, nlink } = found as Statx
    const isDirectory = (mode & TYPE) === DIRECTORY
    // The name may have been the last one and gone since the kernel found it.
    if (isDirectory ? nlink !== 2 && nlink !== 0 : nlink < 0) throw new Error(`nlink ${nlink} of mode ${mode}`)
  }

  #list(): void {
    const names = readdirSync(this.#pick([...KEPT, ...REPLACED]))
    if (!names.includes(STANDING)) throw new Error('a listing leaves out what was always there')
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , mount, number, seed, operations, until] = process.argv
  process.chdir(mount)
  const goesOn = until === undefined ? (i: number) => i < Number(operations) : () => Date.now() < Number(until)
  const outcome = new Client(Number(number), seededRandom(Number(seed))).run(goesOn)
  for (const file of FILES) if (readFileSync(file).length % UNIT !== 0) throw new Error(`${file} ends inside a unit`)
  process.stdout.write(JSON.stringify(outcome))
}
