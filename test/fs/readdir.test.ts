/** Listings: offsets, removal meanwhile, continuation by another worker, READDIRPLUS. */
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

  withFixture('a listing holds children only, with their types', (t, f) => {
    const a = ino(f.mkdir(ROOT, 'a'))
    f.mkdir(a, 'below')
    f.mknod(a, 'also below')
    f.mknod(ROOT, 'a-', 0o010644)
    f.mknod(ROOT, 'a0')
    f.symlink(ROOT, 'link', 'x')
    const entries = f.readdir(ROOT, f.fs.opendir(f.caller, ROOT), 0, 100) as Entry[]
    t.deepEqual(
      entries.map(entry => [entry.name, entry.type]),
      [
        ['.', 4],
        ['..', 4],
        ['a', 4],
        ['a-', 1],
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
    const entries = f.readdir(a, -1, 0, 100, true) as Entry[]
    t.deepEqual(
      entries.map(entry => entry.attributes),
      [f.stat('/a'), f.stat('/'), f.stat('/a/file'), f.stat('/a/sub')],
    )
  })

  withFixture('consecutive reads of one handle may come to different workers', (t, f) => {
    const { dir, made } = fill(f, 500)
    const workers = [f.fs, f.another(), f.another()]
    for (const step of [1, 3, 64, 1000]) {
      const handle = workers[0].opendir(f.caller, dir)
      const seen: string[] = []
      for (let offset = 0, turn = 0; ; turn++) {
        const entries = f.readdir(dir, handle, offset, step, false, workers[turn % 3]) as Entry[]
        if (entries.length === 0) break
        offset = entries.at(-1)!.cookie
        seen.push(...names(entries))
      }
      workers[1].releasedir(handle)
      t.deepEqual(seen, ['.', '..', ...made])
    }
  })

  withFixture('seekdir goes back to any entry, with and without a handle', (t, f) => {
    const { dir, made } = fill(f, 100)
    const handle = f.fs.opendir(f.caller, dir)
    const all = f.readdir(dir, handle, 0, 1000) as Entry[]
    for (const at of [0, 1, 2, 57, 99, 30, 101]) {
      for (const how of [handle, -1, 4096]) {
        const rest = f.readdir(dir, how, all[at].cookie, 1000)
        t.deepEqual(names(rest), ['.', '..', ...made].slice(at + 1), `after entry ${at}`)
      }
    }
    t.deepEqual(names(f.readdir(dir, handle, 0, 3)), ['.', '..', made[0]])
  })

  withFixture('rm -rf: entries are removed as they are listed', (t, f) => {
    for (const handleOf of [() => f.fs.opendir(f.caller, ROOT), () => -1]) {
      const { dir, made } = fill(f, 300)
      const handle = handleOf()
      let removed = 0
      for (let offset = 0; ; ) {
        const entries = f.readdir(dir, handle, offset, 10) as Entry[]
        if (entries.length === 0) break
        offset = entries.at(-1)!.cookie
        for (const { name } of entries) if (name.startsWith('entry') && f.unlink(dir, name) === 0) removed++
      }
      t.is(removed, made.length)
      t.is(f.rmdir(ROOT, 'dir'), 0)
    }
  })

  withFixture('a reader that took less than it was given misses nothing when that entry goes', (t, f) => {
    const { dir, made } = fill(f, 60)
    const handle = f.fs.opendir(f.caller, dir)
    const seen = new Set<string>()
    for (let offset = 0; ; ) {
      const entries = (f.readdir(dir, handle, offset, 10) as Entry[]).slice(0, 4)
      if (entries.length === 0) break
      offset = entries.at(-1)!.cookie
      for (const { name } of entries) seen.add(name)
      f.unlink(dir, entries.at(-1)!.name)
    }
    t.deepEqual(
      made.filter(name => !seen.has(name)),
      [],
    )
  })

  withFixture('entries that are renamed meanwhile do not hide others', (t, f) => {
    const { dir, made } = fill(f, 40)
    const handle = f.fs.opendir(f.caller, dir)
    const seen = names(f.readdir(dir, handle, 0, 12))
    f.rename(dir, made[9], dir, 'zzz')
    const other = f.readdir(dir, -1, 0, 1000) as Entry[]
    seen.push(...names(f.readdir(dir, handle, (f.readdir(dir, -1, 0, 11) as Entry[])[10].cookie, 1000)))
    for (const name of made.filter(name => name !== made[9])) t.true(seen.includes(name), name)
    t.is(other.at(-1)!.name, 'zzz')
  })

  withFixture('handles are given back, and running out of them costs only speed', (t, f) => {
    const { dir, made } = fill(f, 20)
    const handles: number[] = []
    for (let i = 0; i < 4100; i++) handles.push(f.fs.opendir(f.caller, dir))
    t.is(new Set(handles).size, 4097)
    t.deepEqual(f.list(dir, 3), made)
    for (const handle of handles) f.fs.releasedir(handle)
    t.true(f.fs.opendir(f.caller, dir) < 4096)
  })

  withFixture('only directories are listed', (t, f) => {
    const file = ino(f.mknod(ROOT, 'f'))
    t.is(f.fs.opendir(f.caller, file), -ENOTDIR)
    t.is(f.fs.opendir(f.caller, 999), -ENOENT)
    t.is(f.readdir(file, -1, 2, 10), -ENOTDIR)
    t.is(f.readdir(999, -1, 0, 10), -ENOENT)
  })
}
