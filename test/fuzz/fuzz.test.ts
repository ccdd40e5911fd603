/** Some inputs of each target of the fuzzer: what it was given to begin with, and changes of it. `npm run fuzz` tries more. */
import test from 'ava'
import { seededRandom } from '../support/random.ts'
import { mutated } from './mutate.ts'
import { TARGETS } from './targets.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
const INPUTS = Number(process.env.HOLTFS_FUZZ_INPUTS ?? 30)

/**
 * A frame made to attack can make a reader take long, and each is used twice in all ways: there are fewer of them, and always
 * the same. `npm run fuzz` makes others, and watches.
 */
const FRAME_SEED = Number(process.env.HOLTFS_SEED ?? 1)
const FRAME_INPUTS = INPUTS / 3

for (const target of TARGETS) {
  const isFrames = target.name.endsWith('frames')
  const seed = isFrames ? FRAME_SEED : SEED
  const inputs = isFrames ? FRAME_INPUTS : INPUTS
  test(`${target.name}: no exception but those that are said, no answer that is none`, t => {
    t.log(`seed ${seed}`)
    const random = seededRandom(seed)
    const corpus = target.corpus()
    for (let i = 0; i < corpus.length + inputs; i++) {
      const from = corpus[i] ?? corpus[Math.floor(random() * corpus.length)]
      const input = i < corpus.length ? from : mutated(target, from, corpus, random)
      t.is(target.run(input), '', `input ${i}, seed ${seed}`)
    }
  })
}
