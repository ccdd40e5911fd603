/** Reading, writing, truncation and the move between tree and data file. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'
import { MAX_INLINE } from '../../src/limits.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

const { EFBIG, EINVAL, EISDIR, ENOENT, ENOSPC } = constants.errno

/** Host paths of all data files. */
function hostFiles(f: FsFixture): string[] {
  const found: string[] = []
  const top = join(f.directory, 'data')
  for (const folder of hostStorage.list(top)) {
    for (const name of readdirSync(join(top, folder))) found.push(join(top, folder, name))
  }
  return found
}

for (const [store, create] of Object.entries(metadataFactories)) {
  const withFixture = (
    title: string,
    body: (t: import('ava').ExecutionContext, f: FsFixture) => void,
    storage: Storage = hostStorage,
  ) =>
    test(`${store}: ${title}`, t => {
      const f = new FsFixture(create(), storage)
      try {
        body(t, f)
        t.deepEqual(f.check(), [])
      } finally {
        f.dispose()
      }
    })
  const newFile = (f: FsFixture, name = 'f') => (f.mknod(ROOT, name) as Attributes).ino

  withFixture('a small file lives in the tree, the write that outgrows it moves it out', (t, f) => {
    const ino = newFile(f)
    t.is(f.write(ino, 0, 'a'.repeat(MAX_INLINE)), MAX_INLINE)
    t.like(f.stat('/f'), { size: MAX_INLINE, blocks: MAX_INLINE / 512 })
    t.is(hostFiles(f).length, 0)
    t.is(f.write(ino, MAX_INLINE, 'b'), 1)
    t.is(hostFiles(f).length, 1)
    t.like(f.stat('/f'), { size: MAX_INLINE + 1, blocks: 24 })
    t.is(f.read(ino, 0, 10000).toString(), `${'a'.repeat(MAX_INLINE)}b`)
    t.is((f.read(ino, MAX_INLINE + 1, 10) as Buffer).length, 0)
    t.is((f.read(ino, 1e15, 10) as Buffer).length, 0)
  })

  withFixture('holes read as zeros, in the tree and on the host', (t, f) => {
    const small = newFile(f, 'small')
    f.write(small, 100, 'x')
    t.deepEqual(f.read(small, 0, 200), Buffer.from(`${'\0'.repeat(100)}x`))
    const large = newFile(f, 'large')
    f.write(large, 20000, 'x')
    f.write(large, 1_000_000_000_000, 'y')
    t.is(f.stat('/large').size, 1_000_000_000_001)
    t.true(f.stat('/large').blocks <= 24)
    t.deepEqual(f.read(large, 19999, 3), Buffer.from('\0x\0'))
    t.deepEqual(f.read(large, 999_999_999_999, 3), Buffer.from('\0y'))
  })

  withFixture('truncation up and down never shows old bytes', (t, f) => {
    for (const [size, shorter, longer] of [
      [5000, 100, 6000],
      [5000, 100, 50000],
      [50000, 10000, 60000],
      [50000, 100, 6000],
      [50000, 100, 60000],
      [50000, 0, 60000],
    ]) {
      const ino = newFile(f)
      f.write(ino, 0, 'a'.repeat(size))
      t.like(f.truncate(ino, shorter), { size: shorter })
      t.deepEqual(f.read(ino, 0, size), Buffer.alloc(shorter, 'a'))
      t.like(f.truncate(ino, longer), { size: longer })
      t.deepEqual(f.read(ino, 0, longer), Buffer.concat([Buffer.alloc(shorter, 'a'), Buffer.alloc(longer - shorter)]))
      t.deepEqual(f.check(), [])
      f.unlink(ROOT, 'f')
      f.forget(ino)
    }
    f.fs.collectRetired()
    t.deepEqual(hostFiles(f), [])
  })

  withFixture('a file of 999,999,999,999,999 bytes, and the largest there is', (t, f) => {
    const ino = newFile(f)
    t.like(f.truncate(ino, 999_999_999_999_999), { size: 999_999_999_999_999, blocks: 0 })
    t.deepEqual(f.read(ino, 999_999_999_999_990, 100), Buffer.alloc(9))
    t.like(f.truncate(ino, Number.MAX_SAFE_INTEGER), { size: Number.MAX_SAFE_INTEGER })
    t.is(f.truncate(ino, Number.MAX_SAFE_INTEGER + 1), -EFBIG)
    t.is(f.write(ino, Number.MAX_SAFE_INTEGER, 'x'), -EFBIG)
    t.is(f.write(ino, Number.MAX_SAFE_INTEGER - 100, 'x'), -EFBIG)
    t.is(f.stat('/f').size, Number.MAX_SAFE_INTEGER)
  })

  withFixture('bytes belong to regular files only', (t, f) => {
    const dir = (f.mkdir(ROOT, 'd') as Attributes).ino
    const fifo = (f.mknod(ROOT, 'p', 0o010600) as Attributes).ino
    t.is(f.write(dir, 0, 'x'), -EISDIR)
    t.is(f.read(dir, 0, 1), -EISDIR)
    t.is(f.truncate(dir, 0), -EISDIR)
    t.is(f.write(fifo, 0, 'x'), -EINVAL)
    t.is(f.truncate(fifo, 0), -EINVAL)
    t.is(f.write(999, 0, 'x'), -ENOENT)
    t.is(f.read(999, 0, 1), -ENOENT)
  })

  withFixture('writing changes mtime and ctime, and takes setuid from a file', (t, f) => {
    const before = f.mknod(ROOT, 'f', 0o106755) as Attributes
    f.write(before.ino, 0, 'x')
    const after = f.stat('/f')
    t.true(after.mtime > before.mtime && after.ctime > before.ctime)
    t.is(after.atime, before.atime)
    t.is(after.mode, 0o106755)
    f.caller = { uid: 7, gid: 7, pid: 1, umask: 0, killsPrivileges: true }
    f.write(before.ino, 0, 'x')
    t.is(f.stat('/f').mode, 0o100755)
    const noGroup = f.mknod(ROOT, 'g', 0o106745) as Attributes
    f.truncate(noGroup.ino, 5)
    t.is(f.stat('/g').mode, 0o102745)
  })

  withFixture('given-up data files stay until their removal is durable, then go', (t, f) => {
    const a = newFile(f, 'a')
    const b = newFile(f, 'b')
    f.write(a, 0, 'x'.repeat(20000))
    f.write(b, 0, 'x'.repeat(20000))
    f.truncate(a, 10)
    f.unlink(ROOT, 'b')
    t.is(hostFiles(f).length, 2)
    f.fs.collectRetired()
    t.is(hostFiles(f).length, 1)
    f.forget(b)
    t.is(hostFiles(f).length, 1)
    t.is(f.fs.collectRetired(), 1)
    t.deepEqual(hostFiles(f), [])
    t.is(f.fs.collectRetired(), 0)
    t.is(f.read(a, 0, 100).toString(), 'x'.repeat(10))
  })

  withFixture('bytes that a crash left past the end do not come back', (t, f) => {
    const ino = newFile(f)
    f.write(ino, 0, 'a'.repeat(20000))
    const [host] = hostFiles(f)
    for (const grow of [() => f.truncate(ino, 40000), () => f.write(ino, 39999, '\0')]) {
      f.truncate(ino, 20000)
      writeFileSync(host, Buffer.concat([readFileSync(host), Buffer.alloc(15000, 'S')]))
      f.restart()
      t.is((f.read(ino, 0, 40000) as Buffer).length, 20000)
      grow()
      t.deepEqual(f.read(ino, 20000, 30000), Buffer.alloc(20000))
    }
    f.truncate(ino, 20000)
    writeFileSync(host, Buffer.alloc(50000, 'S'))
    f.restart()
    f.write(ino, 0, 'a')
    t.is(readFileSync(host).length, 20000)
  })

  withFixture('bytes that the host lost before any fsync read as zeros', (t, f) => {
    const ino = newFile(f)
    f.write(ino, 0, 'a'.repeat(20000))
    const [host] = hostFiles(f)
    truncateSync(host, 9000)
    t.deepEqual(f.read(ino, 8999, 3), Buffer.from('a\0\0'))
    t.is((f.read(ino, 10000, 20000) as Buffer).length, 10000)
  })

  withFixture('writes and truncations of two workers meet in one file', (t, f) => {
    const ino = newFile(f)
    const other = f.another()
    f.write(ino, 0, 'a'.repeat(20000))
    other.write(f.caller, ino, 20000, Buffer.alloc(100, 'b'))
    f.truncate(ino, 10)
    other.write(f.caller, ino, 10, Buffer.alloc(9000, 'c'))
    t.deepEqual(f.read(ino, 0, 99999), Buffer.concat([Buffer.alloc(10, 'a'), Buffer.alloc(9000, 'c')]))
    f.fs.collectRetired()
    t.is(hostFiles(f).length, 1)
  })

  const log: string[] = []
  const recording: Storage = {
    ...hostStorage,
    datasync(fd) {
      log.push('datasync')
      hostStorage.datasync(fd)
    },
    syncDirectory(path) {
      log.push(`directory ${path.slice(path.indexOf('holtfs-fs-') + 16)}`)
      hostStorage.syncDirectory(path)
    },
  }
  withFixture(
    'fsync: bytes, then their name, then metadata; directories once',
    (t, f) => {
      const ino = newFile(f)
      f.write(ino, 0, 'a'.repeat(20000))
      const { metadata } = f
      const sync = metadata.sync.bind(metadata)
      metadata.sync = () => {
        log.push('metadata')
        sync()
      }
      t.is(f.fs.fsync(ino, true), 0)
      t.deepEqual(log.splice(0), ['datasync', 'directory /data/01', 'directory /data', 'directory ', 'metadata'])
      f.write(ino, 0, 'b')
      t.is(f.another().fsync(ino, true), 0)
      t.deepEqual(log.splice(0), ['datasync', 'metadata'])
      f.truncate(ino, 100)
      log.splice(0)
      f.fs.fsync(ino, false)
      t.deepEqual(log.splice(0), ['metadata'])
    },
    recording,
  )

  let failing = ''
  const fail = (what: string) => {
    if (failing === what) throw Object.assign(new Error('no space'), { code: 'ENOSPC', errno: -ENOSPC, syscall: what })
  }
  const full: Storage = {
    ...hostStorage,
    open(path, flags) {
      fail('open')
      return hostStorage.open(path, flags)
    },
    write(fd, source, at, length, position) {
      if (failing === 'write') hostStorage.write(fd, source, at, length >> 1, position)
      fail('write')
      hostStorage.write(fd, source, at, length, position)
    },
  }
  withFixture(
    'a full host leaves the file as it was, and no stray bytes',
    (t, f) => {
      const ino = newFile(f)
      f.write(ino, 0, 'small')
      for (failing of ['open', 'write']) {
        t.is(f.write(ino, 5, 'a'.repeat(20000)), -ENOSPC)
        t.is(f.truncate(ino, 20000), -ENOSPC)
        failing = ''
        t.is(f.read(ino, 0, 100).toString(), 'small')
        t.deepEqual(f.check(), [])
        t.deepEqual(hostFiles(f), [])
      }
      f.write(ino, 5, 'a'.repeat(20000))
      failing = 'write'
      t.is(f.write(ino, 20005, 'b'.repeat(1000)), -ENOSPC)
      failing = ''
      f.write(ino, 30000, 'c')
      t.deepEqual(f.read(ino, 20005, 9995), Buffer.alloc(9995))
    },
    full,
  )
}
