/**
 * What the C library can do with host files and Node cannot: reserve space, make holes, find them, and copy inside the
 * host. Linux only; elsewhere nothing is reserved or copied (EOPNOTSUPP) and a file counts as data without holes.
 */
import { fstatSync } from 'node:fs'
import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { koffi } from './c-library.ts'

const { EINTR, ENXIO, EOPNOTSUPP } = constants.errno

/** Modes of fallocate(2); without any the range is reserved and the file grows to its end. */
export const FALLOC_KEEP_SIZE = 0x01
export const FALLOC_PUNCH_HOLE = 0x02
export const FALLOC_ZERO_RANGE = 0x10

const SEEK_DATA = 3
const SEEK_HOLE = 4

interface Calls {
  fallocate: (fd: number, mode: number, offset: number, length: number) => number
  lseek: (fd: number, offset: number, whence: number) => number
  copy: (from: number, fromAt: Uint32Array, to: number, toAt: Uint32Array, length: number, flags: number) => number
}

let calls: Calls | undefined

/** Looked up at the first use: most threads never need them. */
function libc(): Calls {
  if (calls !== undefined) return calls
  if (process.platform !== 'linux') throw failure('fallocate', EOPNOTSUPP)
  const library = koffi().load(null)
  calls = {
    fallocate: library.func('int fallocate(int, int, int64_t, int64_t)') as Calls['fallocate'],
    lseek: library.func('int64_t lseek(int, int64_t, int)') as Calls['lseek'],
    copy: library.func('int64_t copy_file_range(int, void *, int, void *, size_t, uint32_t)') as Calls['copy'],
  }
  return calls
}

/** As Node's fs throws it. */
function failure(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${code}, ${syscall}`), { code, errno: -errno, syscall })
}

/** fallocate(2). Throws the host's error: EOPNOTSUPP where it has no such mode. */
export function allocate(fd: number, mode: number, position: number, length: number): void {
  const { fallocate } = libc()
  while (fallocate(fd, mode, position, length) !== 0) {
    const errno = koffi().errno()
    if (errno !== EINTR) throw failure('fallocate', errno)
  }
}

/** Gives the space of these bytes back to the host, if it can. */
export function punchHole(fd: number, position: number, length: number): void {
  try {
    allocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, position, length)
  } catch {
    // This filesystem cannot, or the space stays taken: both leave the file as it is.
  }
}

/**
 * The first byte at or behind `position` that is in a hole (the end of the file counts as one), or that is data; -1 when
 * there is none, as for any position behind the end. The place of the descriptor changes.
 */
export function seek(fd: number, position: number, hole: boolean): number {
  if (process.platform !== 'linux') {
    const { size } = fstatSync(fd)
    if (position >= size) return -1
    return hole ? size : position
  }
  const found = libc().lseek(fd, position, hole ? SEEK_HOLE : SEEK_DATA)
  if (found >= 0) return found
  const errno = koffi().errno()
  if (errno === ENXIO) return -1
  throw failure('lseek', errno)
}

const fromAt = new Uint32Array(2)
const toAt = new Uint32Array(2)

/** copy_file_range(2): returns the bytes copied, 0 behind the end of the source. Shares blocks where the host can. */
export function copyRange(from: number, fromPosition: number, to: number, toPosition: number, length: number): number {
  const { copy } = libc()
  for (;;) {
    fromAt[0] = fromPosition
    fromAt[1] = fromPosition / 4294967296
    toAt[0] = toPosition
    toAt[1] = toPosition / 4294967296
    const copied = copy(from, fromAt, to, toAt, length, 0)
    if (copied >= 0) return copied
    const errno = koffi().errno()
    if (errno !== EINTR) throw failure('copy_file_range', errno)
  }
}
