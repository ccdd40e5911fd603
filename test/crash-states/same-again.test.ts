/**
 * A seed gives the same states again, in another directory and after other states: what a failure names can be made from
 * its name.
 */
import test from 'ava'
import { sampleOf, stateById, states } from './enumerate.ts'
import type { MediumEvent } from './memory-storage.ts'
import { type Recording, record } from './recording.ts'
import { run, withDirectory } from './run.ts'

const SEED = 5
const NAMES = ['rotation.mapped', 'names.sync', 'volume-lives.sync-written', 'spillover.async', 'random-volume.written']

/** What does not depend on where the store is. */
function eventsOf({ events, directory, sectors }: Recording): string[] {
  const told = (event: MediumEvent) => {
    if (event.kind !== 'data') return event
    const hashes = new Uint32Array(2 * event.ids.length)
    event.ids.forEach((id, i) => void sectors.hash(id, hashes, 2 * i))
    return { ...event, ids: [...hashes] }
  }
  return events.map(event => JSON.stringify(told(event)).replaceAll(directory, ''))
}

for (const name of NAMES) {
  test(`${name} is recorded twice with the same bytes, and its states are the same`, t => {
    const [first, second] = [0, 1].map(() => withDirectory(directory => record(name, SEED, directory)))
    t.not(first.directory, second.directory)
    t.deepEqual(eventsOf(first), eventsOf(second))
    const sample = sampleOf(first, 50)
    const made = [...states(first, sample, SEED)]
    t.true(made.length > 20)
    t.deepEqual(
      [...states(second, sample, SEED)].map(({ id, hash }) => [id, hash]),
      made.map(({ id, hash }) => [id, hash]),
    )
    const third = withDirectory(directory => record(name, SEED, directory))
    for (const { id, hash } of made.reverse()) t.is(stateById(third, id, SEED).hash, hash, id)
  })
}

test('a run with the same seed makes the same states', t => {
  const counts = [0, 1].map(() => {
    const names = NAMES.filter(name => !name.startsWith('spillover'))
    const ids: string[] = []
    const end = run({ states: 120, seed: SEED, names, onFailure: ({ id }) => void ids.push(id) })
    t.deepEqual(ids, [])
    return [...end.counts]
  })
  t.deepEqual(counts[0], counts[1])
})
