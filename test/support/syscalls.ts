/**
 * System calls that Node has no function for, for child processes of tests. Each answers what the call returned (a number, or
 * what it read), or the name of its errno as a string: nothing throws. Never to be called on a mount by the process that serves it.
 *
 * Paths are strings (UTF-8) or bytes, relative ones belong to the working directory. Numbers are exact up to 2^53.
 */
import { constants } from 'node:os'
import { koffi } from '../../src/journal/c-library.ts'

export type Path = string | Uint8Array
/** The name of an errno, like `ENOENT`. */
export type ErrnoName = string
export type Answer = number | ErrnoName

export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_EMPTY_PATH = 0x1000
export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2
export const RENAME_WHITEOUT = 4
export const O_PATH = 0o10000000
export const O_TMPFILE = 0o20200000
export const O_CLOEXEC = 0o2000000
export const SEEK_DATA = 3
export const SEEK_HOLE = 4
export const FALLOC_FL_KEEP_SIZE = 1
export const FALLOC_FL_PUNCH_HOLE = 2
export const FALLOC_FL_COLLAPSE_RANGE = 8
export const FALLOC_FL_ZERO_RANGE = 16
export const FALLOC_FL_INSERT_RANGE = 32
export const XATTR_CREATE = 1
export const XATTR_REPLACE = 2
export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4
export const LOCK_UN = 8
/** fcntl commands and lock types. */
export const F_GETLK = 5
export const F_SETLK = 6
export const F_SETLKW = 7
export const F_OFD_GETLK = 36
export const F_OFD_SETLK = 37
export const F_RDLCK = 0
export const F_WRLCK = 1
export const F_UNLCK = 2
/** Nanoseconds of a time for utimensat that stand for "now" and "leave it". */
export const UTIME_NOW = 0x3fffffff
export const UTIME_OMIT = 0x3ffffffe
export const PROT_READ = 1
export const PROT_WRITE = 2
export const MAP_SHARED = 1
export const MAP_PRIVATE = 2

type Argument = number | bigint | Uint8Array | null

const errnoNames = new Map<number, ErrnoName>()
for (const [name, number] of Object.entries(constants.errno)) {
  if (!errnoNames.has(number)) errnoNames.set(number, name)
}

const functions = new Map<string, (...args: Argument[]) => number | bigint>()

/** Calls a function of the C library that answers -1 on failure; `signature` is its C declaration. */
export function call(signature: string, ...args: Argument[]): Answer {
  let native = functions.get(signature)
  if (native === undefined) {
    native = koffi().load(null).func(signature) as (...args: Argument[]) => number | bigint
    functions.set(signature, native)
  }
  const result = Number(native(...args))
  return result === -1 ? lastErrno() : result
}

function lastErrno(): ErrnoName {
  const number = koffi().errno()
  return errnoNames.get(number) ?? `errno ${number}`
}

/** A path or name as the C library takes it. */
export function c(path: Path): Uint8Array {
  const bytes = typeof path === 'string' ? Buffer.from(path) : path
  const ended = new Uint8Array(bytes.length + 1)
  ended.set(bytes)
  return ended
}

export const open = (path: Path, flags: number, mode = 0o666) => openat(AT_FDCWD, path, flags, mode)
export const openat = (fd: number, path: Path, flags: number, mode = 0o666) =>
  call('int openat(int, void *, int, unsigned int)', fd, c(path), flags | O_CLOEXEC, mode)
export const close = (fd: number) => call('int close(int)', fd)
export const mkdir = (path: Path, mode = 0o777) => call('int mkdir(void *, unsigned int)', c(path), mode)
export const rmdir = (path: Path) => call('int rmdir(void *)', c(path))
export const unlink = (path: Path) => call('int unlink(void *)', c(path))
export const unlinkat = (fd: number, path: Path, flags: number) =>
  call('int unlinkat(int, void *, int)', fd, c(path), flags)
export const symlink = (target: Path, path: Path) => call('int symlink(void *, void *)', c(target), c(path))
export const link = (from: Path, to: Path) => call('int link(void *, void *)', c(from), c(to))
export const linkat = (fromFd: number, from: Path, toFd: number, to: Path, flags: number) =>
  call('int linkat(int, void *, int, void *, int)', fromFd, c(from), toFd, c(to), flags)
export const rename = (from: Path, to: Path) => call('int rename(void *, void *)', c(from), c(to))
export const renameat2 = (from: Path, to: Path, flags: number) =>
  call('int renameat2(int, void *, int, void *, unsigned int)', AT_FDCWD, c(from), AT_FDCWD, c(to), flags)
/** `mode` has the S_IF* type; a device number is {@link makedev}. */
export const mknod = (path: Path, mode: number, dev = 0) =>
  call('int mknodat(int, void *, unsigned int, uint64_t)', AT_FDCWD, c(path), mode, dev)
