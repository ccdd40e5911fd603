import { once } from 'node:events'
import test from 'ava'
import { Mutex } from '../../src/journal/mutex.ts'
import { startThread } from '../../src/thread.ts'

test('a word counted up under the lock by several threads loses nothing', async t => {
  const memory = new SharedArrayBuffer(8)
  const times = 200_000
  await Promise.all(
    [1, 2, 3].map(() =>
      once(startThread(import.meta.url, './mutex-thread', { workerData: { memory, times } }), 'exit'),
    ),
  )
  t.deepEqual([...new Int32Array(memory)], [0, 3 * times])
})

test('tryLock fails while the lock is held and does not disturb it', t => {
  const words = new Int32Array(new SharedArrayBuffer(4))
  const mutex = new Mutex(words, 0)
  t.true(mutex.tryLock())
  t.false(mutex.tryLock())
  mutex.unlock()
  t.true(mutex.tryLock())
  mutex.unlock()
  t.is(words[0], 0)
})
