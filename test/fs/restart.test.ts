/** A new process over the same store: what stays, what is collected, what is never given out twice. */
import { constants } from 'node:os'
import { join } from 'node:path'
import { readCounterBounds } from '../../src/fs/counters.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { fixtureTests } from '../support/fixture-tests.ts'
import { type Attributes, type Entry, ROOT } from '../support/fs-fixture.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

const { ENOENT } = constants.errno
const ino = (answer: number | Attributes) => (answer as Attributes).ino

for (const [store, create] of Object.entries(metadataFactories)) {
  const withFixture = fixtureTests(store, create)

  withFixture('everything with a name stays, inode numbers included', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    const file = ino(f.mknod(a, 'file'))
    f.write(file, 0, 'z'.repeat(30000))
    f.write(ino(f.mknod(a, 'small')), 0, 'tiny')
    f.symlink(ROOT, 'l', 'a/file')
    f.link(file, ROOT, 'again')
    f.rename(ROOT, 'a', ROOT, 'b')
    const before = ['/', '/b', '/b/file', '/b/small', '/l', '/again'].map(path => f.stat(path))
    f.restart()
    t.deepEqual(
      ['/', '/b', '/b/file', '/b/small', '/l', '/again'].map(path => f.stat(path)),
      before,
    )
    t.is(f.read(file, 0, 50000).toString(), 'z'.repeat(30000))
    t.deepEqual(f.list(a), ['file', 'small'])
    f.mknod(a, 'new')
  })

  withFixture('what was open without a name is gone, bytes included', (t, f) => {
    const gone: number[] = []
    for (let i = 0; i < 150; i++) {
      const file = ino(f.mknod(ROOT, 'f'))
      f.write(file, 0, 'x'.repeat(i % 3 === 0 ? 20000 : 10))
      f.unlink(ROOT, 'f')
      gone.push(file)
    }
    gone.push(ino(f.mkdir(ROOT, 'd')))
    f.rmdir(ROOT, 'd')
    t.deepEqual(f.check(), [])
    f.restart()
    for (const each of gone) t.is(f.getattr(each), -ENOENT)
    t.deepEqual([...f.data.ids()], [])
  })

  withFixture('numbers go on above all that were given out', (t, f) => {
    const seen = new Set<number>()
    const cookies = new Set<number>()
    for (let run = 0; run < 4; run++) {
      for (let i = 0; i < 1100; i++) seen.add(ino(f.mknod(ROOT, `${run} ${i}`)))
      f.restart()
    }
    for (const { cookie } of f.readdir(ROOT, 0, 10000) as Entry[]) cookies.add(cookie)
    t.is(seen.size, 4400)
    t.is(cookies.size, 4402)
    t.true(readCounterBounds(f.metadata)!.ino > Math.max(...seen))
  })

  withFixture('a data file in the making when the process died is removed', (t, f) => {
    const file = ino(f.mknod(ROOT, 'f'))
    f.write(file, 0, 'inline')
    const { metadata } = f
    const commit = metadata.commit.bind(metadata)
    let left = 1
    metadata.commit = () => {
      if (left-- > 0) return commit()
      metadata.abort()
      throw new Error('killed')
    }
    t.throws(() => f.write(file, 6, 'x'.repeat(20000)), { message: 'killed' })
    metadata.commit = commit
    t.is([...f.data.ids()].length, 1)
    t.deepEqual(f.check(), [])
    t.is(f.fs.collectRetired(), 0)
    f.restart()
    t.deepEqual([...f.data.ids()], [])
    t.is(f.read(file, 0, 100).toString(), 'inline')
  })

  withFixture('the check sees what does not agree', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    const file = ino(f.mknod(a, 'file'))
    f.write(file, 0, 'x'.repeat(20000))
    t.deepEqual(f.check(), [])
    const [id] = f.data.ids()
    f.data.remove(id)
    f.data.create(id + 1)
    const key = Buffer.from('d/a/file')
    f.metadata.begin()
    f.metadata.stageRename(key, key.length, Buffer.from('d/x/file'), key.length)
    f.metadata.stageDelete(Buffer.from('scounters'), 9)
    f.metadata.stagePut(Buffer.from('b\x02\x07\x01'), 4, key, 0, 3)
    f.metadata.stagePut(Buffer.from('o\x02\x07\x01'), 4, key, 0, 0)
    f.metadata.commit()
    const codes = new Set(f.check().map(problem => problem.code))
    t.deepEqual([...codes].sort(), [
      'COUNTER_COOKIE',
      'COUNTER_DATA',
      'COUNTER_INO',
      'DATA_MISSING',
      'DATA_UNREFERENCED',
      'INLINE_UNREFERENCED',
      'LISTING',
      'ORPHAN_MISSING',
      'PARENT_MISSING',
    ])
    t.is(f.check().find(problem => problem.code === 'PARENT_MISSING')!.path, '/x/file')
    hostStorage.unlink(join(f.directory, 'data', '02', '00000002'))
    f.data.create(id)
    f.metadata.begin()
    f.metadata.stageRename(Buffer.from('d/x/file'), 8, key, 8)
    f.metadata.stageDelete(Buffer.from('b\x02\x07\x01'), 4)
    f.metadata.stageDelete(Buffer.from('o\x02\x07\x01'), 4)
    const counters = new Uint8Array(40).fill(1)
    counters[0] = 2
    f.metadata.stagePut(Buffer.from('scounters'), 9, counters, 0, 40)
    f.metadata.commit()
  })
}
