/** Tests of the filesystem over one kind of metadata store: each gets a volume of its own, which must be sound at the end. */
import test, { type ExecutionContext } from 'ava'
import type { Metadata } from '../../src/fs/metadata.ts'
import { FsFixture } from './fs-fixture.ts'

/** Returns a function that declares a test whose title begins with the store's name. */
export function fixtureTests(store: string, create: () => Metadata) {
  return (title: string, body: (t: ExecutionContext, f: FsFixture) => void): void =>
    test(`${store}: ${title}`, t => {
      const f = new FsFixture(create())
      try {
        body(t, f)
        t.deepEqual(f.check(), [])
      } finally {
        f.dispose()
      }
    })
}
