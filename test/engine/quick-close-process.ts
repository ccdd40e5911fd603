/** The process of quick-close.test.ts: opens, changes and closes a store again and again, and then ends at once. */
import { openStore } from '../../src/index.ts'

const [directory, rounds, longest] = process.argv.slice(2)
const clock = new Int32Array(new SharedArrayBuffer(4))
for (let round = 0; round < Number(rounds); round++) {
  const store = openStore(directory, { poolBytes: 0 })
  store.tree.put('round', String(round))
  Atomics.wait(clock, 0, 0, (round * 17) % Number(longest))
  store.tree.put('round again', String(round))
  store.close()
}
