/** The file `lock` of a store: names the process that writes to it, for people and for `holtfs umount`. It locks nothing. */
import { closeSync, constants, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openOwnFile } from '../journal/own-file.ts'

const LOCK = 'lock'

/** In place and of one length: a file that is truncated and written again, ext4 writes out at once. */
export function setHolder(directory: string, pid: string, flags: number): void {
  const fd = openOwnFile(join(directory, LOCK), constants.O_WRONLY | flags)
  writeSync(fd, `${pid.padEnd(15)}\n`, 0)
  closeSync(fd)
}

/** The process id that the writer of a store has left, whether it still lives or not; 0 when there is none, or none can be read. */
export function readHolder(directory: string): number {
  try {
    const fd = openOwnFile(join(directory, LOCK), constants.O_RDONLY)
    const bytes = Buffer.alloc(16)
    const length = readSync(fd, bytes)
    closeSync(fd)
    return Number.parseInt(bytes.toString('latin1', 0, length), 10) || 0
  } catch {
    return 0
  }
}
