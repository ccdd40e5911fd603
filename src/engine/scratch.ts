/**
 * Where a read-only store keeps what the log has changed and the pool cannot hold: an unlinked temporary file that
 * stands for the slots of frames.dat from a certain one on. frames.dat itself is only read.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Storage } from '../journal/storage.ts'
import { FRAME_SIZE } from '../limits.ts'

/** What a frame file needs of the storage. */
export type FrameStorage = Pick<Storage, 'read' | 'write' | 'datasync' | 'size' | 'allocated' | 'truncate' | 'punch'>

export interface Scratch {
  fd: number
  /** First slot that is not in frames.dat. */
  from: number
}

export function createScratch(storage: Storage, from: number): Scratch {
  const path = join(tmpdir(), `holtfs-${process.pid}-${randomBytes(8).toString('hex')}`)
  const fd = storage.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL)
  storage.unlink(path)
  return { fd, from }
}

/** frames.dat below, the scratch file from its first slot on. */
export function overScratch(storage: FrameStorage, scratch: Scratch): FrameStorage {
  const start = scratch.from * FRAME_SIZE
  return {
    read: (fd, target, at, length, position) =>
      position < start
        ? storage.read(fd, target, at, length, position)
        : storage.read(scratch.fd, target, at, length, position - start),
    write(_fd, source, at, length, position) {
      if (position < start) throw new Error('a read-only store writes to frames.dat')
      storage.write(scratch.fd, source, at, length, position - start)
    },
    datasync: () => {},
    size: fd => storage.size(fd),
    allocated: fd => storage.allocated(fd),
    truncate: () => {},
    punch: () => {},
  }
}
