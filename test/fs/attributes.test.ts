/** chmod, chown, utimens, statfs. */
import { constants } from 'node:os'
import * as ops from '../../src/fs/operations.ts'
import { fixtureTests } from '../support/fixture-tests.ts'
import { type Attributes, ROOT } from '../support/fs-fixture.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

for (const [store, create] of Object.entries(metadataFactories)) {
  const withFixture = fixtureTests(store, create)

  withFixture('chmod changes the permissions and ctime, never the type', (t, f) => {
    const before = f.mknod(ROOT, 'f') as Attributes
    const after = f.setattr(before.ino, ops.SET_MODE, { mode: 0o047777 }) as Attributes
    t.is(after.mode, 0o107777)
    t.true(after.ctime > before.ctime)
    t.is(after.mtime, before.mtime)
    t.deepEqual(f.getattr(before.ino), after)
    t.is(f.setattr(99, ops.SET_MODE, { mode: 0 }), -constants.errno.ENOENT)
  })

  withFixture('chown takes setuid and executable setgid from files, nothing from directories', (t, f) => {
    const file = f.mknod(ROOT, 'f', 0o106755) as Attributes
    t.like(f.setattr(file.ino, ops.SET_UID, { uid: 4294967295 }), { mode: 0o100755, uid: 4294967295, gid: 0 })
    const locking = f.mknod(ROOT, 'g', 0o106745) as Attributes
    t.like(f.setattr(locking.ino, ops.SET_GID, { gid: 3 }), { mode: 0o102745, gid: 3 })
    const dir = f.mkdir(ROOT, 'd', 0o6755) as Attributes
    t.like(f.setattr(dir.ino, ops.SET_UID | ops.SET_GID, { uid: 1, gid: 2 }), { mode: 0o046755, uid: 1, gid: 2 })
    const both = f.setattr(file.ino, ops.SET_UID | ops.SET_MODE, { uid: 9, mode: 0o4711 })
    t.like(both, { mode: 0o104711, uid: 9 })
  })

  withFixture('times keep nanoseconds, before 1970 and after 2106', (t, f) => {
    const { ino } = f.mknod(ROOT, 'f') as Attributes
    for (const [seconds, ns] of [
      [0, 0],
      [-1, 999999999],
      [-62135596800, 1],
      [4294967296, 123456789],
      [253402300799, 999999999],
    ]) {
      const set = { atime: seconds, atimeNs: ns, mtime: seconds + 1, mtimeNs: ns }
      f.setattr(ino, ops.SET_ATIME | ops.SET_MTIME, set)
      const { atime, mtime } = f.getattr(ino) as Attributes
      t.is(atime, BigInt(seconds) * 1_000_000_000n + BigInt(ns))
      t.is(mtime, BigInt(seconds + 1) * 1_000_000_000n + BigInt(ns))
    }
  })

  withFixture('UTIME_NOW is now, an omitted time stays', (t, f) => {
    const { ino } = f.mknod(ROOT, 'f') as Attributes
    f.setattr(ino, ops.SET_ATIME | ops.SET_MTIME, { atime: 5, mtime: 6 })
    const before = BigInt(Date.now()) * 1_000_000n
    f.setattr(ino, ops.SET_MTIME | ops.SET_MTIME_NOW, { mtime: 7 })
    const { atime, mtime, ctime } = f.getattr(ino) as Attributes
    t.is(atime, 5_000_000_000n)
    t.true(mtime >= before && mtime <= before + 5_000_000_000n)
    t.is(ctime, mtime)
    f.setattr(ino, ops.SET_CTIME, { ctime: 12, ctimeNs: 3 })
    t.is((f.getattr(ino) as Attributes).ctime, 12_000_000_003n)
  })

  withFixture('time never runs behind Date.now() and goes on in every thread', (t, f) => {
    const other = f.another()
    const attr = Buffer.alloc(88)
    let last = 0n
    for (let i = 0; i < 2000; i++) {
      const wall = BigInt(Date.now()) * 1_000_000n
      const fs = i % 2 === 0 ? f.fs : other
      fs.mknod(f.caller, ROOT, Buffer.from(`f${i}`), 0o600, 0, attr, 0)
      const time = attr.readBigInt64LE(40) * 1_000_000_000n + BigInt(attr.readUInt32LE(56))
      t.true(time >= wall, `${time} < ${wall}`)
      t.true(time >= last, `${time} < ${last}`)
      last = time
    }
  })

  withFixture('statfs answers the space of the host', (t, f) => {
    const out = { blockSize: 0, blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0, nameMax: 0 }
    t.is(f.fs.statfs(out), 0)
    t.true(out.blocks > 0 && out.blockSize >= 512 && out.blocksFree >= out.blocksAvailable)
    t.true(out.filesFree > 1e9 && out.filesFree < out.files)
    t.is(out.nameMax, 255)
  })
}
