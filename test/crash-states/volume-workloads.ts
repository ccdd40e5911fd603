/** The workloads on a volume: small, so that what they are named for happens with few calls. */
import { constants } from 'node:fs'
import { acl } from '../support/acl.ts'
import type { MemoryStorage } from './memory-storage.ts'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, type VolumeWork } from './volume-work.ts'

const SET_MODE = 1
const SET_OWNER = 6
const SET_TIMES = 48

export interface VolumeWorkload {
  run(work: VolumeWork): void
  segmentBytes?: number
  /** Done to the empty volume before anything is noted. */
  prepare?(storage: MemoryStorage, directory: string): void
}

/** A data file that a power cut has left without the record that gave its number out: the number will be given out again. */
function leaveDataFile(storage: MemoryStorage, directory: string): void {
  const folder = `${directory}/data/01`
  storage.mkdir(folder)
  const fd = storage.open(`${folder}/00000001`, constants.O_RDWR | constants.O_CREAT)
  storage.write(fd, new Uint8Array(30_000).fill(0xee), 0, 30_000, 0)
  storage.close(fd)
}

/** A file of so many bytes. */
function file(work: VolumeWork, path: string, size: number): number {
  const ino = work.create(path)
  if (size > 0) work.write(ino, 0, size)
  return ino
}

