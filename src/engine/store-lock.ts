/**
 * One writer a store, or any number of readers: an flock on the store directory itself, which no one can replace under
 * us and which the kernel drops when the process dies, however it dies. The pid in the file `lock` is only there to be
 * named; readers write nothing. A process may take the lock for those that it starts: they inherit the descriptor, and it
 * is held until the last of them has closed it.
 */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs'
import { HoltError } from '../errors.ts'
import { koffi } from '../journal/c-library.ts'
import { readHolder, setHolder } from './store-holder.ts'

const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4

const flock = koffi().load(null).func('int flock(int fd, int operation)') as (fd: number, operation: number) => number

/** A lock that process `pid` has taken, which outlives this one and is to be named as the holder; `fd` is inherited from it. */
export interface HeldLock {
  fd: number
  pid: number
}

/**
 * Takes the lock, a shared one to read, and names the writer; returns the descriptor that holds it.
 * @throws HoltError HOLT_LOCKED naming the holder
 */
export function lockStore(directory: string, readOnly: boolean, held?: HeldLock): number {
  const fd = held === undefined ? takeLock(directory, readOnly) : inherited(directory, held)
  if (!readOnly) setHolder(directory, String(held?.pid ?? process.pid), constants.O_CREAT)
  return fd
}

/** {@link lockStore} without the name: nothing in `directory` is touched. */
export function takeLock(directory: string, readOnly: boolean): number {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  if (flock(fd, (readOnly ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return fd
  closeSync(fd)
  throw new HoltError('HOLT_LOCKED', `${directory} is in use by ${holder(directory)}: unmount it or end that first`)
}

function inherited(directory: string, { fd }: HeldLock): number {
  const locked = fstatSync(fd)
  const there = statSync(directory)
  if (locked.ino === there.ino && locked.dev === there.dev) return fd
  throw new HoltError('HOLT_LOCKED', `${directory} is not the directory that was locked: somebody has moved the store`)
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