export const mkfifo = (path: Path, mode = 0o666) => call('int mkfifo(void *, unsigned int)', c(path), mode)
export const chmod = (path: Path, mode: number) => call('int chmod(void *, unsigned int)', c(path), mode)
export const fchmod = (fd: number, mode: number) => call('int fchmod(int, unsigned int)', fd, mode)
/** -1 (or 4294967295) leaves the uid or gid. */
export const chown = (path: Path, uid: number, gid: number) =>
  call('int chown(void *, uint32_t, uint32_t)', c(path), uid >>> 0, gid >>> 0)
export const lchown = (path: Path, uid: number, gid: number) =>
  call('int lchown(void *, uint32_t, uint32_t)', c(path), uid >>> 0, gid >>> 0)
export const fchown = (fd: number, uid: number, gid: number) =>
  call('int fchown(int, uint32_t, uint32_t)', fd, uid >>> 0, gid >>> 0)
export const truncate = (path: Path, size: number) => call('int truncate(void *, int64_t)', c(path), size)
export const ftruncate = (fd: number, size: number) => call('int ftruncate(int, int64_t)', fd, size)
export const chdir = (path: Path) => call('int chdir(void *)', c(path))
export const fsync = (fd: number) => call('int fsync(int)', fd)
export const lseek = (fd: number, offset: number, whence: number) =>
  call('int64_t lseek(int, int64_t, int)', fd, offset, whence)
export const fallocate = (fd: number, mode: number, offset: number, length: number) =>
  call('int fallocate(int, int, int64_t, int64_t)', fd, mode, offset, length)
export const pwrite = (fd: number, bytes: Path, offset: number) => {
  const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
  return call('int64_t pwrite(int, void *, size_t, int64_t)', fd, data, data.length, offset)
}
/** write(2): at the file's own position, or its end with O_APPEND. */
export const write = (fd: number, bytes: Path) => {
  const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
  return call('int64_t write(int, void *, size_t)', fd, data, data.length)
}

/** Up to `length` bytes at `offset`. */
export function pread(fd: number, length: number, offset: number): Buffer | ErrnoName {
  const bytes = Buffer.alloc(length)
  const got = call('int64_t pread(int, void *, size_t, int64_t)', fd, bytes, length, offset)
  return typeof got === 'number' ? bytes.subarray(0, got) : got
}

/** One copy_file_range(2); `null` offsets use and move the files' own positions. */
export function copyFileRange(
  from: number,
  at: number | null,
  to: number,
  toAt: number | null,
  length: number,
): Answer {
  const offset = (value: number | null) =>
    value === null ? null : new Uint8Array(BigInt64Array.of(BigInt(value)).buffer)
  const signature = 'int64_t copy_file_range(int, void *, int, void *, size_t, unsigned int)'
  return call(signature, from, offset(at), to, offset(toAt), length, 0)
}

export function readlink(path: Path): Buffer | ErrnoName {
  const bytes = Buffer.alloc(8192)
  const length = call('int64_t readlink(void *, void *, size_t)', c(path), bytes, bytes.length)
  return typeof length === 'number' ? bytes.subarray(0, length) : length
}

/** Seconds and nanoseconds (or {@link UTIME_NOW}, {@link UTIME_OMIT}). */
export type Time = readonly [seconds: number, nanoseconds: number]

/** utimensat(2); no times at all stand for both "now". */
export function utimensat(path: Path, times: { atime: Time; mtime: Time } | null, flags = 0): Answer {
  return call('int utimensat(int, void *, void *, int)', AT_FDCWD, c(path), timespecs(times), flags)
}

export function futimens(fd: number, times: { atime: Time; mtime: Time } | null): Answer {
  return call('int futimens(int, void *)', fd, timespecs(times))
}

function timespecs(times: { atime: Time; mtime: Time } | null): Uint8Array | null {
  if (times === null) return null
  return new Uint8Array(BigInt64Array.from([...times.atime, ...times.mtime].map(BigInt)).buffer)
}

/** The l-variants work on a symbolic link itself. */
export const setxattr = (path: Path, name: Path, value: Path, flags = 0) =>
  setAttribute('setxattr(void *', c(path), name, value, flags)
export const lsetxattr = (path: Path, name: Path, value: Path, flags = 0) =>
  setAttribute('lsetxattr(void *', c(path), name, value, flags)
export const fsetxattr = (fd: number, name: Path, value: Path, flags = 0) =>
  setAttribute('fsetxattr(int', fd, name, value, flags)
export const getxattr = (path: Path, name: Path, room = 65536) => getAttribute('getxattr(void *', c(path), name, room)
export const lgetxattr = (path: Path, name: Path, room = 65536) => getAttribute('lgetxattr(void *', c(path), name, room)
export const fgetxattr = (fd: number, name: Path, room = 65536) => getAttribute('fgetxattr(int', fd, name, room)
export const removexattr = (path: Path, name: Path) => call('int removexattr(void *, void *)', c(path), c(name))
export const lremovexattr = (path: Path, name: Path) => call('int lremovexattr(void *, void *)', c(path), c(name))
export const fremovexattr = (fd: number, name: Path) => call('int fremovexattr(int, void *)', fd, c(name))
/** Names in the order of the filesystem, latin1. With `room` 0 the answer is the length of the list in bytes. */
export const listxattr = (path: Path, room = 65536) => listAttributes('listxattr(void *', c(path), room)
export const llistxattr = (path: Path, room = 65536) => listAttributes('llistxattr(void *', c(path), room)
export const flistxattr = (fd: number, room = 65536) => listAttributes('flistxattr(int', fd, room)

