/** Volumes that are damaged and then repaired, which the power may cut short. */
import { constants } from 'node:fs'
import { join } from 'node:path'
import { ROOT_BLOB } from '../../src/engine/layout.ts'
import { readManifest } from '../../src/engine/manifest.ts'
import { FRAME_SIZE, PAGE_SIZE } from '../../src/limits.ts'
import type { MemoryStorage } from './memory-storage.ts'
import type { VolumeWork } from './volume-work.ts'

export interface RepairWorkload {
  fill(work: VolumeWork): void
  damage(storage: MemoryStorage, directory: string): void
  /** The damaged store is not kept. */
  discard: boolean
}

/** Files of all kinds, the last of them only in the log. */
function fill(work: VolumeWork): void {
  for (const name of ['a', 'b', 'c']) {
    work.mkdir(name)
    for (let i = 0; i < 4; i++) work.write(work.create(`${name}/${i}`), 0, 900 * (i + 1))
    work.symlink(`${name}/link`, '0')
  }
  for (const path of ['a/large', 'large']) {
    const ino = work.create(path)
    work.write(ino, 2000, 12_000)
    work.setxattr(ino, 'user.a', 'one')
    work.fsync(ino)
  }
  work.checkpoint()
  work.rename('c', 'a/moved')
  work.write(work.create('b/late'), 0, 300)
  work.unlink('b/0')
  work.sync()
}

function write(storage: MemoryStorage, path: string, position: number, bytes: Uint8Array): void {
  const fd = storage.open(path, constants.O_RDWR)
  storage.write(fd, bytes, 0, bytes.length, position)
  storage.close(fd)
}

export const REPAIR_WORKLOADS: Record<string, RepairWorkload> = {
  repair: {
    fill,
    damage(storage, directory) {
      const slot = readManifest(storage, directory).slots.get(ROOT_BLOB) as number
      write(storage, join(directory, 'frames.dat'), (slot - 1) * FRAME_SIZE + 2 * PAGE_SIZE + 100, new Uint8Array(50))
    },
    discard: false,
  },
  'repair-and-discard': {
    fill,
    damage(storage, directory) {
      write(storage, join(directory, 'manifest'), 0, new Uint8Array(8))
    },
    discard: true,
  },
}
