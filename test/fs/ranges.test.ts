/** Ranges of files: reserved, punched, zeroed, looked for, and copied; in the tree, on the host, and from one to the other. */
import { constants } from 'node:os'
import test from 'ava'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { hostFailure } from '../support/host-failure.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

const { EFBIG, EINVAL, EISDIR, ENODEV, ENOENT, ENOSPC, ENXIO, EOPNOTSUPP } = constants.errno
const KEEP = 1
const PUNCH = 3
const COLLAPSE = 8
const ZERO = 16
const INSERT = 32
const DATA = 3
const HOLE = 4
const MB = 1 << 20

const unsupported = (): never => {
  throw hostFailure('ENOTSUP', 'fallocate', 'not here')
}
/** Hosts as they are, that make holes and do not zero, and that can do nothing of it. */
const hosts: Record<string, Storage> = {
  host: hostStorage,
  'host without ZERO_RANGE': {
    ...hostStorage,
    allocate: (fd, mode, at, n) => ((mode & ZERO) !== 0 ? unsupported() : hostStorage.allocate(fd, mode, at, n)),
  },
  'host without holes': {
    ...hostStorage,
    allocate: (fd, mode, at, n) => (mode > KEEP ? unsupported() : hostStorage.allocate(fd, mode, at, n)),
    copyRange: unsupported,
  },
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
  /** Much faster than deepEqual. */
  const same = (t: import('ava').ExecutionContext, found: Buffer, expected: Uint8Array) =>
    t.true(found.equals(expected))
  const text = (f: FsFixture, ino: number) => f.read(ino, 0, 4 * MB) as Buffer

  for (const [host, storage] of Object.entries(hosts)) {
    for (const size of [5000, 200_000]) {
      withFixture(
        `${host}: a file of ${size} bytes is punched, zeroed and reserved`,
        (t, f) => {
          const ino = newFile(f)
          const model = Buffer.alloc(size, 'a')
          f.write(ino, 0, model)
          t.is(f.fallocate(ino, PUNCH, 1000, 2000), 0)
          same(t, text(f, ino), model.fill(0, 1000, 3000))
          t.is(f.fallocate(ino, PUNCH, size - 100, MB), 0)
          same(t, text(f, ino), model.fill(0, size - 100))
          t.is(f.fallocate(ino, ZERO | KEEP, 4000, 500), 0)
          t.is(f.fallocate(ino, 0, 0, 100), 0)
          t.is(f.fallocate(ino, KEEP, 100, 100), 0)
          same(t, text(f, ino), model.fill(0, 4000, 4500))
          t.is(f.fallocate(ino, ZERO, size - 1000, 1500), 0)
          same(t, text(f, ino), Buffer.concat([model.fill(0, size - 1000), Buffer.alloc(500)]))
          t.is(f.fallocate(ino, 0, size, 5000), 0)
          t.is(f.stat('/f').size, size + 5000)
          if (size === 5000) t.is(f.stat('/f').blocks, 24)
          f.truncate(ino, size + 500)
          same(t, text(f, ino), Buffer.concat([model, Buffer.alloc(500)]))
        },
        storage,
      )
    }

    withFixture(
      `${host}: copies from and to tree and host, within a file, and of holes`,
      (t, f) => {
        const small = newFile(f, 'small')
        f.write(small, 0, 's'.repeat(3000))
        const large = newFile(f, 'large')
        f.write(large, 100_000, 'l'.repeat(100_000))
        f.write(large, MB, 'end')
        const target = newFile(f, 'target')
        t.is(f.copyRange(small, 1000, target, 0, MB), 2000)
        t.is(f.copyRange(small, 0, target, 1_000_000, 10), 10)
        t.is(f.copyRange(large, 0, target, 500, 2 * MB), MB + 3)
        t.is(f.copyRange(target, 0, small, 3000, 510), 510)
        t.is(f.copyRange(large, 5000, large, 2 * MB, 150_000), 150_000)
        const l = Buffer.concat([Buffer.alloc(100_000), Buffer.alloc(100_000, 'l'), Buffer.alloc(MB - 200_000)])
        const all = Buffer.concat([l, Buffer.from('end')])
        same(t, text(f, target), Buffer.concat([Buffer.alloc(500, 's'), all]))
        same(t, text(f, small), Buffer.concat([Buffer.alloc(3500, 's'), Buffer.alloc(10)]))
        same(t, text(f, large).subarray(2 * MB), all.subarray(5000, 155_000))
      },
      storage,
    )
  }

  withFixture('what cannot be done answers the right errno and changes nothing', (t, f) => {
    const ino = newFile(f)
    const dir = (f.mkdir(ROOT, 'd') as Attributes).ino
    const fifo = (f.mknod(ROOT, 'p', 0o010600) as Attributes).ino
    f.write(ino, 0, 'abc')
    for (const mode of [COLLAPSE, INSERT, ZERO | PUNCH, 2, 64]) t.is(f.fallocate(ino, mode, 0, 4096), -EOPNOTSUPP)
    t.is(f.fallocate(ino, 0, 0, 0), -EINVAL)
    t.is(f.fallocate(ino, 0, Number.MAX_SAFE_INTEGER, 1), -EFBIG)
    t.is(f.fallocate(dir, 0, 0, 1), -EISDIR)
    t.is(f.fallocate(fifo, 0, 0, 1), -ENODEV)
    t.is(f.fallocate(999, 0, 0, 1), -ENOENT)
    t.is(f.copyRange(ino, 0, ino, 2, 3), -EINVAL)
    t.is(f.copyRange(ino, 3, ino, 10, 3), 0)
    t.is(f.copyRange(ino, 0, dir, 0, 3), -EISDIR)
    t.is(f.copyRange(fifo, 0, ino, 0, 3), -EINVAL)
    t.is(f.copyRange(ino, 0, ino, Number.MAX_SAFE_INTEGER, 3), -EFBIG)
    t.is(f.fs.seek(ino, 3, DATA), -ENXIO)
    t.is(f.fs.seek(ino, 3, HOLE), -ENXIO)
    t.is(f.fs.seek(ino, 0, 7), -EINVAL)
    t.is(text(f, ino).toString(), 'abc')
  })

  withFixture('holes and data are found where the host has them', (t, f) => {
    const ino = newFile(f)
    f.write(ino, 0, 'abc')
    t.is(f.fs.seek(ino, 1, DATA), 1)
    t.is(f.fs.seek(ino, 1, HOLE), 3)
    f.truncate(ino, 8 * MB)
    t.is(f.fs.seek(ino, 4096, DATA), -ENXIO)
    t.is(f.fs.seek(ino, 3 * MB, HOLE), 3 * MB)
    f.write(ino, 4 * MB, 'x'.repeat(4096))
    t.is(f.fs.seek(ino, 4096, DATA), 4 * MB)
    t.is(f.fs.seek(ino, 4 * MB, HOLE), 4 * MB + 4096)
    f.fallocate(ino, PUNCH, 0, 4096)
    t.is(f.fs.seek(ino, 0, DATA), 4 * MB)
    f.write(ino, 8 * MB - 1, 'z')
    t.is(f.fs.seek(ino, 8 * MB - 1, HOLE), 8 * MB)
  })

  withFixture('blocks are what the host has: holes, reserved space, and after a truncation', (t, f) => {
    const ino = newFile(f)
    const blocks = () => f.stat('/f').blocks
    f.fallocate(ino, KEEP, 0, MB)
    t.like(f.stat('/f'), { size: 0, blocks: 2048 })
    f.write(ino, 0, 'x'.repeat(100_000))
    t.like(f.stat('/f'), { size: 100_000, blocks: 2048 })
    f.truncate(ino, 100_000)
    t.is(blocks(), 200)
    f.fallocate(ino, PUNCH, 4096, 40960)
    t.is(blocks(), 120)
    f.write(ino, 8192, 'x'.repeat(4096))
    t.is(blocks(), 128)
    f.truncate(ino, 10 * MB)
    t.is(blocks(), 128)
    f.write(ino, 5 * MB, 'x')
    t.is(blocks(), 136)
    f.truncate(ino, 50_000)
    t.is(blocks(), 32)
    f.fallocate(ino, 0, 0, 50_000)
    // The host may need a block for the list of the extents.
    t.true([104, 112].includes(blocks()))
  })

  let failing = false
  const full: Storage = {
    ...hostStorage,
    allocate(fd, mode, position, length) {
      hostStorage.allocate(fd, mode, position, failing ? length >> 1 : length)
      if (failing) {
        throw hostFailure('ENOSPC', 'fallocate', 'no space')
      }
    },
  }
  withFixture(
    'a reservation that fails takes no space and changes nothing',
    (t, f) => {
      const small = newFile(f, 'small')
      const large = newFile(f, 'large')
      f.write(small, 0, 'abc')
      f.write(large, 0, 'x'.repeat(10_000))
      const taken = () => [...f.data.ids()].map(id => f.data.allocated(id))
      const before = taken()
      failing = true
      for (const [name, ino] of [
        ['small', small],
        ['large', large],
      ] as const) {
        const attributes = f.stat(`/${name}`)
        t.is(f.fallocate(ino, 0, 0, MB), -ENOSPC)
        t.deepEqual(f.stat(`/${name}`), attributes)
      }
      t.deepEqual(taken(), before)
      failing = false
      f.truncate(large, 10_001)
      t.is(f.stat('/large').blocks, 24)
    },
    full,
  )
}
