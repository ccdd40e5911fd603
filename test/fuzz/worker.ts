/**
 * The thread that runs inputs: mutates what it has, keeps what reaches source text that nothing reached before, and makes an input that
 * shows a mistake smaller before it reports it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { seededRandom } from '../support/random.ts'
import { Coverage } from './coverage.ts'
import { type FuzzResult, type FuzzWorkerData, sharedViews, W_CORPUS, W_INPUTS, W_LENGTH } from './fuzz.ts'
import { decode, encode, type Input } from './input.ts'
import { minimised } from './minimise.ts'
import { mutated } from './mutate.ts'
import { TARGETS } from './targets.ts'

/** Inputs between two looks at the coverage. */
const BATCH = 24
/** Bytes that one input may make the process take. */
const MOST_MEMORY = 512 << 20
const MINIMISE_MS = 20_000

const options = workerData as FuzzWorkerData
const { words, bytes } = sharedViews(options.shared)
const target = TARGETS.find(({ name }) => name === options.target)!
const coverage = new Coverage(target.covers)

/** What is wrong with the answer to an input; '' when nothing is. */
function problemWith(input: Input): string {
  const file = encode(input)
  bytes.set(file)
  Atomics.store(words, W_LENGTH, file.length)
  const before = process.memoryUsage().arrayBuffers
  let problem: string
  try {
    problem = target.run(input)
  } catch (error) {
    problem = `${(error as Error).stack ?? error}`
  }
  const taken = process.memoryUsage().arrayBuffers - before
  if (problem === '' && taken > MOST_MEMORY) problem = `it took ${taken >> 20} MB`
  Atomics.store(words, W_LENGTH, 0)
  Atomics.add(words, W_INPUTS, 1)
  return problem
}

function result(): FuzzResult {
  coverage.look()
  const { seed } = options
  const inputs = words[W_INPUTS]
  return { target: target.name, seed, inputs, kept: words[W_CORPUS], coverage: coverage.parts() }
}

function report(input: Input, problem: string): void {
  const smallest = minimised(target, input, problem, problemWith, performance.now() + MINIMISE_MS)
  parentPort!.postMessage({
    ...result(),
    finding: { target: target.name, problem: problemWith(smallest) || problem, input: encode(smallest) },
  })
}

/** Returns the input that shows a mistake, if one does. */
function loop(): { input: Input; problem: string } | undefined {
  const random = seededRandom(options.seed)
  const corpus = [...target.corpus()]
  const end = performance.now() + options.seconds * 1000
  for (const input of corpus) {
    const problem = problemWith(input)
    if (problem !== '') return { input, problem }
  }
  coverage.look()
  while (performance.now() < end) {
    const batch: Input[] = []
    for (let i = 0; i < BATCH && performance.now() < end; i++) {
      // What was kept last leads on more often.
      const at =
        random() < 0.5 ? random() * corpus.length : corpus.length - 1 - random() * Math.min(8, corpus.length - 1)
      const input = mutated(target, corpus[Math.floor(at)], corpus, random)
      const problem = problemWith(input)
      if (problem !== '') return { input, problem }
      batch.push(input)
    }
    if (coverage.look() === 0) continue
    for (const input of batch) keepIfNew(input, corpus)
  }
  return undefined
}

const kept = new Set<number>()

/** Coverage as a whole has grown with the batch; an input is kept when it alone reaches what few others do. */
function keepIfNew(input: Input, corpus: Input[]): void {
  problemWith(input)
  const signature = coverage.signature()
  if (kept.has(signature)) return
  kept.add(signature)
  corpus.push(input)
  Atomics.add(words, W_CORPUS, 1)
}

const found = options.only === undefined ? loop() : { input: decode(Buffer.from(options.only)), problem: '' }
if (found === undefined) parentPort!.postMessage(result())
else if (options.only === undefined) report(found.input, found.problem)
else {
  const problem = problemWith(found.input)
  const finding = { target: target.name, problem, input: options.only }
  parentPort!.postMessage(problem === '' ? result() : { ...result(), finding })
}
