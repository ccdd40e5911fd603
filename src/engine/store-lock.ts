/**
 * One writer a store: an flock on the store directory itself, which no one can replace under us and which the kernel
 * drops when the process dies, however it dies. The pid in the file `lock` is only there to be named.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { HoltError } from '../errors.ts'

const LOCK_EX = 2
const LOCK_NB = 4

const flock = koffi.load(null).func('int flock(int fd, int operation)') as (fd: number, operation: number) => number

/** Takes the lock; returns the descriptor that holds it. Throws HOLT_LOCKED naming the holder. */
export function lockStore(directory: string): number {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  if (flock(fd, LOCK_EX | LOCK_NB) !== 0) {
    closeSync(fd)
    throw new HoltError(
      'HOLT_LOCKED',
      `${directory} is in use by process ${holder(directory)}: unmount it or end that process first`,
    )
  }
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
  const named = openSync(join(directory, 'lock'), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
  writeSync(named, `${process.pid}\n`)
  closeSync(named)
  return fd
}

function holder(directory: string): string {
  try {
    return readFileSync(join(directory, 'lock'), 'utf8').trim() || 'unknown'
  } catch {
    return 'unknown'
  }
}

export function unlockStore(fd: number): void {
  closeSync(fd)
}
