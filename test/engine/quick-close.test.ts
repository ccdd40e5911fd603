/** A store that is closed while its background thread is still being started, or at its first work. */
import { spawnSync } from 'node:child_process'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import { emptyDirectory, SMALL, withStore } from './store-fixture.ts'

const ROUNDS = Number(process.env.HOLTFS_ROUNDS ?? 8)
const CHILD = pathOf(import.meta.url, './quick-close-process')

/** Milliseconds between two changes, at most: at once; while the thread loads its modules; when it is at work. */
for (const longest of [1, 150, 700]) {
  test(`open, change and close within ${longest} ms, and the end of the process, are quiet`, t => {
    const directory = emptyDirectory(t)
    const rounds = Math.min(ROUNDS, Math.ceil((ROUNDS * 100) / longest))
    const argv = [...NODE_ARGUMENTS, CHILD, directory, String(rounds), String(longest)]
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
    t.deepEqual({ status, signal, stdout, stderr }, { status: 0, signal: null, stdout: '', stderr: '' })
    withStore(directory, SMALL, ({ tree }) => t.is(tree.get('round again')?.toString(), String(rounds - 1)))
  })
}

test('a store that is only read starts no thread, touches no file of the log, and makes nothing durable', t => {
  const directory = emptyDirectory(t)
  withStore(directory, SMALL, ({ tree }) => tree.put('key', 'value'))
  const store = openStore(directory)
  t.is(store.tree.get('key')?.toString(), 'value')
  store.tree.sync()
  t.is(store.tree.stats().journal?.syncs, 0)
  store.close()
})
