/** rename(2), its flags, and readers that are overtaken by it. */
import { constants } from 'node:os'
import test from 'ava'
import { fixtureTests } from '../support/fixture-tests.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { MapMetadata } from '../support/map-metadata.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

const { EBUSY, EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY } = constants.errno
const NOREPLACE = 1
const EXCHANGE = 2
const WHITEOUT = 4

const ino = (answer: number | Attributes) => (answer as Attributes).ino

for (const [store, create] of Object.entries(metadataFactories)) {
  const withFixture = fixtureTests(store, create)

  withFixture('a file moves, and replaces another that stays open', (t, f) => {
    const dir = ino(f.mkdir(ROOT, 'd'))
    const a = f.mknod(ROOT, 'a') as Attributes
    const b = ino(f.mknod(dir, 'b'))
    f.write(b, 0, 'old')
    t.is(f.rename(ROOT, 'a', dir, 'b'), 0)
    t.is(f.lookup(ROOT, 'a'), -ENOENT)
    t.is(f.stat('/d/b').ino, a.ino)
    t.true(f.stat('/d/b').ctime > a.ctime)
    t.like(f.getattr(b), { nlink: 0 })
    t.is(f.read(b, 0, 9).toString(), 'old')
    f.forget(b)
    t.is(f.getattr(b), -ENOENT)
  })

  withFixture('two names of one inode: rename does nothing', (t, f) => {
    const a = ino(f.mknod(ROOT, 'a'))
    f.link(a, ROOT, 'b')
    const before = f.stat('/a')
    for (const flags of [0, EXCHANGE]) t.is(f.rename(ROOT, 'a', ROOT, 'b', flags), 0)
    t.is(f.rename(ROOT, 'a', ROOT, 'a'), 0)
    t.deepEqual(f.stat('/a'), before)
    t.deepEqual(f.list(ROOT), ['a', 'b'])
    t.is(f.rename(ROOT, 'a', ROOT, 'b', NOREPLACE), -EEXIST)
  })

  withFixture('a directory takes its subtree along, and counts follow', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    const b = ino(f.mkdir(ROOT, 'b'))
    const sub = ino(f.mkdir(a, 'sub'))
    const deep = ino(f.mkdir(sub, 'deep'))
    f.mknod(deep, 'file')
    t.is(f.rename(a, 'sub', b, 'moved'), 0)
    t.is(f.stat('/b/moved/deep/file').nlink, 1)
    t.is(f.stat('/a').nlink, 2)
    t.is(f.stat('/b').nlink, 3)
    t.is(ino(f.lookup(sub, '..')), b)
    t.deepEqual(f.list(deep), ['file'])
    f.mknod(deep, 'more')
    t.deepEqual(f.check(), [])
    t.is(f.rename(ROOT, 'b', a, 'b'), 0)
    t.deepEqual(f.list(deep), ['file', 'more'])
    t.is(f.stat('/').nlink, 3)
  })

  withFixture('a directory replaces only an empty one', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    f.mkdir(a, 'x')
    const b = ino(f.mkdir(ROOT, 'b'))
    f.mknod(b, 'y')
    t.is(f.rename(ROOT, 'a', ROOT, 'b'), -ENOTEMPTY)
    f.unlink(b, 'y')
    t.is(f.rename(ROOT, 'a', ROOT, 'b'), 0)
    t.is(f.stat('/b/x').nlink, 2)
    t.is(f.stat('/').nlink, 3)
    t.is(f.lookup(b, 'x'), -ENOENT)
    t.is(ino(f.lookup(a, 'x')), f.stat('/b/x').ino)
    const c = ino(f.mkdir(ROOT, 'c'))
    f.mkdir(c, 'd')
    t.is(f.rename(ROOT, 'b', c, 'd'), 0)
    t.like(f.stat('/c'), { nlink: 3 })
    t.is(f.stat('/').nlink, 3)
  })

  withFixture('what rename refuses', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    const b = ino(f.mkdir(a, 'b'))
    f.mknod(ROOT, 'f')
    f.mkdir(ROOT, 'ab')
    t.is(f.rename(ROOT, 'a', b, 'c'), -EINVAL)
    t.is(f.rename(ROOT, 'a', a, 'c'), -EINVAL)
    t.is(f.rename(a, 'b', ROOT, 'a'), -ENOTEMPTY)
    t.is(f.rename(a, 'b', ROOT, 'a', EXCHANGE), -EINVAL)
    t.is(f.rename(ROOT, 'a', a, 'b', EXCHANGE), -EINVAL)
    t.is(f.rename(ROOT, 'f', ROOT, 'a'), -EISDIR)
    t.is(f.rename(ROOT, 'a', ROOT, 'f'), -ENOTDIR)
    t.is(f.rename(ROOT, 'none', ROOT, 'x'), -ENOENT)
    t.is(f.rename(ROOT, 'f', ROOT, 'x', EXCHANGE), -ENOENT)
    t.is(f.rename(ROOT, 'f', ROOT, 'a', NOREPLACE), -EEXIST)
    t.is(f.rename(ROOT, 'f', ROOT, 'x', EXCHANGE | NOREPLACE), -EINVAL)
    t.is(f.rename(ROOT, 'f', ROOT, 'x', EXCHANGE | WHITEOUT), -EINVAL)
    t.is(f.rename(ROOT, 'f', ROOT, 'x', 8), -EINVAL)
    t.is(f.rename(ROOT, 'f', ROOT, '.'), -EBUSY)
    t.is(f.rename(ROOT, 'f', 999, 'x'), -ENOENT)
    t.is(f.rename(ROOT, 'a', ino(f.lookup(ROOT, 'ab')), 'c'), 0)
  })

  withFixture('RENAME_EXCHANGE swaps files, directories, and one with the other', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    const x = ino(f.mkdir(a, 'x'))
    f.mknod(x, 'in x')
    const y = ino(f.mkdir(ROOT, 'y'))
    f.mkdir(y, 'in y')
    const file = ino(f.mknod(ROOT, 'f'))
    t.is(f.rename(a, 'x', ROOT, 'y', EXCHANGE), 0)
    t.is(f.stat('/y/in x').nlink, 1)
    t.is(f.stat('/a/x/in y').nlink, 2)
    t.is(ino(f.lookup(x, '..')), ROOT)
    t.is(ino(f.lookup(y, '..')), a)
    t.deepEqual(f.check(), [])
    t.is(f.rename(ROOT, 'f', a, 'x', EXCHANGE), 0)
    t.is(f.stat('/a/x').ino, file)
    t.is(f.stat('/f/in y').nlink, 2)
    t.is(f.stat('/a').nlink, 2)
    t.is(f.stat('/').nlink, 5)
    t.deepEqual(f.check(), [])
    t.is(f.rename(ROOT, 'f', a, 'x', EXCHANGE), 0)
    t.is(f.stat('/a/x/in y').nlink, 2)
  })

  withFixture('no directory is moved to where a path below it would be too long', (t, f) => {
    let at = ROOT
    for (let i = 0; i < 14; i++) at = ino(f.mkdir(at, 'd'.repeat(255)))
    const top = ino(f.mkdir(ROOT, 'top'))
    const sub = ino(f.mkdir(top, 'sub'))
    const long = ino(f.mkdir(sub, 'e'.repeat(255)))
    for (let i = 0; i < 300; i++) f.mknod(sub, `f${i}`)
    const name = 'x'.repeat(4095 - 14 * 256 - 2 - 3 - 1 - 256)
    f.mknod(long, name)
    t.is(f.rename(ROOT, 'top', at, 't'), -ENAMETOOLONG)
    t.is(f.rename(ROOT, 'top', at, 't', EXCHANGE), -ENOENT)
    f.unlink(long, name)
    f.mknod(long, name.slice(5))
    t.is(f.rename(ROOT, 'top', at, 't'), 0)
    t.deepEqual(f.list(long), [name.slice(5)])
    t.is(f.list(sub).length, 301)
  })
}

