/** Extended attributes where a mount does not reach: limits of the list, the end of an inode, restarts, check, read-only. */
import { constants } from 'node:os'
import { FileSystem } from '../../src/fs/filesystem.ts'
import { NS_INODE, NS_XATTR, NUMBER_KEY, numberKey } from '../../src/fs/keys.ts'
import { SET_MODE } from '../../src/fs/operations.ts'
import { ACCESS, acl, aclText, DEFAULT } from '../support/acl.ts'
import { fixtureTests } from '../support/fixture-tests.ts'
import { type Attributes, bytesOf, type FsFixture, ROOT } from '../support/fs-fixture.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

const { E2BIG, EINVAL, ENODATA, ENOENT, ENOSPC, EOPNOTSUPP, ERANGE, EROFS } = constants.errno
const MOST = 65_536

function make(f: FsFixture, name: string): number {
  return (f.mknod(ROOT, name) as Attributes).ino
}

/** Keys of extended attributes in the whole store. */
function keys(f: FsFixture): number {
  const cursor = f.metadata.cursor()
  cursor.seek(Uint8Array.of(NS_XATTR), 1, new Uint8Array(0), 0, -1, false)
  let count = 0
  while (cursor.next()) count++
  return count
}

/** Gives a file as many names as fit, of at least `length` bytes; returns them sorted. */
function fill(f: FsFixture, ino: number, length: number): string[] {
  const names: string[] = []
  let used = 0
  for (let i = 0; ; i++) {
    const name = `user.${i.toString(36)}`.padEnd(length, '-')
    if (used + name.length + 1 > MOST) return names.sort()
    if (f.setxattr(ino, name, '') !== 0) throw new Error(`${name} does not fit`)
    names.push(name)
    used += name.length + 1
  }
}

