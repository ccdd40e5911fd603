/** Lookup, creation, links and removal: results, attributes and errnos. */
import { constants } from 'node:os'
import { InodeRecord } from '../../src/fs/inode.ts'
import { NS_INODE, NUMBER_KEY, numberKey } from '../../src/fs/keys.ts'
import { MAX_LINKS } from '../../src/fs/names.ts'
import { fixtureTests } from '../support/fixture-tests.ts'
import { type Attributes, bytesOf, ROOT } from '../support/fs-fixture.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

const { EEXIST, EINVAL, EISDIR, EMLINK, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS } = constants.errno

for (const [store, create] of Object.entries(metadataFactories)) {
  const withFixture = fixtureTests(store, create)

  withFixture('the root is a directory of its own', (t, f) => {
    const root = f.stat('/')
    t.is(root.ino, ROOT)
    t.is(root.mode, 0o040755)
    t.is(root.nlink, 2)
    t.is((f.lookup(ROOT, '.') as Attributes).ino, ROOT)
    t.is((f.lookup(ROOT, '..') as Attributes).ino, ROOT)
  })

  withFixture('each kind of inode is created with its attributes and found again', (t, f) => {
    f.caller = { uid: 4294967295, gid: 2147483648, pid: 1, umask: 0, killsPrivileges: true }
    const kinds: [string, number, number][] = [
      ['file', 0o100640, 0],
      ['fifo', 0o010600, 0],
      ['socket', 0o140755, 0],
      ['char', 0o020666, 0x501],
      ['block', 0o060660, 0xfff00fff],
    ]
    for (const [name, mode, rdev] of kinds) {
      const made = f.mknod(ROOT, name, mode, rdev) as Attributes
      t.deepEqual(f.lookup(ROOT, name), made)
      t.deepEqual(f.getattr(made.ino), made)
      t.like(made, { mode, rdev, nlink: 1, size: 0, uid: 4294967295, gid: 2147483648 })
      t.is(made.mtime, made.ctime)
    }
    t.is(f.mknod(ROOT, 'dir', 0o040755), -EINVAL)
    t.like(f.mknod(ROOT, 'plain', 0o600), { mode: 0o100600 })
  })

  withFixture('directories count their subdirectories and know their parent', (t, f) => {
    const a = f.mkdir(ROOT, 'a') as Attributes
    const b = f.mkdir(a.ino, 'b') as Attributes
    t.like(f.stat('/a'), { nlink: 3, size: 4096 })
    t.is((f.lookup(b.ino, '..') as Attributes).ino, a.ino)
    t.is((f.lookup(b.ino, '.') as Attributes).ino, b.ino)
    t.is(f.rmdir(ROOT, 'a'), -ENOTEMPTY)
    t.is(f.rmdir(a.ino, 'b'), 0)
    t.is(f.stat('/a').nlink, 2)
    t.is(f.lookup(a.ino, 'b'), -ENOENT)
  })

  withFixture('names: 255 bytes of anything but slash and NUL', (t, f) => {
    const every = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).filter(c => c !== '/')
    const name = every.join('')
    const made = f.mknod(ROOT, name) as Attributes
    t.deepEqual(f.lookup(ROOT, name), made)
    t.deepEqual(f.list(ROOT), [name])
    t.is(f.mknod(ROOT, 'x'.repeat(256)), -ENAMETOOLONG)
    t.is(f.lookup(ROOT, 'x'.repeat(256)), -ENAMETOOLONG)
    t.is(f.mknod(ROOT, ''), -EINVAL)
    t.is(f.mknod(ROOT, 'a/b'), -EINVAL)
    t.is(f.mknod(ROOT, 'a\0b'), -EINVAL)
    t.is(f.mknod(ROOT, '..'), -EEXIST)
    t.like(f.mknod(ROOT, 'x'.repeat(255)), { nlink: 1 })
  })

  withFixture('paths end at 4095 bytes', (t, f) => {
    let at = ROOT
    for (let i = 0; i < 15; i++) at = (f.mkdir(at, 'd'.repeat(255)) as Attributes).ino
    t.is(f.mknod(at, 'x'.repeat(255)), -ENAMETOOLONG)
    const deepest = f.mkdir(at, 'y'.repeat(254)) as Attributes
    t.is(deepest.nlink, 2)
    t.is(f.lookup(deepest.ino, 'z'), -ENAMETOOLONG)
    t.is(f.mknod(deepest.ino, 'z'), -ENAMETOOLONG)
    t.deepEqual(f.list(deepest.ino), [])
    t.is(f.rmdir(at, 'y'.repeat(254)), 0)
  })

  withFixture('a setgid directory hands on its group, to directories the bit too', (t, f) => {
    const parent = f.mkdir(ROOT, 'shared', 0o2775) as Attributes
    f.setattr(parent.ino, 1 << 2, { gid: 77 })
    f.caller = { uid: 5, gid: 6, pid: 1, umask: 0, killsPrivileges: true }
    t.like(f.mknod(parent.ino, 'file'), { uid: 5, gid: 77, mode: 0o100644 })
    t.like(f.mkdir(parent.ino, 'dir'), { uid: 5, gid: 77, mode: 0o042755 })
    t.like(f.mknod(ROOT, 'file'), { uid: 5, gid: 6 })
  })

  withFixture('hard links are one inode', (t, f) => {
    const a = f.mknod(ROOT, 'a') as Attributes
    const dir = f.mkdir(ROOT, 'dir') as Attributes
    const linked = f.link(a.ino, dir.ino, 'b') as Attributes
    t.like(linked, { ino: a.ino, nlink: 2 })
    t.true(linked.ctime > a.ctime)
    t.deepEqual(f.stat('/a'), linked)
    t.is(f.link(dir.ino, ROOT, 'dir2'), -EPERM)
    t.is(f.link(a.ino, dir.ino, 'b'), -EEXIST)
    t.is(f.link(999, dir.ino, 'c'), -ENOENT)
    t.is(f.unlink(ROOT, 'a'), 0)
    t.is(f.stat('/dir/b').nlink, 1)
    f.forget(a.ino)
    t.is(f.stat('/dir/b').nlink, 1)
  })

  withFixture('an inode has at most 2,000,000,000 names', (t, f) => {
    const { ino } = f.mknod(ROOT, 'a') as Attributes
    const key = new Uint8Array(NUMBER_KEY)
    const keyLength = numberKey(key, NS_INODE, ino)
    const record = new InodeRecord()
    record.loaded(f.metadata.getInto(key, keyLength, record.bytes, 0))
    const pretend = (nlink: number) => {
      record.nlink = nlink
      f.metadata.begin()
      f.metadata.stagePut(key, keyLength, record.bytes, 0, record.length)
      f.metadata.commit()
    }
    pretend(MAX_LINKS - 1)
    t.like(f.link(ino, ROOT, 'b'), { nlink: MAX_LINKS })
    t.is(f.link(ino, ROOT, 'c'), -EMLINK)
    t.is(f.lookup(ROOT, 'c'), -ENOENT)
    t.is(f.unlink(ROOT, 'b'), 0)
    t.like(f.link(ino, ROOT, 'c'), { nlink: MAX_LINKS })
    pretend(2)
  })

  withFixture('an unlinked inode lives until it is forgotten', (t, f) => {
    const a = f.mknod(ROOT, 'a') as Attributes
    f.write(a.ino, 0, 'still here')
    t.is(f.unlink(ROOT, 'a'), 0)
    t.is(f.lookup(ROOT, 'a'), -ENOENT)
    t.like(f.getattr(a.ino), { nlink: 0, size: 10 })
    t.is(f.write(a.ino, 10, '!'), 1)
    t.is(f.read(a.ino, 0, 100).toString(), 'still here!')
    t.is(f.link(a.ino, ROOT, 'back'), -ENOENT)
    f.forget(a.ino)
    t.is(f.getattr(a.ino), -ENOENT)
    f.forget(a.ino)
  })

  withFixture('a removed directory takes no entries, also when another has its path', (t, f) => {
    const old = f.mkdir(ROOT, 'd') as Attributes
    const other = f.another()
    const unknown = f.lookup(old.ino, 'x', other)
    t.is(unknown, -ENOENT)
    t.is(f.rmdir(ROOT, 'd'), 0)
    const fresh = f.mkdir(ROOT, 'd') as Attributes
    f.mknod(fresh.ino, 'x')
    for (const fs of [f.fs, other]) {
      t.is(f.lookup(old.ino, 'x', fs), -ENOENT)
      t.is(fs.mknod(f.caller, old.ino, bytesOf('y'), 0o600, 0, new Uint8Array(88), 0), -ENOENT)
    }
    t.deepEqual(f.list(fresh.ino), ['x'])
  })

  withFixture('removal refuses the wrong kind', (t, f) => {
    f.mkdir(ROOT, 'd')
    const file = f.mknod(ROOT, 'f') as Attributes
    t.is(f.unlink(ROOT, 'd'), -EISDIR)
    t.is(f.rmdir(ROOT, 'f'), -ENOTDIR)
    t.is(f.unlink(ROOT, 'none'), -ENOENT)
    t.is(f.rmdir(ROOT, 'none'), -ENOENT)
    t.is(f.rmdir(ROOT, '.'), -EINVAL)
    t.is(f.lookup(file.ino, 'x'), -ENOTDIR)
    t.is(f.mknod(file.ino, 'x'), -ENOTDIR)
    t.is(f.mkdir(ROOT, 'd'), -EEXIST)
    t.is(f.mkdir(ROOT, 'f'), -EEXIST)
  })

  withFixture('symbolic links keep their target, up to 4095 bytes', (t, f) => {
    const made = f.symlink(ROOT, 'l', '../\xff\x01') as Attributes
    t.like(made, { mode: 0o120777, size: 5 })
    t.is(f.readlink(made.ino), '../\xff\x01')
    t.is(f.readlink(ROOT), -EINVAL)
    const long = f.symlink(ROOT, 'long', 'x'.repeat(4095)) as Attributes
    t.is(f.readlink(long.ino), 'x'.repeat(4095))
    t.is(f.symlink(ROOT, 'longer', 'x'.repeat(4096)), -ENAMETOOLONG)
    t.is(f.symlink(ROOT, 'empty', ''), -ENOENT)
    t.is(f.read(made.ino, 0, 1), -EINVAL)
    f.unlink(ROOT, 'l')
    f.forget(made.ino)
  })

  withFixture('changes of entries show in the times of their directory', (t, f) => {
    const dir = f.mkdir(ROOT, 'd') as Attributes
    const changes: (() => unknown)[] = [
      () => f.mknod(dir.ino, 'a'),
      () => f.mkdir(dir.ino, 'b'),
      () => f.rename(dir.ino, 'a', dir.ino, 'c'),
      () => f.rename(dir.ino, 'c', ROOT, 'c'),
      () => f.rename(ROOT, 'c', dir.ino, 'c'),
      () => f.unlink(dir.ino, 'c'),
      () => f.rmdir(dir.ino, 'b'),
    ]
    for (const change of changes) {
      const before = f.stat('/d')
      t.not(change(), -1)
      const after = f.stat('/d')
      t.true(after.mtime > before.mtime)
      t.true(after.ctime > before.ctime)
    }
  })

  withFixture('a read-only filesystem answers EROFS to every change', (t, f) => {
    const file = f.mknod(ROOT, 'f') as Attributes
    f.write(file.ino, 0, 'abc')
    f.fs = f.another(f.data, true)
    t.is(f.read(file.ino, 0, 9).toString(), 'abc')
    t.deepEqual(f.list(ROOT), ['f'])
    t.is(f.mknod(ROOT, 'g'), -EROFS)
    t.is(f.mkdir(ROOT, 'g'), -EROFS)
    t.is(f.symlink(ROOT, 'g', 'x'), -EROFS)
    t.is(f.link(file.ino, ROOT, 'g'), -EROFS)
    t.is(f.unlink(ROOT, 'f'), -EROFS)
    t.is(f.rmdir(ROOT, 'f'), -EROFS)
    t.is(f.rename(ROOT, 'f', ROOT, 'g'), -EROFS)
    t.is(f.write(file.ino, 0, 'x'), -EROFS)
    t.is(f.truncate(file.ino, 0), -EROFS)
    t.is(f.setattr(file.ino, 1, { mode: 0 }), -EROFS)
    t.is(f.fs.fsync(file.ino, false), 0)
  })
}