test('a lookup that a directory rename overtakes never answers from a mixed state', t => {
  // The rename happens before the n-th read of the lookup, for every n.
  for (let n = 0; ; n++) {
    const metadata = new MapMetadata()
    const f = new FsFixture(metadata)
    const mover = f.another()
    const a = ino(f.mkdir(ROOT, 'a'))
    const b = ino(f.mkdir(a, 'b'))
    const c = ino(f.mkdir(b, 'c'))
    const file = ino(f.mknod(c, 'file'))
    f.mkdir(ROOT, 'elsewhere')
    const reader = f.another()
    let reads = 0
    metadata.onRead = () => {
      if (reads++ !== n) return
      metadata.onRead = undefined
      t.is(f.rename(a, 'b', ROOT, 'moved', 0, mover), 0)
    }
    t.is(ino(f.lookup(c, 'file', reader)), file, `overtaken at read ${n}`)
    const done = metadata.onRead !== undefined
    metadata.onRead = undefined
    const entries = f.readdir(c, 0, 10, false, reader)
    t.deepEqual(Array.isArray(entries) && entries.map(entry => entry.name), ['.', '..', 'file'])
    t.deepEqual(f.check(), [])
    f.dispose()
    if (done) {
      t.true(n > 3)
      break
    }
  }
})

test('a listing never mixes in the directory that takes the place of its own', t => {
  for (let n = 0, done = false; !done; n++) {
    const metadata = new MapMetadata()
    const f = new FsFixture(metadata)
    const mover = f.another()
    const a = ino(f.mkdir(ROOT, 'a'))
    const b = ino(f.mkdir(a, 'b'))
    const other = ino(f.mkdir(ROOT, 'other'))
    for (const name of ['1', '3', '5']) f.mknod(b, name)
    for (const name of ['0', '2', '4', '6']) f.mknod(other, name)
    const reader = f.another()
    let reads = 0
    metadata.onRead = () => {
      if (reads++ !== n) return
      metadata.onRead = undefined
      t.is(f.rename(a, 'b', ROOT, 'other', EXCHANGE, mover), 0)
    }
    const names: string[] = []
    for (let offset = 2; ; ) {
      const entries = f.readdir(b, offset, 10, false, reader)
      if (!Array.isArray(entries) || entries.length === 0) break
      offset = entries.at(-1)!.cookie
      names.push(...entries.map(entry => entry.name))
    }
    t.deepEqual(names, ['1', '3', '5'], `overtaken at read ${n}`)
    done = metadata.onRead !== undefined
    f.dispose()
  }
})

test('a rename that fails leaves the names as they were and the section open to others', t => {
  const metadata = new MapMetadata()
  const f = new FsFixture(metadata)
  const a = ino(f.mkdir(ROOT, 'a'))
  f.mknod(a, 'x')
  metadata.failCommit = () => {
    throw new Error('disk gone')
  }
  t.throws(() => f.rename(ROOT, 'a', ROOT, 'b'), { message: 'disk gone' })
  t.throws(() => f.mknod(ROOT, 'y'), { message: 'disk gone' })
  metadata.failCommit = undefined
  t.false(metadata.inside)
  t.deepEqual(f.list(ROOT), ['a'])
  t.is(f.stat('/a/x').nlink, 1)
  t.is(f.rename(ROOT, 'a', ROOT, 'b'), 0)
  t.is(f.stat('/b/x').nlink, 1)
  t.deepEqual(f.check(), [])
  f.dispose()
})
