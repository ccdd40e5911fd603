/** A log whose only records were torn: the segment that the next run begins has the name of the one that is there. */
import { readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'
import { copyOf, emptyDirectory, SMALL, withStore } from './store-fixture.ts'

const SEGMENT_HEADER = 32

for (const mapping of [true, false]) {
  test(`a log is never without a segment once there is one${mapping ? ', mapped' : ''}`, t => {
    const directory = emptyDirectory(t)
    const first = openStore(directory, SMALL)
    first.tree.put('a', '1')
    const torn = copyOf(t, directory)
    first.close()
    const wal = join(torn, 'wal')
    for (const name of readdirSync(wal)) truncateSync(join(wal, name), SEGMENT_HEADER)

    const segments = () => readdirSync(wal).filter(name => /^[0-9a-f]{16}\.wal$/.test(name)).length
    let looks = 0
    const looking = (call: (...given: never[]) => void) =>
      ((...given: never[]) => {
        call(...given)
        looks++
        t.true(segments() > 0)
      }) as never
    const storage: Storage = {
      ...hostStorage,
      mapping: mapping ? hostStorage.mapping : undefined,
      unlink: looking(hostStorage.unlink as never),
      rename: looking(hostStorage.rename as never),
    }
    const store = openStore(torn, { ...SMALL, storage })
    t.is(store.tree.get('a'), undefined)
    store.tree.put('b', '2')
    t.true(looks > 0)
    const killed = copyOf(t, torn)
    withStore(killed, SMALL, ({ tree }) => t.is(tree.get('b')?.toString(), '2'))
    storage.unlink = hostStorage.unlink
    store.close()
  })
}
