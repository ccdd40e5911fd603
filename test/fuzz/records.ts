/**
 * Records made to attack: the tree of a real volume with values and keys changed, used by every operation of the filesystem and
 * by its check. Data files are real ones, since the sizes that a record claims are no matter to a host.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errnoOf } from '../../src/fs/fuse/failure.ts'
import { ACCESS, acl, DEFAULT } from '../support/acl.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { MapMetadata } from '../support/map-metadata.ts'
import type { Input, Part } from './input.ts'
import type { Target } from './target.ts'

/** Inodes that the volumes have, and some that they have not. */
const INOS = [1, 2, 3, 4, 5, 6, 7, 8, 99, 2 ** 40]
const NAMES = ['file', 'large', 'directory', 'below', 'link', 'device', 'absent', 'x'.repeat(255)]
const WORST_ERRNO = 4095

export const recordTarget: Target = {
  name: 'records',
  corpus: () => [volume()],
  isList: true,
  isMutable: () => true,
  repair: () => {},
  mutate(part, random) {
    const { bytes } = part
    // What records begin with is numbers and kinds; a key that is another inode's.
    if (random() < 0.2) part.name = nameFor(part, random)
    else if (bytes.length > 0) bytes[Math.floor(random() * Math.min(bytes.length, 130))] = Math.floor(random() * 256)
    return true
  },
  covers: [
    'fs/inode.ts',
    'fs/dirent.ts',
    'fs/acl.ts',
    'fs/access-lists.ts',
    'fs/xattr-records.ts',
    'fs/xattr.ts',
    'fs/listing.ts',
    'fs/directory.ts',
    'fs/names.ts',
    'fs/namespace.ts',
    'fs/counters.ts',
    'fs/bytes.ts',
    'fs/truncate.ts',
    'fs/orphans.ts',
    'fs/check.ts',
    'fs/check-xattrs.ts',
    'fs/check-listings.ts',
  ],
  run,
}

/** Another key of the same kind. Names of parts are keys in hexadecimal. */
function nameFor(part: Part, random: () => number): string {
  const key = Buffer.from(part.name, 'hex')
  if (key.length > 1) key[1 + Math.floor(random() * (key.length - 1))] = Math.floor(random() * 12)
  return key.toString('hex')
}

function volume(): Input {
  const metadata = new MapMetadata()
  const f = new FsFixture(metadata)
  const ino = (made: number | Attributes) => (made as Attributes).ino
  const file = ino(f.mknod(ROOT, 'file'))
  f.write(file, 0, 'some bytes in the tree')
  const large = ino(f.mknod(ROOT, 'large'))
  f.write(large, 0, Buffer.alloc(10_000, 'l'))
  const directory = ino(f.mkdir(ROOT, 'directory'))
  f.setxattr(directory, DEFAULT, acl('u::rwx,u:7:rw,g::rx,m::rwx,o::'))
  const below = ino(f.mkdir(directory, 'below'))
  f.link(file, below, 'file')
  f.symlink(below, 'link', '../target')
  f.mknod(below, 'device', 0o060600, 0x103)
  f.setxattr(file, 'user.a', 'value')
  f.setxattr(file, 'user.b', Buffer.alloc(300, 'b'))
  f.setxattr(file, ACCESS, acl('u::rwx,u:7:rw,g::rx,m::rwx,o::'))
  const open = ino(f.mknod(ROOT, 'open'))
  f.write(open, 0, 'x')
  f.unlink(ROOT, 'open')
  f.truncate(large, 9000)
  f.dispose()
  return metadata.keys.map(key => ({
    name: Buffer.from(key, 'latin1').toString('hex'),
    bytes: Buffer.from(metadata.values.get(key)!),
  }))
}

function metadataOf(input: Input): MapMetadata {
  const metadata = new MapMetadata()
  for (const { name, bytes } of input) metadata.values.set(Buffer.from(name, 'hex').toString('latin1'), bytes)
  metadata.keys = [...metadata.values.keys()].sort()
  return metadata
}

