/** The host forgets what a failed sync was to save: a later fsync of the file must not be answered as if it had been saved. */
import { constants } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { FailingStorage, type StorageCall } from '../support/failing-storage.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { MapMetadata } from '../support/map-metadata.ts'
import { emptyMedium, makeDirectory } from './crash-run.ts'

const { EIO } = constants.errno
const LARGE = Buffer.alloc(20_000, 'x')

/** Two files on the host, one of which fsync has failed for. */
function afterFailedSync(t: ExecutionContext, kind: StorageCall) {
  const { directory, remove } = makeDirectory()
  t.teardown(remove)
  const storage = new FailingStorage(emptyMedium(directory), { kinds: [kind] })
  const f = new FsFixture(new MapMetadata(), storage, directory)
  const [file, other] = ['file', 'other'].map(name => (f.mknod(ROOT, name) as Attributes).ino)
  for (const ino of [file, other]) t.is(f.write(ino, 0, LARGE), LARGE.length)
  storage.failAt = storage.calls + 1
  t.is(f.fs.fsync(file, false), -EIO)
  return { f, file, other }
}

test('after a failed fsync no other one of the file succeeds, and nothing is written to it', t => {
  const { f, file, other } = afterFailedSync(t, 'datasync')
  for (let i = 0; i < 3; i++) t.is(f.fs.fsync(file, true), -EIO)
  t.is(f.write(file, 0, LARGE), -EIO)
  t.is(f.write(file, 50_000, LARGE), -EIO)
  t.is(f.truncate(file, 50_000), -EIO)
  t.is(f.fallocate(file, 0, 0, 100_000), -EIO)
  t.is(f.copyRange(other, 0, file, 0, 100), -EIO)
  t.deepEqual(f.read(file, 0, 30_000), LARGE)
  t.is(f.write(other, 0, 'others go on'), 12)
  t.is(f.fs.fsync(other, false), 0)
})

test('what replaces the bytes in doubt can be saved', t => {
  const { f, file } = afterFailedSync(t, 'datasync')
  t.is((f.truncate(file, 0) as Attributes).size, 0)
  t.is(f.write(file, 0, LARGE), LARGE.length)
  t.is(f.fs.fsync(file, false), 0)
  t.deepEqual(f.check(), [])
})

test('a file in doubt can be removed', t => {
  const { f, file } = afterFailedSync(t, 'datasync')
  t.is(f.unlink(ROOT, 'file'), 0)
  f.forget(file)
  f.fs.collectRetired()
  t.deepEqual(f.check(), [])
})

test('after a failed sync of a directory of data files no file is said to be saved', t => {
  const { f, file, other } = afterFailedSync(t, 'syncDirectory')
  t.is(f.fs.fsync(file, false), -EIO)
  t.is(f.fs.fsync(other, false), -EIO)
})

test('opened again the file can be written', t => {
  const { f, file } = afterFailedSync(t, 'datasync')
  f.restart()
  t.is(f.write(file, 0, LARGE), LARGE.length)
  t.is(f.fs.fsync(file, false), 0)
})