function setAttribute(start: string, on: number | Uint8Array, name: Path, value: Path, flags: number): Answer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return call(`int ${start}, void *, void *, size_t, int)`, on, c(name), bytes, bytes.length, flags)
}

/** The value; with `room` 0 its length. */
function getAttribute(start: string, on: number | Uint8Array, name: Path, room: number): Buffer | Answer {
  const bytes = room === 0 ? null : Buffer.alloc(room)
  const length = call(`int64_t ${start}, void *, void *, size_t)`, on, c(name), bytes, room)
  return typeof length === 'number' && bytes !== null ? bytes.subarray(0, length) : length
}

function listAttributes(start: string, on: number | Uint8Array, room: number): string[] | Answer {
  const bytes = room === 0 ? null : Buffer.alloc(room)
  const length = call(`int64_t ${start}, void *, size_t)`, on, bytes, room)
  if (typeof length !== 'number' || bytes === null) return length
  return bytes.toString('latin1', 0, length).split('\0').slice(0, -1)
}

/** A file handle for {@link openByHandle}: its type and bytes. */
export interface FileHandle {
  type: number
  bytes: Uint8Array
}

const MAX_HANDLE = 128

/** name_to_handle_at(2), not following symbolic links. */
export function nameToHandle(path: Path): FileHandle | ErrnoName {
  const handle = Buffer.alloc(8 + MAX_HANDLE)
  handle.writeUInt32LE(MAX_HANDLE, 0)
  const mountId = new Uint8Array(8)
  const result = call('int name_to_handle_at(int, void *, void *, void *, int)', AT_FDCWD, c(path), handle, mountId, 0)
  if (typeof result !== 'number') return result
  return { type: handle.readInt32LE(4), bytes: handle.subarray(8, 8 + handle.readUInt32LE(0)) }
}

/** open_by_handle_at(2); `mount` is any open file of the filesystem. */
export function openByHandle(mount: number, { type, bytes }: FileHandle, flags: number): Answer {
  const handle = Buffer.alloc(8 + bytes.length)
  handle.writeUInt32LE(bytes.length, 0)
  handle.writeInt32LE(type, 4)
  handle.set(bytes, 8)
  return call('int open_by_handle_at(int, void *, int)', mount, handle, flags | O_CLOEXEC)
}

export const flock = (fd: number, operation: number) => call('int flock(int, int)', fd, operation)

export interface FileLock {
  /** F_RDLCK, F_WRLCK or F_UNLCK. */
  type: number
  start: number
  /** 0: to the end of the file. */
  length: number
  /** Who holds the lock that F_GETLK found. */
  pid: number
}

/** fcntl(2) with a lock from the beginning of the file; F_GETLK answers the lock in the way (type F_UNLCK: none). */
export function fcntlLock(fd: number, command: number, type: number, start: number, length: number): FileLock | Answer {
  const bytes = Buffer.alloc(32)
  bytes.writeInt16LE(type, 0)
  bytes.writeBigInt64LE(BigInt(start), 8)
  bytes.writeBigInt64LE(BigInt(length), 16)
  const result = call('int fcntl(int, int, void *)', fd, command, bytes)
  if (typeof result !== 'number' || (command !== F_GETLK && command !== F_OFD_GETLK)) return result
  const wide = (at: number) => Number(bytes.readBigInt64LE(at))
  return { type: bytes.readInt16LE(0), start: wide(8), length: wide(16), pid: bytes.readInt32LE(24) }
}

/** A mapping as bytes to read and write, or an errno name. SIGBUS past the end of the file is the caller's. */
export function mmap(fd: number, length: number, prot: number, flags: number, offset = 0): Mapping | ErrnoName {
  const signature = 'uint64_t mmap(uint64_t, size_t, int, int, int, int64_t)'
  const address = call(signature, 0, length, prot, flags, fd, offset)
  // MAP_FAILED is -1 unsigned.
  if (typeof address !== 'number' || !Number.isSafeInteger(address)) return lastErrno()
  return {
    bytes: new Uint8Array(koffi().view(address, length)),
    sync: () => call('int msync(uint64_t, size_t, int)', address, length, 4),
    unmap: () => call('int munmap(uint64_t, size_t)', address, length),
  }
}

export interface Mapping {
  bytes: Uint8Array
  sync(): Answer
  unmap(): Answer
}

export const makedev = (major: number, minor: number) => (major << 8) | (minor & 0xff)
export const umask = (mask: number) => process.umask(mask)

/** Runs `action` with the rights of another user, then goes back to what the process was. */
export function asUser<T>(uid: number, gid: number, groups: number[], action: () => T): T {
  const before = process.getgroups!()
  process.setgroups!(groups)
  process.setegid!(gid)
  process.seteuid!(uid)
  try {
    return action()
  } finally {
    process.seteuid!(0)
    process.setegid!(0)
    process.setgroups!(before)
  }
}