export const VOLUME_WORKLOADS: Record<string, VolumeWorkload> = {
  names: {
    run(work) {
      work.mkdir('d')
      file(work, 'd/small', 100)
      work.symlink('d/link', 'small')
      work.create('d/fifo', 0o010600)
      work.mkdir('d/sub')
      work.fsyncdir()
      work.link(work.ino('d/small'), 'again')
      work.rename('d/fifo', 'd/sub/fifo', RENAME_NOREPLACE)
      work.unlink('d/link')
      work.rename('d/sub', 'sub')
      work.checkpoint()
      work.rename('d', 'sub', RENAME_EXCHANGE)
      work.unlink('d/fifo')
      work.rmdir('d')
      work.unlink('again')
      work.sync()
      work.rename('sub', 'd')
    },
  },
  'rename-over': {
    run(work) {
      const outside = file(work, 'outside', 12_000)
      const inside = file(work, 'inside', 500)
      work.fsync(outside)
      work.fsync(inside)
      work.rename('inside', 'outside')
      work.collect()
      const next = file(work, 'next', 20_000)
      work.fsync(next)
      work.rename('next', 'outside')
      const third = file(work, 'third', 30_000)
      work.rename('third', 'outside')
      work.fsync(third)
      work.collect()
      work.forget(next)
      work.collect()
      work.mkdir('full')
      file(work, 'full/f', 9000)
      work.mkdir('empty')
      work.fsyncdir()
      work.rename('full', 'empty')
      work.rename('empty/f', 'outside')
      work.rename('outside', 'empty/f')
    },
  },
  'directory-renamed-in-a-round': {
    run(work) {
      work.mkdir('d')
      work.mkdir('d/e')
      for (let i = 0; i < 6; i++) file(work, `d/e/${i}`, 50)
      file(work, 'd/large', 10_000)
      work.fsync(work.ino('d/large'))
      // With a log that is noted: the thread of the first change waits for a round that is under way.
      work.create('d/noted')
      work.during('write', 'frames.dat', 1, () => work.rename('d', 'moved'))
      work.checkpoint()
      work.mkdir('d')
      work.during('datasync', 'frames.dat', 1, () => work.rename('moved/e', 'd/e'))
      work.checkpoint()
      work.create('moved/e')
      work.during('write', 'manifest', 1, () => work.rename('d', 'moved', RENAME_EXCHANGE))
      work.checkpoint()
      work.during('datasync', 'manifest', 1, () => work.rename('moved', 'other'))
      work.checkpoint()
    },
  },
  attributes: {
    run(work) {
      const ino = file(work, 'f', 300)
      const d = work.mkdir('d')
      work.setattr(ino, SET_MODE, { mode: 0o4755 })
      work.setattr(ino, SET_OWNER, { uid: 7, gid: 8 })
      work.setattr(ino, SET_TIMES, { atime: 100, atimeNs: 5, mtime: 200, mtimeNs: 6 })
      work.setxattr(ino, 'user.a', 'one')
      work.setxattr(ino, 'user.b', new Uint8Array(5000).fill(98))
      work.fsync(ino)
      work.setxattr(d, 'system.posix_acl_default', acl('u::rwx,u:7:rw,g::rx,m::rwx,o::'))
      work.create('d/inherits')
      work.mkdir('d/sub')
      work.removexattr(ino, 'user.b')
      work.setattr(ino, SET_MODE, { mode: 0o600 })
      work.checkpoint()
      work.setxattr(ino, 'user.a', 'two')
      work.unlink('f')
      work.forget(ino)
    },
  },
  'inline-out-and-back': {
    run(work) {
      const ino = file(work, 'f', 3000)
      work.fsync(ino)
      work.write(ino, 3000, 200)
      work.write(ino, 3200, 9000)
      work.truncate(ino, 2000)
      work.write(ino, 2000, 7000)
      work.fsync(ino)
      work.truncate(ino, 100)
      work.collect()
      work.truncate(ino, 12_000)
      work.write(ino, 50, 100)
      work.fsync(ino)
      work.truncate(ino, 0)
      work.write(ino, 0, 8193)
      work.truncate(ino, 8192)
      work.collect()
      work.sync()
      const other = file(work, 'other', 8000)
      work.checkpoint()
      work.write(other, 7000, 3000)
    },
  },
  'truncate-and-extend': {
    run(work) {
      const ino = file(work, 'f', 40_000)
      work.fsync(ino)
      work.truncate(ino, 15_000)
      work.truncate(ino, 35_000)
      work.truncate(ino, 10_000)
      work.write(ino, 30_000, 3000)
      work.fsync(ino)
      work.truncate(ino, 9000)
      work.write(ino, 9000, 500)
      work.write(ino, 20_000, 100)
      work.sync()
      work.truncate(ino, 20_050)
      work.write(ino, 5000, 12_000)
      work.truncate(ino, 11_000)
      work.truncate(ino, 18_000)
      work.fsync(ino)
      work.write(ino, 17_000, 9000)
    },
  },
  ranges: {
    run(work) {
      const small = file(work, 'small', 3000)
      work.fsync(small)
      work.fallocate(small, 3, 500, 1000)
      work.fallocate(small, 1, 0, 20_000)
      const large = work.create('large')
      work.fallocate(large, 0, 0, 20_000)
      work.write(large, 0, 15_000)
      work.fsync(large)
      work.fallocate(large, 3, 4096, 8192)
      work.copyRange(small, 0, large, 14_000, 3000)
      work.copyRange(large, 2000, small, 3000, 12_000)
      work.fallocate(large, 16, 15_000, 9000)
      work.fsyncdir()
      const third = file(work, 'third', 2000)
      work.fsync(third)
      work.copyRange(large, 0, third, 1000, 18_000)
      work.copyRange(third, 100, third, 10_000, 5000)
      work.truncate(third, 4000)
      work.collect()
    },
  },
  nameless: {
    run(work) {
      const open = file(work, 'open', 10_000)
      work.fsync(open)
      work.unlink('open')
      work.write(open, 5000, 9000)
      const born = work.tmpfile('')
      work.write(born, 0, 9000)
      work.fsync(born)
      work.link(born, 'born')
      const gone = work.tmpfile('')
      work.write(gone, 0, 100)
      work.forget(open)
      work.collect()
      work.fsyncdir()
      work.forget(gone)
      work.unlink('born')
      work.forget(born)
      work.collect()
    },
  },
  'left-data-file': {
    prepare: leaveDataFile,
    run(work) {
      const ino = work.create('f')
      work.write(ino, 25_000, 10)
      work.fsyncdir()
      work.write(ino, 12_000, 100)
      work.fsyncdir()
      work.fsync(ino)
      work.truncate(ino, 28_000)
    },
  },
  'volume-lives': {
    run(work) {
      const ino = file(work, 'f', 10_000)
      work.kill()
      work.write(ino, 10_000, 1000)
      file(work, 'unsynced', 9000)
      work.unlink('unsynced')
      work.kill()
      work.fsync(ino)
      work.reopen()
      work.truncate(ino, 9000)
      work.kill()
      work.truncate(ino, 15_000)
      work.mkdir('d')
      work.reopen()
      work.rename('f', 'd/f')
      work.truncate(ino, 500)
      work.kill()
      work.write(ino, 400, 9000)
      work.fsync(ino)
    },
  },
  'volume-spillover': {
    segmentBytes: 600_000,
    run(work) {
      work.mkdir('d')
      for (let i = 0; i < 10; i++) {
        const ino = work.create(`d/${i}`)
        work.setxattr(ino, 'user.large', new Uint8Array(60_000).fill(65 + i))
        if (i === 5) work.checkpoint()
      }
      work.sync()
      work.rename('d', 'e')
      work.checkpoint()
      for (let i = 0; i < 9; i++) work.unlink(`e/${i}`)
      work.compact()
      work.checkpoint()
    },
  },
  'random-volume': { run: randomWork },
}

