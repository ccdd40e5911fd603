/** What fsx finds in a memory that makes mistakes on purpose, and how few operations are left of it. HOLTFS_SEED repeats a run. */
import test from 'ava'
import { type Fault, FaultyMemory } from './faulty-memory.ts'
import { Generator } from './generator.ts'
import { format, type Operation, operation, parse } from './operation.ts'
import { Player } from './player.ts'
import { shrink } from './shrink.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const ENOUGH = 2000

function play(fault: Fault, operations: readonly Operation[]): number | undefined {
  const player = new Player(new FaultyMemory(fault))
  let done = 0
  try {
    for (; done < operations.length; done++) player.play(operations[done])
    player.finish()
  } catch {
    return done
  }
  return undefined
}

function randomOperations(fault: Fault): Operation[] {
  const player = new Player(new FaultyMemory(fault))
  const generator = new Generator(SEED, player.files, false)
  const operations: Operation[] = []
  try {
    while (operations.length < ENOUGH) {
      operations.push(generator.next())
      player.play(operations.at(-1)!)
    }
  } catch {
    // The last one is where it shows.
  }
  return operations
}

/** Fault → operations that are left at most: a list from which nothing can be left out need not be the shortest. */
const FAULTS: [Fault, number][] = [
  ['stale tail', 4],
  ['short copy', 3],
  ['half-punched page', 3],
]

for (const [fault, most] of FAULTS) {
  test(`a ${fault} is found and shrunk`, async t => {
    t.log(`seed ${SEED}`)
    const operations = randomOperations(fault)
    t.true(operations.length < ENOUGH, 'found')
    const shrunk = await shrink(operations, async some => play(fault, some))
    t.log(shrunk!.map(format))
    t.true(shrunk!.length <= most)
    t.is(play('none', shrunk!), undefined, 'it is the fault that fails')
  })
}

test('a memory without mistakes is right, and nothing is left to shrink', async t => {
  t.log(`seed ${SEED}`)
  const operations = randomOperations('none')
  t.is(operations.length, ENOUGH)
  t.is(await shrink(operations.slice(-200), async some => play('none', some)), undefined)
})

test('numbers become small, and the file the first one', async t => {
  const fails = async (operations: readonly Operation[]) => {
    const at = operations.findIndex(op => op.kind === 'write' && op.at + op.length > 8192)
    return at < 0 ? undefined : at
  }
  const begin = [
    operation('fsync', 'a'),
    operation('write', 'b', { at: 5000, length: 9000, salt: 77, check: true }),
    operation('drop', 'a'),
  ]
  t.deepEqual(await shrink(begin, fails), [operation('write', 'a', { at: 0, length: 8193, salt: 1 })])
})

test('lines of a log say all there is to an operation', t => {
  for (const op of randomOperations('none')) t.deepEqual(parse(format(op)), op)
  for (const line of [
    '',
    'write',
    'write a',
    'dance a',
    'write c at=0 length=1 salt=1',
    'punch a at=0 length=1 size=2',
  ]) {
    t.throws(() => parse(line), { message: /not an operation/ })
  }
})
