/**
 * Everything that makes, moves and removes names, at random in a small tree: files, directories, links, special files and files
 * without a name, some of them open, by root and by two users. Every so often the whole tree and all open files are compared.
 * HOLTFS_TEST_SEED repeats a run, HOLTFS_TEST_STEPS (default 400) makes it longer.
 */
import { constants, readdirSync } from 'node:fs'
import { type Random, seededRandom } from '../../support/random.ts'
import { type Statx, statx } from '../../support/statx.ts'
import * as sys from '../../support/syscalls.ts'
import type { Scene, Script } from '../scene.ts'

const SEED = Number(process.env.HOLTFS_TEST_SEED ?? Date.now() % 1e6)
const STEPS = Number(process.env.HOLTFS_TEST_STEPS ?? 400)
/** Steps between two looks at everything. */
const LOOK = 12

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, O_APPEND } =
  constants
const { S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } = constants
const NAMES = ['a', 'b', 'c', 'd']
const USERS: [uid: number, gid: number, groups: number[]][] = [
  [1000, 1000, []],
  [2000, 2000, [1000]],
]
const MODES = [0o777, 0o755, 0o700, 0o1777, 0o2777, 0o2755, 0o4755, 0o6771, 0o666, 0o600]
const MAX_OPEN = 6
const MAX_SIZE = 30_000

class Walk {
  readonly #scene: Scene
  readonly #random: Random = seededRandom(SEED)
  readonly #open: number[] = []
  #paths: string[] = ['.']

  constructor(scene: Scene) {
    this.#scene = scene
  }

