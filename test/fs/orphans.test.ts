/** Inodes without a name: they end when the kernel does not know them any more, not when it says that it has forgotten them. */
import { constants } from 'node:os'
import { fixtureTests } from '../support/fixture-tests.ts'
import { type Attributes, bytesOf, type FsFixture, ROOT } from '../support/fs-fixture.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

const { ENOENT } = constants.errno
const never = () => false

function tmpfile(f: FsFixture): Attributes {
  const attr = Buffer.alloc(88)
  const result = f.fs.tmpfile(f.caller, ROOT, 0o640, attr, 0)
  if (result < 0) throw new Error(`errno ${-result}`)
  return f.getattr(Number(attr.readBigUInt64LE(0))) as Attributes
}

for (const [store, create] of Object.entries(metadataFactories)) {
  const withFixture = fixtureTests(store, create)

  withFixture('an orphan that the kernel forgot in part lives on', (t, f) => {
    const { ino } = f.mknod(ROOT, 'f') as Attributes
    f.write(ino, 0, 'content')
    f.unlink(ROOT, 'f')
    t.is(f.fs.collectForgotten(never), 0, 'nobody has forgotten it')
    f.fs.forget(ino)
    const asked: number[] = []
    const known = (other: number) => asked.push(other) > 0
    t.is(f.fs.collectForgotten(known), 0)
    t.deepEqual(asked, [ino])
    t.is(f.read(ino, 0, 100).toString(), 'content')
    t.is(f.fs.collectForgotten(never), 0, 'asked again only after the next forget')
    f.fs.forget(ino)
    t.is(f.fs.collectForgotten(never), 1)
    t.is(f.getattr(ino), -ENOENT)
    t.deepEqual(f.check(), [])
  })

  withFixture('many orphans, of which the kernel knows every third', (t, f) => {
    const inos: number[] = []
    for (let i = 0; i < 200; i++) {
      const { ino } = f.mknod(ROOT, 'f') as Attributes
      f.unlink(ROOT, 'f')
      f.fs.forget(ino)
      inos.push(ino)
    }
    const known = inos.filter((_, i) => i % 3 === 0)
    t.is(
      f.another().collectForgotten(ino => known.includes(ino)),
      inos.length - known.length,
    )
    for (const ino of inos) t.is(typeof f.getattr(ino), known.includes(ino) ? 'object' : 'number')
    t.deepEqual(f.check(), [])
  })

  withFixture('a file that never had a name is not collected before the kernel was seen to know it', (t, f) => {
    const { ino, nlink, mode } = tmpfile(f)
    t.deepEqual([nlink, mode], [0, 0o100640])
    const other = f.mknod(ROOT, 'f') as Attributes
    f.unlink(ROOT, 'f')
    f.fs.forget(other.ino)
    t.is(f.fs.collectForgotten(never), 1)
    t.is(f.write(ino, 0, 'x'), 1)
    t.deepEqual(f.check(), [])
    f.fs.forget(ino)
    t.is(f.fs.collectForgotten(never), 1)
    t.is(f.getattr(ino), -ENOENT)
    t.deepEqual(f.check(), [])
  })

  withFixture('a file without a name gets one, also after a forget in part; later it is like any other', (t, f) => {
    const { ino } = tmpfile(f)
    f.write(ino, 0, 'content')
    f.fs.forget(ino)
    t.like(f.link(ino, ROOT, 'named'), { ino, nlink: 1 })
    t.is(f.fs.collectForgotten(never), 0)
    t.is(f.stat('/named').size, 7)
    t.deepEqual(f.check(), [])
    f.unlink(ROOT, 'named')
    t.is(f.link(ino, ROOT, 'again'), -ENOENT)
    f.forget(ino)
    t.is(f.getattr(ino), -ENOENT)
    t.deepEqual(f.check(), [])
  })

  withFixture('a restart removes what never had a name', (t, f) => {
    const { ino } = tmpfile(f)
    f.write(ino, 0, Buffer.alloc(20_000))
    f.restart()
    f.fs.collectRetired()
    t.is(f.getattr(ino), -ENOENT)
    t.deepEqual(f.check(), [])
  })

  withFixture('an orphan is not found by its number', (t, f) => {
    const { ino } = f.mknod(ROOT, 'f') as Attributes
    t.is((f.lookup(ino, '.') as Attributes).ino, ino)
    f.unlink(ROOT, 'f')
    t.is(f.lookup(ino, '.'), -ENOENT)
    t.is(f.fs.link(f.caller, ino, ROOT, bytesOf('g'), new Uint8Array(88), 0), -ENOENT)
  })
}
