/**
 * One writer a store, or any number of readers: an flock on the store directory itself, which no one can replace under
 * us and which the kernel drops when the process dies, however it dies. The pid in the file `lock` is only there to be
 * named; readers write nothing.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { HoltError } from '../errors.ts'
import { koffi } from '../journal/c-library.ts'
import { readHolder, setHolder } from './store-holder.ts'

const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4

const flock = koffi().load(null).func('int flock(int fd, int operation)') as (fd: number, operation: number) => number

/** Takes the lock, a shared one to read; returns the descriptor that holds it. Throws HOLT_LOCKED naming the holder. */
export function lockStore(directory: string, readOnly: boolean): number {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  if (flock(fd, (readOnly ? LOCK_SH : LOCK_EX) | LOCK_NB) !== 0) {
    closeSync(fd)
    throw new HoltError('HOLT_LOCKED', `${directory} is in use by ${holder(directory)}: unmount it or end that first`)
  }
  if (readOnly) return fd
  setHolder(directory, String(process.pid), constants.O_CREAT)
  return fd
}

/** The writer, if it still lives; readers leave no name. */
function holder(directory: string): string {
  try {
    const pid = readHolder(directory)
    if (pid > 0) {
      process.kill(pid, 0)
      return `process ${pid}`
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return 'a process of another user'
  }
  return 'a process that has it open, perhaps read-only'
}

export function unlockStore(directory: string, fd: number, readOnly: boolean): void {
  if (!readOnly) {
    try {
      setHolder(directory, '', 0)
    } catch {
      // Somebody removed it: it held a name, nothing else.
    }
  }
  closeSync(fd)
}