function run(input: Input): string {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-fuzz-records-'))
  try {
    const problems: string[] = []
    const attempt = (name: string, step: () => unknown) => {
      const found = outcome(step)
      if (found !== '') problems.push(`${name}: ${found}`)
    }
    for (const isChanging of [false, true]) {
      let f: FsFixture | undefined
      attempt('format', () => {
        f = new FsFixture(metadataOf(input), undefined, directory)
      })
      if (f === undefined) return problems.join('; ')
      attempt('check', () => void f!.check())
      use(f, attempt, isChanging)
      f.data.close()
    }
    return problems.join('; ')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function use(f: FsFixture, attempt: (name: string, step: () => unknown) => void, isChanging: boolean): void {
  for (const ino of INOS) {
    attempt('getattr', () => f.getattr(ino))
    attempt('statx', () => f.fs.statx(ino, new Uint8Array(100), 0))
    attempt('readdir', () => f.readdir(ino, 0, 100, true))
    attempt('readdir from 4', () => f.readdir(ino, 4, 100))
    attempt('readlink', () => f.readlink(ino))
    attempt('read', () => f.read(ino, 0, 20_000))
    attempt('seek', () => f.fs.seek(ino, 0, 4))
    attempt('listxattr', () => f.listxattr(ino))
    for (const name of ['user.a', 'user.b', ACCESS, DEFAULT]) attempt(`getxattr ${name}`, () => f.getxattr(ino, name))
    for (const name of NAMES) attempt(`lookup ${name}`, () => f.lookup(ino, name))
    for (const name of ['.', '..']) attempt(`lookup ${name}`, () => f.lookup(ino, name))
  }
  if (!isChanging) return
  for (const ino of INOS) {
    attempt('write', () => f.write(ino, 5, 'written'))
    attempt('write beyond', () => f.write(ino, 9000, Buffer.alloc(3000, 'w')))
    attempt('truncate', () => f.truncate(ino, 100))
    attempt('extend', () => f.truncate(ino, 20_000))
    attempt('fallocate', () => f.fallocate(ino, 3, 0, 5000))
    attempt('copy', () => f.copyRange(ino, 0, 3, 0, 5000))
    attempt('chmod', () => f.setattr(ino, 1, { mode: 0o640 }))
    attempt('setxattr', () => f.setxattr(ino, 'user.c', 'c'))
    attempt('set an access list', () => f.setxattr(ino, ACCESS, acl('u::rwx,u:7:rw,g::rx,m::rwx,o::')))
    attempt('removexattr', () => f.removexattr(ino, 'user.a'))
    attempt('fsync', () => f.fs.fsync(ino, false))
    attempt('mkdir', () => f.mkdir(ino, 'made'))
    attempt('mknod', () => f.mknod(ino, 'new'))
    attempt('link', () => f.link(2, ino, 'linked'))
    attempt('rename', () => f.rename(ino, 'file', ROOT, `renamed${ino}`))
    attempt('rename a directory', () => f.rename(ino, 'below', ROOT, `moved${ino}`))
    attempt('exchange', () => f.rename(ROOT, 'large', ino, 'made', 2))
    for (const name of NAMES) attempt(`unlink ${name}`, () => f.unlink(ino, name))
    for (const name of NAMES) attempt(`rmdir ${name}`, () => f.rmdir(ino, name))
    attempt('forget', () => f.forget(ino))
  }
  attempt('collect', () => f.fs.collectOrphans())
}

/** '' for an answer or an error that a caller of the mount is told of. */
function outcome(step: () => unknown): string {
  try {
    const result = step()
    return typeof result === 'number' && !(result >= -WORST_ERRNO) ? `answered ${result}` : ''
  } catch (error) {
    // The fixture's word for an errno.
    if (error instanceof Error && /^errno \d+$/.test(error.message)) return ''
    errnoOf(error)
    return ''
  }
}
