/**
 * What a script of the differential suite works with: the root directory is the working directory, and everything that the
 * script sees is recorded in a form that is the same on two filesystems that behave the same.
 *
 * Inode numbers become identities (`#1`, `#2`, in the order in which they are first seen), times become the name of the moment
 * ({@link Scene.moment}) in which they were set, bytes become text. What a filesystem may choose (device number, blocks,
 * sizes of directories) is left out of {@link Scene.attributes}; a script records it itself where it matters.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type Statx, statx } from '../support/statx.ts'
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, call, type ErrnoName, type Path } from '../support/syscalls.ts'

/** A step's name and what it came to. */
export type Outcome = [step: string, outcome: unknown]

/** A difference from the plain directory that is meant: what holtfs answers at `step`, and why. */
export interface Difference {
  step: string
  holtfs: unknown
  why: string
}

export interface Script {
  /** Run once on each filesystem, in an empty working directory with mode 0755, as root, with umask 022. */
  run(scene: Scene): void | Promise<void>
  differences?: Difference[]
}

const S_IFMT = 0o170000
const S_IFDIR = 0o040000
/** Milliseconds between two moments, and by how much a filesystem's clock may be behind. */
const PAUSE = 14
const BEHIND = 8
const LONGEST_TEXT = 4096

export class Scene {
  readonly outcomes: Outcome[] = []
  readonly #moments: { name: string; from: number }[] = [{ name: 'start', from: Date.now() - 60_000 }]
  readonly #inodes = new Map<string, string>()

  /** Records what a step came to. `step` is unique in the script. */
  see(step: string, outcome: unknown): void {
    this.outcomes.push([step, normal(outcome)])
  }

  /** Records the attributes of a path (or of an open file) and returns them as they are. */
  seeAttributes(step: string, what: Path | number): Statx | ErrnoName {
    const found = typeof what === 'number' ? statx('', AT_EMPTY_PATH, what) : statx(what, AT_SYMLINK_NOFOLLOW)
    this.outcomes.push([step, this.attributes(found)])
    return found
  }

  /** Records success or the errno of something that answers a file descriptor, and returns it (-1 when it failed). */
  seeOpened(step: string, fd: number | ErrnoName): number {
    this.outcomes.push([step, typeof fd === 'number' ? 'opened' : fd])
    return typeof fd === 'number' ? fd : -1
  }

  /** Attributes in comparable form. */
  attributes(found: Statx | ErrnoName): unknown {
    if (typeof found === 'string') return found
    const { mode, nlink, uid, gid, rdev } = found
    return {
      inode: this.identity(found),
      mode: mode.toString(8),
      nlink,
      uid,
      gid,
      ...((mode & S_IFMT) === S_IFDIR ? {} : { size: found.size }),
      ...(rdev === '0:0' ? {} : { rdev }),
      atime: this.momentOf(found.atime),
      mtime: this.momentOf(found.mtime),
      ctime: this.momentOf(found.ctime),
      btime: this.momentOf(found.btime),
    }
  }

  /** The same for the same inode. The time of birth tells a new inode from a deleted one that had its number. */
  identity({ ino, btime }: Statx): string {
    const key = `${ino} ${btime}`
    let name = this.#inodes.get(key)
    if (name === undefined) {
      name = `#${this.#inodes.size + 1}`
      this.#inodes.set(key, name)
    }
    return name
  }

  /** Begins a moment: times set from now on are known by its name. Waits for the kernel's own clock, which ticks. */
  moment(name: string): void {
    sleep(PAUSE)
    const now = Date.now()
    this.#moments.push({ name, from: now - BEHIND })
    while (tickedClock() < now - BEHIND) sleep(1)
  }

  /** The moment in which a time lies, or the time itself when it lies in none. */
  momentOf(nanoseconds: bigint): string {
    const milliseconds = Number(nanoseconds / 1_000_000n)
    const moment = this.#moments.findLast(({ from }) => milliseconds >= from)
    return moment === undefined || milliseconds > Date.now() + 1000 ? String(nanoseconds) : moment.name
  }

  /** Makes a file with this content, a directory with these entries. */
  write(path: string, content: string | Uint8Array = ''): void {
    writeFileSync(path, content)
  }

  mkdir(path: string): void {
    mkdirSync(path)
  }

  /** Records the content of a file. */
  seeContent(step: string, path: string): void {
    this.see(
      step,
      readable(() => readFileSync(path)),
    )
  }

  /** Records the sorted names in a directory, latin1. */
  seeNames(step: string, path: string): void {
    this.see(
      step,
      readable(() => readdirSync(path, 'latin1').sort()),
    )
  }
}

function readable(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

/** Milliseconds since 1970 on the clock by which the kernel's filesystems stamp files: that of its last tick. */
function tickedClock(): number {
  call('int clock_gettime(int, void *)', CLOCK_REALTIME_COARSE, timespec)
  return Number(timespec.readBigInt64LE(0)) * 1000 + Number(timespec.readBigInt64LE(8)) / 1e6
}

const CLOCK_REALTIME_COARSE = 5
const timespec = Buffer.alloc(16)
const sleepWord = new Int32Array(new SharedArrayBuffer(4))

function sleep(milliseconds: number): void {
  Atomics.wait(sleepWord, 0, 0, milliseconds)
}

/** As JSON can carry it: bytes are latin1 text, or a digest when there are many. */
function normal(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value === undefined) return null
  if (value instanceof Uint8Array) {
    if (value.length <= LONGEST_TEXT) return Buffer.from(value).toString('latin1')
    return `${value.length} bytes, sha256 ${createHash('sha256').update(value).digest('hex')}`
  }
  if (Array.isArray(value)) return value.map(normal)
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normal(inner)]))
  }
  return value
}