  run(): void {
    sys.chmod('.', 0o777)
    for (let i = 0; i < STEPS; i++) {
      const [name, action] = this.#pick(this.#actions())
      const user = this.#below(3) === 0 ? this.#pick(USERS) : undefined
      const outcome = user === undefined ? action() : sys.asUser(...user, action)
      this.#scene.see(`seed ${SEED}, step ${i}: ${name}${user === undefined ? '' : ` by ${user[0]}`}`, outcome)
      if (i % LOOK === LOOK - 1) this.#look(`seed ${SEED}, after step ${i}`)
    }
    for (const fd of this.#open) sys.close(fd)
  }

  #actions(): [string, () => unknown][] {
    const path = this.#path()
    const other = this.#path()
    const mode = this.#pick(MODES)
    const flags = this.#pick([0, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW, O_DIRECTORY])
    const access = this.#pick([O_RDONLY, O_WRONLY, O_RDWR])
    const device = this.#pick([S_IFIFO, S_IFSOCK, S_IFCHR, S_IFREG])
    const size = this.#below(MAX_SIZE)
    const how = this.#pick([0, 0, sys.RENAME_NOREPLACE, sys.RENAME_EXCHANGE, sys.RENAME_EXCHANGE, sys.RENAME_WHITEOUT])
    const fd = this.#open.length > 0 ? this.#pick(this.#open) : -1
    const time = this.#pick([sys.UTIME_NOW, sys.UTIME_OMIT, size])
    const [owner, group] = this.#pick([
      [-1, 1000],
      [2000, -1],
      [1000, 2000],
      [0, 0],
      [2000, 1000],
    ])
    const rename: [string, () => unknown] = [`rename ${path} to ${other}, ${how}`, () => this.#rename(path, other, how)]
    const make: [string, () => unknown] = [`mkdir ${path} ${mode.toString(8)}`, () => sys.mkdir(path, mode)]
    const create: [string, () => unknown] = [
      `create ${path} ${mode.toString(8)} ${flags} ${access}`,
      () => this.#keep(sys.open(path, O_CREAT | O_NONBLOCK | access | flags, mode)),
    ]
    return [
      rename,
      rename,
      rename,
      make,
      make,
      create,
      create,
      [`open ${path}`, () => this.#keep(sys.open(path, O_NONBLOCK | access | flags))],
      [`nameless in ${path}`, () => this.#keep(sys.open(path, sys.O_TMPFILE | O_RDWR, mode))],
      [`name for an open file: ${path}`, () => sys.linkat(fd, '', sys.AT_FDCWD, path, sys.AT_EMPTY_PATH)],
      [`rmdir ${path}`, () => sys.rmdir(path)],
      [`unlink ${path}`, () => sys.unlink(path)],
      [`link ${path} to ${other}`, () => sys.link(path, other)],
      [`symlink ${path} to ${other}`, () => sys.symlink(other, path)],
      [`mknod ${path} ${device}`, () => sys.mknod(path, device | mode)],
      [`chmod ${path} ${mode.toString(8)}`, () => sys.chmod(path, mode)],
      // Both -1 is a difference that is meant: see lost-privileges.
      [`chown ${path} ${owner} ${group}`, () => sys.lchown(path, owner, group)],
      [`truncate ${path} ${size}`, () => sys.truncate(path, size)],
      [`utimensat ${path}`, () => sys.utimensat(path, { atime: [size, time], mtime: [size, 5] })],
      ['write', () => sys.pwrite(fd, `written ${size}`, size)],
      ['close', () => this.#close()],
    ]
  }

  /** Without a whiteout where a directory is in the way: ext4 changes the times of the old parent although it refuses. */
  #rename(path: string, other: string, how: number): unknown {
    const target = statx(other)
    const isInTheWay = typeof target !== 'string' && (target.mode & S_IFMT) === S_IFDIR
    return sys.renameat2(path, other, isInTheWay && how === sys.RENAME_WHITEOUT ? 0 : how)
  }

  /** Half the time one that was there at the last look. */
  #path(): string {
    if (this.#below(2) === 0) return this.#pick(this.#paths)
    const above = this.#below(2) === 0 ? this.#pick(this.#paths) : '.'
    return `${above}/${this.#pick(NAMES)}`
  }

  #keep(fd: number | string): unknown {
    if (typeof fd === 'string') return fd
    if (this.#open.length >= MAX_OPEN) sys.close(fd)
    else this.#open.push(fd)
    return 'opened'
  }

  #close(): unknown {
    const fd = this.#open.splice(this.#below(this.#open.length), 1)
    return fd.length === 0 ? 'none' : sys.close(fd[0])
  }

  /** Compares all attributes and contents; inodes are told apart within one look. */
  #look(when: string): void {
    const inodes = new Map<number, number>()
    const attributes = (found: Statx | string) => {
      if (typeof found === 'string') return found
      if (!inodes.has(found.ino)) inodes.set(found.ino, inodes.size)
      return { ...(this.#scene.attributes(found) as object), inode: inodes.get(found.ino) }
    }
    this.#paths = ['.', ...below('.')]
    for (const path of this.#paths) {
      const found = statx(path)
      const type = typeof found === 'string' ? 0 : found.mode & S_IFMT
      this.#scene.see(`${when}: ${path}`, [attributes(found), type === S_IFREG ? content(path) : sys.readlink(path)])
    }
    this.#open.forEach((fd, i) => {
      const found = statx('', sys.AT_EMPTY_PATH, fd)
      const isFile = typeof found !== 'string' && (found.mode & S_IFMT) === S_IFREG
      const entries = typeof found !== 'string' && (found.mode & S_IFMT) === S_IFDIR ? found.nlink : 0
      this.#scene.see(`${when}: open ${i}`, [attributes(found), isFile ? sys.pread(fd, MAX_SIZE, 0) : entries])
    })
    this.#scene.moment(when)
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]
  }
}

/** Every path below a directory, sorted. Links are not followed, as readdirSync would with `recursive`. */
function below(directory: string): string[] {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  return entries.flatMap(entry => {
    const path = directory === '.' ? entry.name : `${directory}/${entry.name}`
    return entry.isDirectory() ? [path, ...below(path)] : [path]
  })
}

function content(path: string): unknown {
  const fd = sys.open(path, O_RDONLY | O_NOFOLLOW)
  if (typeof fd === 'string') return fd
  const bytes = sys.pread(fd, 2 * MAX_SIZE, 0)
  sys.close(fd)
  return bytes
}

const script: Script = {
  run(scene) {
    new Walk(scene).run()
  },
}

export default script
