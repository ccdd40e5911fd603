/**
 * A record is never under neither of its names. The writer renames it once a round, and not before the reader has begun
 * the round: so when the reader does not find it under its first name any more, it must find it under the second.
 */
import { once } from 'node:events'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { startThread } from '../../src/thread.ts'
import { nameOf, type RenameReader, TURN } from './rename-reader-data.ts'

const ROUNDS = Number(process.env.HOLTFS_RENAME_ROUNDS ?? 4000)

test('a reader finds a record under its new name as soon as it misses it under the old one', async t => {
  const store = openStore(undefined, { poolBytes: 8 << 20 })
  const { tree } = store
  for (let n = 0; n < 2000; n++) tree.put(`/directory-${n % 7}x/below/file-${n}`, Buffer.alloc(100))
  tree.put(nameOf(0), 'the record')
  const words = new Int32Array(new SharedArrayBuffer(4))
  const data: RenameReader = { handle: store.share(), words, rounds: ROUNDS }
  const reader = startThread(import.meta.url, './rename-reader', { workerData: data })
  const failure = once(reader, 'error').then(([error]) => {
    throw error
  })
  failure.catch(() => {})
  const answer = once(reader, 'message')
  for (let round = 0; round < ROUNDS; round++) {
    while (Atomics.load(words, TURN) <= round) {
      if (Atomics.wait(words, TURN, round, 1000) !== 'timed-out') continue
      // The reader may still be starting, or may have failed.
      await Promise.race([new Promise(resolve => setImmediate(resolve)), failure])
    }
    const [from, to] = [nameOf(round), nameOf(round + 1)]
    if (round % 2 === 0) t.true(tree.rename(from, to))
    else t.true(tree.renamePrefix(from.slice(0, from.indexOf('/', 1) + 1), to.slice(0, to.indexOf('/', 1) + 1)))
  }
  const [missed] = await Promise.race([answer, failure])
  t.is(missed, 0)
  t.log(tree.stats().counters)
  store.close()
})