const PATHS = ['a', 'b', 'x', 'y', 'x/a', 'x/b', 'y/a', 'x/y', 'y/x']
const SIZES = [0, 1, 100, 4096, 8191, 8192, 8193, 12_000, 30_000]

/** Operations of all kinds on few names, so that they meet. */
function randomWork(work: VolumeWork): void {
  const pick = <T>(from: readonly T[]): T => from[work.below(from.length)]
  for (let i = 0; i < 55; i++) {
    const { paths, files } = work.volume
    const isFile = (path: string) => paths.has(`/${path}`) && files.has(work.ino(path))
    const isDirectory = (path: string) => path === '' || (paths.has(`/${path}`) && !isFile(path))
    const parent = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
    const free = PATHS.filter(path => !paths.has(`/${path}`) && isDirectory(parent(path)))
    const names = PATHS.filter(isFile)
    const directories = PATHS.filter(path => path !== '' && isDirectory(path))
    const kind = work.below(100)
    if ((kind < 16 || names.length === 0) && free.length > 0) {
      if (work.below(4) === 0) work.mkdir(pick(free))
      else file(work, pick(free), pick(SIZES))
    } else if (names.length === 0) work.sync()
    else if (kind < 34) work.write(work.ino(pick(names)), pick(SIZES), 1 + pick(SIZES))
    else if (kind < 50) work.truncate(work.ino(pick(names)), pick(SIZES))
    else if (kind < 60) work.fsync(work.ino(pick(names)))
    else if (kind < 66) {
      const from = pick(names)
      const to = pick([...names, ...free])
      if (from !== to && work.below(9) > 0) work.rename(from, to)
    } else if (kind < 70 && directories.length > 0 && free.length > 0) {
      const from = pick(directories)
      const to = pick(free)
      if (!to.startsWith(`${from}/`)) work.rename(from, to)
    } else if (kind < 75) work.unlink(pick(names))
    else if (kind < 79) work.fallocate(work.ino(pick(names)), pick([0, 1, 3, 16, 17]), pick(SIZES), 1 + pick(SIZES))
    else if (kind < 83) {
      const from = pick(names)
      const to = pick(names)
      if (work.ino(from) !== work.ino(to))
        work.copyRange(work.ino(from), pick(SIZES), work.ino(to), pick(SIZES), 1 + pick(SIZES))
    } else if (kind < 87) work.collect()
    else if (kind < 90) work.checkpoint()
    else if (kind < 92) work.sync()
    else if (kind < 94 && free.length > 0) work.link(work.ino(pick(names)), pick(free))
    else if (kind < 96) work.kill()
    else if (kind < 97) work.reopen()
    else work.setxattr(work.ino(pick(names)), 'user.a', new Uint8Array(pick(SIZES)).fill(1 + work.below(90)))
  }
}
