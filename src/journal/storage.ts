/**
 * The seam between the store and its host files: engine, journal and data files do all their I/O through it, so that a
 * test can put a recording or failing back-end underneath. All calls are synchronous and throw the host's error
 * (`err.code` as in Node's fs). Descriptors are process-wide numbers, valid in every worker thread.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { constants as system } from 'node:os'
import { hostMapping } from './file-mapping.ts'
import { makeDirectory } from './make-directory.ts'
import { openOwnFile } from './own-file.ts'
import { allocate, copyRange, punchHole, seek } from './sparse.ts'

/** Shared mappings of files. A store into one is in the file, as far as other users of this host can tell, at once. */
export interface FileMapping {
  /** Whether files in this directory can be mapped so that storing to bytes written before never fails. */
  supports(directory: string): boolean
  /**
   * Maps a file from its start and returns the address. `at` is 0, or the address of a mapping of the same length, which
   * this one then replaces. The file may be shorter than `length`, or grow later; bytes beyond its end must not be touched.
   */
  map(fd: number, length: number, at: number): number
  /** The calling thread's view of a mapping, which also shows what replaces it. Not to be touched after `unmap`. */
  view(address: number, length: number): Uint8Array
  unmap(address: number, length: number): void
}

export interface Storage {
  /** Absent where files cannot be mapped. */
  readonly mapping?: FileMapping | undefined
  /** Opens a regular file that is nobody else's (own-file.ts). `flags` are O_* bits. */
  open(path: string, flags: number): number
  close(fd: number): void
  /** Reads up to `length` bytes; returns fewer only at the end of the file. */
  read(fd: number, target: Uint8Array, at: number, length: number, position: number): number
  /** Writes all `length` bytes or throws; EIO when the host takes none of them and says no error. */
  write(fd: number, source: Uint8Array, at: number, length: number, position: number): void
  size(fd: number): number
  truncate(fd: number, length: number): void
  /** Bytes that the file takes on the medium: fewer than its size where there are holes. */
  allocated(fd: number): number
  /** Gives the space of these bytes back; they read as zeros. Does nothing where the host cannot. */
  punch(fd: number, position: number, length: number): void
  /** fallocate(2) with FALLOC_* bits of sparse.ts; EOPNOTSUPP where the host has no such mode. */
  allocate(fd: number, mode: number, position: number, length: number): void
  /** The first byte at or behind `position` in a hole (the file's end is one) or with data; -1 when there is none. */
  seek(fd: number, position: number, hole: boolean): number
  /** Copies inside the host, at most `length` bytes; returns how many, 0 behind the end of the source. */
  copyRange(from: number, fromPosition: number, to: number, toPosition: number, length: number): number
  datasync(fd: number): void
  syncDirectory(path: string): void
  rename(from: string, to: string): void
  unlink(path: string): void
  /** Creates the directory, mode 0700; does nothing when it exists. */
  mkdir(path: string): void
  /** Names in a directory, unsorted; an empty list when it does not exist. */
  list(path: string): string[]
}

/** A host that takes no byte and says no error would be asked for ever. */
function nothingWritten(): NodeJS.ErrnoException {
  const told = { code: 'EIO', errno: -system.errno.EIO, syscall: 'write' }
  return Object.assign(new Error('EIO: the host has written no byte, write'), told)
}

/** The host's own files. */
export const hostStorage: Storage = {
  mapping: hostMapping,
  open: openOwnFile,
  close: fd => closeSync(fd),
  read(fd, target, at, length, position) {
    let done = 0
    while (done < length) {
      const n = readSync(fd, target, at + done, length - done, position + done)
      if (n === 0) break
      done += n
    }
    return done
  },
  write(fd, source, at, length, position) {
    for (let done = 0; done < length; ) {
      const n = writeSync(fd, source, at + done, length - done, position + done)
      if (n === 0) throw nothingWritten()
      done += n
    }
  },
  size: fd => fstatSync(fd).size,
  truncate: (fd, length) => ftruncateSync(fd, length),
  allocated: fd => fstatSync(fd).blocks * 512,
  punch: punchHole,
  allocate,
  seek,
  copyRange,
  datasync: fd => fdatasyncSync(fd),
  syncDirectory(path) {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  },
  rename: (from, to) => renameSync(from, to),
  unlink: path => unlinkSync(path),
  mkdir: path => void makeDirectory(path),
  list(path) {
    try {
      return readdirSync(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  },
}
