/** Some inputs of each target of the fuzzer: what it was given to begin with, and changes of it. `npm run fuzz` tries more. */
import test from 'ava'
import { seededRandom } from '../support/random.ts'
import { mutated } from './mutate.ts'
import { TARGETS } from './targets.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
const INPUTS = Number(process.env.HOLTFS_FUZZ_INPUTS ?? 30)

/** Frames made to attack can still make a reader take very long: they are for `npm run fuzz`, which watches. */
const QUICK = TARGETS.filter(({ name }) => !name.endsWith('frames'))

for (const target of QUICK) {
  test(`${target.name}: no exception but those that are said, no answer that is none`, t => {
    t.log(`seed ${SEED}`)
    const random = seededRandom(SEED)
    const corpus = target.corpus()
    for (let i = 0; i < corpus.length + INPUTS; i++) {
      const from = corpus[i] ?? corpus[Math.floor(random() * corpus.length)]
      const input = i < corpus.length ? from : mutated(target, from, corpus, random)
      t.is(target.run(input), '', `input ${i}, seed ${SEED}`)
    }
  })
}
