/**
 * The process that works on one filesystem with the C library's own calls, so that little but the filesystem is measured:
 * `peers-client.ts DIRECTORY`. Paths are encoded beforehand; one question makes one call for each of FILES names.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { koffi } from '../src/journal/c-library.ts'

const FILES = 2000
const LISTED = 10_000
const AT_FDCWD = -100
const AT_STATX_FORCE_SYNC = 0x2000
const STATX_BASIC_STATS = 0x7ff
const O_RDONLY = 0
const O_WRONLY_CREATE_EXCLUSIVE = 0o301
const O_DIRECTORY = 0o200000
const SYS_GETDENTS64 = process.arch === 'x64' ? 217 : 61

type Native = (...args: (number | Uint8Array | null)[]) => number

const library = koffi().load(null)
const native = (signature: string) => library.func(signature) as unknown as Native
const open = native('int open(const void *path, int flags, int mode)')
const close = native('int close(int fd)')
const lstat = native('int lstat(const void *path, void *into)')
const statx = native('int statx(int dir, const void *path, int flags, unsigned int mask, void *into)')
const mkdir = native('int mkdir(const void *path, unsigned int mode)')
const rmdir = native('int rmdir(const void *path)')
const symlink = native('int symlink(const void *target, const void *path)')
const link = native('int link(const void *from, const void *to)')
const unlink = native('int unlink(const void *path)')
const rename = native('int rename(const void *from, const void *to)')
const chmod = native('int chmod(const void *path, unsigned int mode)')
const utimensat = native('int utimensat(int dir, const void *path, const void *times, int flags)')
const write = native('long write(int fd, const void *bytes, size_t length)')
const read = native('long read(int fd, void *into, size_t length)')
const getdents = native('long syscall(long number, int fd, void *into, size_t length)')

const directory = process.argv[2]
const standing = join(directory, 'standing')
const large = join(directory, 'large')
const work = join(directory, 'work')
const target = Buffer.alloc(32_768)
const block = Buffer.alloc(4096, 'holt')
const encoded = (path: string) => Buffer.from(`${path}\0`)
const names = Array.from({ length: FILES }, (_, i) => `file-${String(i).padStart(5, '0')}`)
const pathsIn = (within: string, suffix = '') => names.map(name => encoded(join(within, name + suffix)))
const [there, made, renamed, linked] = [pathsIn(standing), pathsIn(work), pathsIn(work, '.r'), pathsIn(work, '.l')]
const all = Array.from({ length: LISTED }, (_, i) => encoded(join(large, `file-${i}`)))
let round = 0

/** Nanoseconds of one of `count` calls. */
function each(count: number, step: (i: number) => number): number {
  const begin = process.hrtime.bigint()
  for (let i = 0; i < count; i++) {
    if (step(i) < 0) throw new Error(`the call for name ${i} failed with errno ${koffi().errno()}`)
  }
  return Number(process.hrtime.bigint() - begin) / count
}

const openClose = (path: Buffer, flags: number) => {
  const fd = open(path, flags, 0o644)
  return fd < 0 ? fd : close(fd)
}

function writeBlock(path: Buffer): number {
  const fd = open(path, O_WRONLY_CREATE_EXCLUSIVE, 0o644)
  return fd < 0 || write(fd, block, block.length) !== block.length ? -1 : close(fd)
}

function readBlock(path: Buffer): number {
  const fd = open(path, O_RDONLY, 0)
  return fd < 0 || read(fd, target, target.length) !== block.length ? -1 : close(fd)
}

/** Bytes of all entries. */
function list(path: Buffer): number {
  const fd = open(path, O_DIRECTORY, 0)
  let total = 0
  for (let length = 1; length > 0; total += length) {
    length = getdents(SYS_GETDENTS64, fd, target, target.length)
    if (length < 0) return length
  }
  close(fd)
  return total
}

const listLarge = () => each(1, () => list(encoded(large)))

/** In this order: each one leaves `work` as the next expects it. `cold` in a name: the kernel's names and inodes are dropped before. */
const questions: Record<string, () => number> = {
  'stat, warm': () => {
    each(FILES, i => lstat(there[i], target))
    return each(FILES, i => lstat(there[i], target))
  },
  'getattr forced to the server': () =>
    each(FILES, i => statx(AT_FDCWD, there[i], AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, target)),
  'lookup, cold': () => each(FILES, i => lstat(there[i], target)),
  'lookup of a missing name': () => {
    const missing = pathsIn(standing, `.${round++}`)
    return each(FILES, i => -1 - lstat(missing[i], target))
  },
  'open and close': () => each(FILES, i => openClose(there[i], O_RDONLY)),
  'create and close': () => {
    mkdirSync(work)
    return each(FILES, i => openClose(made[i], O_WRONLY_CREATE_EXCLUSIVE))
  },
  chmod: () => each(FILES, i => chmod(made[i], 0o600)),
  utimens: () => each(FILES, i => utimensat(AT_FDCWD, made[i], null, 0)),
  'hard link': () => each(FILES, i => link(made[i], linked[i])),
  'unlink, another name left': () => each(FILES, i => unlink(linked[i])),
  'rename a file': () => each(FILES, i => rename(made[i], renamed[i])),
  unlink: () => each(FILES, i => unlink(renamed[i])),
  mkdir: () => each(FILES, i => mkdir(made[i], 0o755)),
  rmdir: () => each(FILES, i => rmdir(made[i])),
  symlink: () => each(FILES, i => symlink(made[0], made[i])),
  'unlink a symlink': () => each(FILES, i => unlink(made[i])),
  'create, write 4 KB, close': () => each(FILES, i => writeBlock(made[i])),
  'read 4 KB, cold': () => each(FILES, i => readBlock(made[i])),
  'unlink a file of 4 KB': () => {
    const figure = each(FILES, i => unlink(made[i]))
    rmSync(work, { recursive: true })
    return figure
  },
  'list 10,000 names, cold, a name': () => listLarge() / LISTED,
  'list and stat 10,000 names, cold, a name': () =>
    (listLarge() + each(LISTED, i => lstat(all[i], target)) * LISTED) / LISTED,
}

mkdirSync(standing, { recursive: true })
mkdirSync(large)
for (const name of names) writeFileSync(join(standing, name), block)
for (const path of all) openClose(path, O_WRONLY_CREATE_EXCLUSIVE)

process.on('message', (name: string) => {
  try {
    process.send?.({ figure: questions[name]() })
  } catch (error) {
    process.send?.({ error: `${name}: ${(error as Error).message}` })
  }
})
process.on('disconnect', () => process.exit())
process.send?.({ names: Object.keys(questions) })
