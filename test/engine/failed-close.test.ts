/** A close that fails says so however often it is asked, has let go of the store all the same, and loses nothing that was synced. */
import test from 'ava'
import { HoltError, openStore } from '../../src/index.ts'
import { FailingStorage } from '../support/failing-storage.ts'
import { emptyDirectory, powerCutStorage, SMALL, withStore } from './store-fixture.ts'

for (const kinds of [['datasync'], ['write']] as const) {
  test(`a close whose ${kinds[0]} fails throws the same error again`, t => {
    const directory = emptyDirectory(t)
    const medium = powerCutStorage(directory)
    const storage = new FailingStorage(medium, { kinds, code: 'EIO', sticky: true })
    const store = openStore(directory, { ...SMALL, storage })
    store.tree.put('synced', 'value')
    store.tree.sync()
    store.tree.put('written', 'value')
    storage.failAt = storage.calls + 1
    const first = t.throws(() => store.close(), { instanceOf: HoltError })
    t.is(
      t.throws(() => store.close()),
      first,
    )
    storage.heal()
    t.is(
      t.throws(() => store.tree.close()),
      first,
    )
    t.throws(() => store.tree.get('synced'), { code: 'HOLT_CLOSED' })
    const after = { ...SMALL, storage: medium.crash() }
    withStore(directory, after, ({ tree }) => t.is(tree.get('synced')?.toString(), 'value'))
  })
}
