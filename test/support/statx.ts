/** statx(2) for child processes of tests: the fields of `struct statx` that a filesystem fills in. Answers as syscalls.ts does. */
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, c, call, type ErrnoName, type Path } from './syscalls.ts'

export const STATX_BASIC_STATS = 0x7ff
export const STATX_BTIME = 0x800
const STATX_SIZE = 256

export interface Statx {
  /** STATX_* of the fields that were filled in. */
  mask: number
  blksize: number
  nlink: number
  uid: number
  gid: number
  /** With the type. */
  mode: number
  ino: number
  size: number
  /** Units of 512 bytes. */
  blocks: number
  /** Nanoseconds since 1970. */
  atime: bigint
  btime: bigint
  ctime: bigint
  mtime: bigint
  /** major:minor of a device node. */
  rdev: string
  dev: string
}

/** Never follows a symbolic link, unless `flags` say so (0). */
export function statx(path: Path, flags = AT_SYMLINK_NOFOLLOW, dirfd = AT_FDCWD): Statx | ErrnoName {
  const bytes = Buffer.alloc(STATX_SIZE)
  const mask = STATX_BASIC_STATS | STATX_BTIME
  const result = call('int statx(int, void *, int, unsigned int, void *)', dirfd, c(path), flags, mask, bytes)
  if (typeof result !== 'number') return result
  const u32 = (at: number) => bytes.readUInt32LE(at)
  const u64 = (at: number) => Number(bytes.readBigUInt64LE(at))
  const time = (at: number) => bytes.readBigInt64LE(at) * 1_000_000_000n + BigInt(u32(at + 8))
  return {
    mask: u32(0),
    blksize: u32(4),
    nlink: u32(16),
    uid: u32(20),
    gid: u32(24),
    mode: bytes.readUInt16LE(28),
    ino: u64(32),
    size: u64(40),
    blocks: u64(48),
    atime: time(64),
    btime: time(80),
    ctime: time(96),
    mtime: time(112),
    rdev: `${u32(128)}:${u32(132)}`,
    dev: `${u32(136)}:${u32(140)}`,
  }
}
