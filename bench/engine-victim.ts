/**
 * Opens a store, overwrites some of its records one by one, and kills itself when the last change is acknowledged.
 *
 *     node engine-victim.ts ENGINE DIRECTORY RECORDS GENERATION
 */
import { Dataset, fillValue, VALUE_BYTES } from './dataset.ts'
import { killedRecords } from './engine-lifecycle.ts'
import { ENGINES } from './stores/engines.ts'

const [engine, directory, countText, generation] = process.argv.slice(2)
const dataset = new Dataset(Number(countText))
const open = await ENGINES[engine]()
const store = await open(directory)
const value = Buffer.alloc(VALUE_BYTES)
for (const index of killedRecords(dataset)) {
  fillValue(value, index, Number(generation))
  await store.put(dataset.keyOf(index), value)
}
process.kill(process.pid, 'SIGKILL')
