/** Listings: offsets, changes meanwhile, continuation by another worker, READDIRPLUS. */
import { constants } from 'node:os'
import { fixtureTests } from '../support/fixture-tests.ts'
import { type Attributes, type Entry, type FsFixture, ROOT } from '../support/fs-fixture.ts'
import { metadataFactories } from '../support/metadata-factories.ts'

const { ENOENT, ENOTDIR } = constants.errno
const ino = (answer: number | Attributes) => (answer as Attributes).ino
const names = (entries: number | Entry[]) => (entries as Entry[]).map(entry => entry.name)

for (const [store, create] of Object.entries(metadataFactories)) {
  const withFixture = fixtureTests(store, create)
  const fill = (f: FsFixture, count: number) => {
    const dir = ino(f.mkdir(ROOT, 'dir'))
    const made: string[] = []
    for (let i = 0; i < count; i++) {
      const name = `entry ${String(i).padStart(4, '0')}`
      f.mknod(dir, name)
      made.push(name)
    }
    return { dir, made }
  }

  /** Everything from `offset` on, in pieces of `step`. */
  const rest = (f: FsFixture, dir: number, offset: number, step = 1000) => {
    const seen: string[] = []
    for (;;) {
      const entries = f.readdir(dir, offset, step) as Entry[]
      if (entries.length === 0) return seen
      offset = entries.at(-1)!.cookie
      seen.push(...names(entries))
    }
  }

  withFixture('a listing holds children only, with their types, in the order in which they came', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    f.mkdir(a, 'below')
    f.mknod(a, 'also below')
    f.mknod(ROOT, 'z-', 0o010644)
    f.mknod(ROOT, 'a0')
    f.symlink(ROOT, 'link', 'x')
    const entries = f.readdir(ROOT, 0, 100) as Entry[]
    t.deepEqual(
      entries.map(entry => [entry.name, entry.type]),
      [
        ['.', 4],
        ['..', 4],
        ['a', 4],
        ['z-', 1],
        ['a0', 8],
        ['link', 10],
      ],
    )
    t.is(new Set(entries.map(entry => entry.cookie)).size, 6)
  })

  withFixture('with plus every entry has its real attributes', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    f.write(ino(f.mknod(a, 'file')), 0, 'hello')
    f.mkdir(a, 'sub')
    const entries = f.readdir(a, 0, 100, true) as Entry[]
    t.deepEqual(
      entries.map(entry => entry.attributes),
      [f.stat('/a'), f.stat('/'), f.stat('/a/file'), f.stat('/a/sub')],
    )
  })

  withFixture('consecutive reads may come to different workers', (t, f) => {
    const { dir, made } = fill(f, 500)
    const workers = [f.fs, f.another(), f.another()]
    for (const step of [1, 3, 64, 1000]) {
      const seen: string[] = []
      for (let offset = 0, turn = 0; ; turn++) {
        const entries = f.readdir(dir, offset, step, false, workers[turn % 3]) as Entry[]
        if (entries.length === 0) break
        offset = entries.at(-1)!.cookie
        seen.push(...names(entries))
      }
      t.deepEqual(seen, ['.', '..', ...made])
    }
  })

  withFixture('seekdir goes to any entry, also one that is gone or has another name', (t, f) => {
    const { dir, made } = fill(f, 100)
    const all = f.readdir(dir, 0, 1000) as Entry[]
    for (const at of [0, 1, 2, 57, 99, 30, 101]) {
      t.deepEqual(rest(f, dir, all[at].cookie), ['.', '..', ...made].slice(at + 1), `after entry ${at}`)
    }
    f.unlink(dir, made[40])
    f.rename(dir, made[60], dir, 'other')
    t.deepEqual(rest(f, dir, all[42].cookie)[0], made[41], 'after a name that is gone')
    t.deepEqual(rest(f, dir, all[62].cookie)[0], made[61], 'after one with another name')
    t.deepEqual(names(f.readdir(dir, 0, 3)), ['.', '..', made[0]])
  })

  withFixture('rm -rf: entries are removed as they are listed', (t, f) => {
    const { dir, made } = fill(f, 300)
    let removed = 0
    for (let offset = 0; ; ) {
      const entries = f.readdir(dir, offset, 10) as Entry[]
      if (entries.length === 0) break
      offset = entries.at(-1)!.cookie
      for (const { name } of entries) if (name.startsWith('entry') && f.unlink(dir, name) === 0) removed++
    }
    t.is(removed, made.length)
    t.is(f.rmdir(ROOT, 'dir'), 0)
  })

  withFixture('who makes a name for each one that is listed comes to the end, and sees them the next time', (t, f) => {
    const { dir, made } = fill(f, 50)
    const seen: string[] = []
    for (let offset = 0; ; ) {
      const entries = f.readdir(dir, offset, 1, false, f.another()) as Entry[]
      if (entries.length === 0) break
      offset = entries.at(-1)!.cookie
      for (const { name } of entries) if (name !== '.' && name !== '..') f.mknod(dir, `copy of ${name}`)
      seen.push(...names(entries))
    }
    t.deepEqual(seen, ['.', '..', ...made])
    t.deepEqual(f.list(dir), [...made, ...made.map(name => `copy of ${name}`)].sort())
  })

  withFixture('who renames each name that is listed sees each once', (t, f) => {
    const { dir, made } = fill(f, 50)
    const seen: string[] = []
    for (let offset = 2; ; ) {
      const entries = f.readdir(dir, offset, 3) as Entry[]
      if (entries.length === 0) break
      offset = entries.at(-1)!.cookie
      for (const { name } of entries) f.rename(dir, name, dir, `new ${name}`)
      seen.push(...names(entries))
    }
    t.deepEqual(seen, made)
  })

  withFixture('a name that another file takes over is listed once, wherever that came from', (t, f) => {
    const { dir, made } = fill(f, 20)
    const elsewhere = ino(f.mkdir(ROOT, 'elsewhere'))
    for (const flags of [0, 2]) {
      f.mknod(elsewhere, 'from afar')
      const first = f.readdir(dir, 2, 5) as Entry[]
      f.rename(elsewhere, 'from afar', dir, made[2], flags)
      f.rename(elsewhere, 'from afar', dir, made[12], flags)
      f.rename(dir, made[3], dir, made[13], 2)
      t.deepEqual([...names(first), ...rest(f, dir, first.at(-1)!.cookie)], made)
    }
    t.deepEqual(f.check(), [])
  })

  withFixture('only directories are listed', (t, f) => {
    const file = ino(f.mknod(ROOT, 'f'))
    t.is(f.readdir(file, 0, 10), -ENOTDIR)
    t.is(f.readdir(file, 2, 10), -ENOTDIR)
    t.is(f.readdir(999, 0, 10), -ENOENT)
  })
}
