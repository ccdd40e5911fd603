/**
 * Opens files of a store, and only what a store can have made itself: a regular file with one name that belongs to root, to
 * the caller, or to whoever owns its directory. What somebody else put in its place (a symbolic or hard link, a FIFO, a
 * device, a file of his own that he could go on changing) is refused before a byte of it is read, written or cut.
 * Which directories can be trusted is decided elsewhere (fs/store-directory.ts).
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { HoltError } from '../errors.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_TRUNC } = constants

/**
 * Opens `path` with O_* `flags`, mode 0600; returns the descriptor.
 * @throws HoltError HOLT_FOREIGN_FILE; the host's error
 */
export function openOwnFile(path: string, flags: number): number {
  const fd = openNoFollow(path, flags)
  try {
    const stats = fstatSync(fd)
    refuseForeign(path, stats)
    if ((flags & O_TRUNC) !== 0 && stats.size > 0) ftruncateSync(fd, 0)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function openNoFollow(path: string, flags: number): number {
  try {
    // A FIFO would wait for its other end without O_NONBLOCK, which regular files ignore. What is foreign must not be cut either.
    return openSync(path, (flags & ~O_TRUNC) | O_NOFOLLOW | O_NONBLOCK, 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ELOOP') throw foreignFile(`${path} is a symbolic link, not a file of a store: remove it`)
    if (code === 'ENXIO') throw foreignFile(`${path} is a FIFO or a socket, not a file of a store: remove it`)
    throw error
  }
}

/** @throws HoltError HOLT_FOREIGN_FILE when a file with these `stats` cannot be one that a store has made */
export function refuseForeign(path: string, stats: Stats): void {
  if (!stats.isFile()) throw foreignFile(`${path} is ${kindOf(stats)}, not a file of a store: remove it`)
  if (stats.nlink > 1) {
    throw foreignFile(`${path} has ${stats.nlink} names: a store is used only without hard links, copy it whole`)
  }
  if (!isOwn(stats.uid) && stats.uid !== statSync(dirname(path)).uid) {
    throw foreignFile(
      `${path} belongs to user ${stats.uid}, who could change it: remove it, or give it to the store's owner`,
    )
  }
}

/** Whether what belongs to `uid` belongs to root or to the caller. */
export function isOwn(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.()
}

/** In words. */
export function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link'
  if (stats.isDirectory()) return 'a directory'
  if (stats.isFIFO()) return 'a FIFO'
  if (stats.isSocket()) return 'a socket'
  return stats.isFile() ? 'a file' : 'a device'
}

export function foreignFile(message: string): HoltError {
  return new HoltError('HOLT_FOREIGN_FILE', message)
}