for (const [store, create] of Object.entries(metadataFactories)) {
  const withFixture = fixtureTests(store, create)

  withFixture('a list of 64 KB is full, given whole, and goes with its inode', (t, f) => {
    const ino = make(f, 'f')
    const names = fill(f, ino, 255)
    t.is(names.length, 256)
    t.is(f.setxattr(ino, 'user.n', 'one more'), -ENOSPC)
    t.is(f.setxattr(ino, names[50], 'a value that is replaced'), 0)
    t.deepEqual(f.listxattr(ino), names)
    t.is(f.removexattr(ino, names.splice(40, 1)[0]), 0)
    t.deepEqual(f.listxattr(ino), names)
    t.is(keys(f), names.length + 1)
    t.is(f.unlink(ROOT, 'f'), 0)
    t.is(keys(f), names.length + 1, 'who has it open still sees them')
    f.forget(ino)
    t.is(keys(f), 0)
  })

  withFixture('orphans of a killed server go with their attributes, however many', (t, f) => {
    for (let i = 0; i < 200; i++) {
      const ino = make(f, `f${i}`)
      if (i < 12) fill(f, ino, i === 0 ? 0 : 100)
      else f.setxattr(ino, 'user.a', 'x'.repeat(i))
      f.unlink(ROOT, `f${i}`)
    }
    const directory = (f.mkdir(ROOT, 'd') as Attributes).ino
    f.setxattr(directory, 'trusted.d', 'value')
    f.rmdir(ROOT, 'd')
    t.true(keys(f) > 10_000)
    f.restart()
    t.is(keys(f), 0)
  })

  withFixture('what a file without attributes is asked is answered by its inode', (t, f) => {
    const ino = make(f, 'f')
    let reads = 0
    const { getInto } = f.metadata
    f.metadata.getInto = (key, ...rest) => {
      if (key[0] === NS_XATTR) reads++
      return getInto.call(f.metadata, key, ...rest)
    }
    for (const name of ['user.a', 'security.capability', ACCESS, DEFAULT]) t.is(f.getxattr(ino, name), -ENODATA)
    t.deepEqual(f.listxattr(ino), [])
    f.write(ino, 0, 'bytes')
    f.setattr(ino, SET_MODE, { mode: 0o600 })
    f.mknod(ROOT, 'g')
    t.is(reads, 0)
    f.setxattr(ino, 'user.a', '1')
    reads = 0
    for (const name of ['security.capability', ACCESS, DEFAULT]) t.is(f.getxattr(ino, name), -ENODATA)
    t.is(reads, 0, 'nor does one of another kind cost a look')
    f.metadata.getInto = getInto
  })

  withFixture('values of 64 KB, no larger', (t, f) => {
    const ino = make(f, 'f')
    const value = Buffer.from(Array.from({ length: MOST }, (_, i) => i % 251))
    t.is(f.setxattr(ino, 'user.a', value), 0)
    t.deepEqual(f.getxattr(ino, 'user.a'), value)
    t.is(f.setxattr(ino, 'user.a', Buffer.alloc(MOST + 1)), -E2BIG)
    t.is(f.fs.getxattr(ino, bytesOf('user.a'), MOST - 1, Buffer.alloc(MOST), 0), -ERANGE)
    t.is(f.fs.getxattr(ino, bytesOf('user.a'), 0, Buffer.alloc(0), 0), MOST)
  })

  withFixture('names that cannot be', (t, f) => {
    const ino = make(f, 'f')
    for (const [name, errno] of [
      ['user.', EINVAL],
      ['system.other', EOPNOTSUPP],
      ['', ERANGE],
      [`user.${'n'.repeat(251)}`, ERANGE],
    ] as const) {
      t.is(f.setxattr(ino, name, 'x'), -errno)
      t.is(f.getxattr(ino, name), -errno)
      t.is(f.removexattr(ino, name), -errno)
    }
    t.is(f.setxattr(99, 'user.a', 'x'), -ENOENT)
    t.is(f.getxattr(99, 'user.a'), -ENOENT)
    t.is(f.removexattr(99, 'user.a'), -ENOENT)
  })

  withFixture('a read-only filesystem answers EROFS', (t, f) => {
    const ino = make(f, 'f')
    f.setxattr(ino, 'user.a', '1')
    const { fs } = f
    f.fs = f.another(undefined, true)
    t.is(f.setxattr(ino, 'user.a', '2'), -EROFS)
    t.is(f.removexattr(ino, 'user.a'), -EROFS)
    t.deepEqual(f.getxattr(ino, 'user.a'), Buffer.from('1'))
    f.fs = fs
    t.true(f.fs instanceof FileSystem)
  })

  withFixture('a file inherits its list in the commit that makes it', (t, f) => {
    const directory = (f.mkdir(ROOT, 'd') as Attributes).ino
    f.setxattr(directory, DEFAULT, acl('u::rwx,u:7:rw,g::rx,m::rwx,o::'))
    const made = f.mknod(directory, 'f', 0o100664) as Attributes
    t.is(made.mode, 0o100660)
    t.is(aclText(f.getxattr(made.ino, ACCESS)), 'u::rw,u:7:rw,g::rx,m::rw,o::')
    const plain = f.mkdir(ROOT, 'e') as Attributes
    f.caller.umask = 0o027
    t.is((f.mknod(plain.ino, 'f', 0o106777) as Attributes).mode, 0o106750)
    t.is(
      (f.mknod(directory, 'g', 0o100666) as Attributes).mode,
      0o100660,
      'a default list takes the place of the umask',
    )
    f.caller.umask = 0
  })

  withFixture('the check finds what does not agree', (t, f) => {
    const ino = make(f, 'f')
    const other = make(f, 'g')
    const bare = make(f, 'h')
    f.setxattr(ino, 'user.a', '1')
    f.setxattr(ino, 'user.b', '2')
    f.setxattr(other, ACCESS, acl('u::rw,u:7:r,g::r,m::r,o::'))
    t.deepEqual(f.check(), [])

    const key = (of: number, name = '') => {
      const bytes = new Uint8Array(NUMBER_KEY + name.length)
      numberKey(bytes, NS_XATTR, of)
      bytes.set(bytesOf(name), NUMBER_KEY)
      return bytes
    }
    const codesWith = (at: Uint8Array, value: Uint8Array | undefined) => {
      const before = Buffer.alloc(MOST)
      const length = f.metadata.getInto(at, at.length, before, 0)
      change(at, value)
      const codes = f.check().map(problem => `${problem.code} ${problem.ino}`)
      change(at, length < 0 ? undefined : before.subarray(0, length))
      return codes
    }
    const change = (at: Uint8Array, value: Uint8Array | undefined) => {
      f.metadata.begin()
      if (value === undefined) f.metadata.stageDelete(at, at.length)
      else f.metadata.stagePut(at, at.length, value, 0, value.length)
      f.metadata.commit()
    }
    t.deepEqual(codesWith(key(ino, 'user.b'), undefined), [`XATTR_NAMES ${ino}`])
    t.deepEqual(codesWith(key(ino, 'user.c'), bytesOf('x')), [`XATTR_NAMES ${ino}`])
    t.deepEqual(codesWith(key(ino), bytesOf('user.b\0user.a\0')), [`XATTR_NAMES ${ino}`])
    t.deepEqual(codesWith(key(ino), undefined), [`XATTR_NAMES ${ino}`])
    t.deepEqual(codesWith(key(bare, 'user.a'), bytesOf('x')), [`XATTR_UNREFERENCED ${bare}`])
    t.deepEqual(codesWith(key(other, ACCESS), acl('u::rw,u:7:r,g::r,m::rw,o::')), [`ACL ${other}`])
    t.deepEqual(codesWith(key(other, ACCESS), bytesOf('nonsense')), [`ACL ${other}`])
    t.deepEqual(codesWith(key(other, 'security.capability'), bytesOf('x')), [
      `XATTR_NAMES ${other}`,
      `XATTR_KINDS ${other}`,
    ])

    const inodeKey = new Uint8Array(NUMBER_KEY)
    numberKey(inodeKey, NS_INODE, bare)
    const record = Buffer.alloc(400)
    const length = f.metadata.getInto(inodeKey, NUMBER_KEY, record, 0)
    record[91] = 1
    t.deepEqual(codesWith(inodeKey, record.subarray(0, length)), [`XATTR_MISSING ${bare}`])
  })

  withFixture('an inode record of version 1 is read, and has no attributes', (t, f) => {
    const directory = (f.mkdir(ROOT, 'n'.repeat(255)) as Attributes).ino
    const key = new Uint8Array(NUMBER_KEY)
    numberKey(key, NS_INODE, directory)
    const record = Buffer.alloc(400)
    const length = f.metadata.getInto(key, NUMBER_KEY, record, 0)
    t.is(record[88], 2)
    record[88] = 1
    f.metadata.begin()
    f.metadata.stagePut(key, NUMBER_KEY, record, 0, length)
    f.metadata.commit()
    f.restart()
    t.deepEqual(f.listxattr(directory), [])
    t.is((f.mkdir(directory, 'below') as Attributes).nlink, 2)
    t.is(f.setxattr(directory, 'user.a', '1'), 0)
    f.metadata.getInto(key, NUMBER_KEY, record, 0)
    t.is(record[88], 2, 'what only version 2 says makes it one')
  })
}
