/**
 * Power cuts and killed processes over the whole filesystem: all along a short workload, and after random longer
 * ones, cut again and again over what the cut before has left.
 *
 * HOLTFS_TEST_SEED repeats a run, HOLTFS_TEST_CUTS (default 60) makes the random ones longer,
 * HOLTFS_TEST_EVERY=1 cuts at every call of the short one (default: at every second).
 */
import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Durability } from '../../src/journal/durability.ts'
import type { PowerCutStorage } from '../support/power-cut-storage.ts'
import { type Random, seededRandom } from '../support/random.ts'
import type { CrashModel } from './crash-model.ts'
import { CrashRun, emptyMedium, makeDirectory, pattern } from './crash-run.ts'
import { randomStep } from './crash-workload.ts'

const SEED = Number(process.env.HOLTFS_TEST_SEED ?? 4711)
const CUTS = Number(process.env.HOLTFS_TEST_CUTS ?? 60)
/** Calls from one cut of the short workload to the next; the durability levels begin at different ones. */
const EVERY = Number(process.env.HOLTFS_TEST_EVERY ?? 2)
const STEPS = 60

/** Work that ends early when the power goes. Returns what was promised until then. */
function live(
  directory: string,
  storage: PowerCutStorage,
  durability: Durability,
  work: (run: CrashRun) => void,
): CrashModel | undefined {
  let run: CrashRun | undefined
  try {
    run = new CrashRun(directory, storage, durability)
    work(run)
  } catch (error) {
    if (!storage.isFrozen) throw error
  } finally {
    run?.end()
  }
  return run?.model
}

/** A little of everything that can go wrong. */
function shortWork(run: CrashRun): void {
  run.mkdir('d')
  const small = run.create('d/small')
  run.write(small, 0, 3000)
  run.fsync(small)
  run.write(small, 3000, 200)
  run.write(small, 3200, 9000)
  const large = run.create('large')
  run.write(large, 0, 60000)
  run.fsync(large)
  run.write(large, 60000, 40000)
  run.write(large, 1000, 700)
  run.truncate(large, 20000)
  run.write(large, 30000, 5000)
  run.fsyncdir()
  run.truncate(large, 5000)
  run.collect()
  run.link(small, 'again')
  run.rename('d', 'e')
  run.checkpoint()
  run.truncate(large, 12000)
  run.write(large, 11000, 8000)
  run.rename('large', 'again')
  run.fsync(small)
  run.truncate(small, 0)
  run.write(small, 100, 10000)
  run.unlink('e/small')
  run.forget(small)
  run.collect()
  run.sync()
  run.truncate(large, 60000)
}

/** The same for ranges: reserved, punched, made zero and copied. */
function rangeWork(run: CrashRun): void {
  const small = run.create('small')
  run.write(small, 0, 3000)
  run.fsync(small)
  run.fallocate(small, 3, 500, 1000)
  run.fallocate(small, 1, 0, 50_000)
  run.write(small, 3000, 9000)
  run.fsync(small)
  const large = run.create('large')
  run.fallocate(large, 0, 0, 40_000)
  run.write(large, 0, 30_000)
  run.fsync(large)
  run.fallocate(large, 3, 4096, 8192)
  run.truncate(large, 20_000)
  run.fallocate(large, 0, 10_000, 30_000)
  run.copyRange(small, 0, large, 35_000, 12_000)
  run.copyRange(large, 2000, small, 3000, 20_000)
  run.fsyncdir()
  run.fallocate(large, 16, 15_000, 40_000)
  const third = run.create('third')
  run.write(third, 0, 2000)
  run.fsync(third)
  run.copyRange(large, 0, third, 1000, 60_000)
  run.copyRange(third, 100, third, 30_000, 5000)
  run.truncate(third, 4000)
  run.collect()
  run.copyRange(large, 30_000, third, 3500, 20_000)
}

/** Opens what the cut has left and compares. */
function recover(
  t: ExecutionContext,
  directory: string,
  storage: PowerCutStorage,
  durability: Durability,
  before: CrashModel | undefined,
  what: string,
  killed = false,
): void {
  const run = new CrashRun(directory, storage, durability)
  try {
    if (before === undefined) return
    const wrong = run.verify(before, killed)
    if (wrong.length > 0) t.fail(`${what}: ${wrong.slice(0, 3).join('; ')}`)
  } finally {
    storage.freezeAt = storage.calls
    run.end()
  }
}

for (const [first, durability, title, work] of [
  [1, 'process', 'a short workload', shortWork],
  [2, 'sync', 'a short workload', shortWork],
  [1, 'process', 'changes of ranges', rangeWork],
] as const) {
  test(`a power cut or a kill all along ${title}, ${durability}`, t => {
    t.log(`HOLTFS_TEST_SEED=${SEED}`)
    const { directory, remove } = makeDirectory()
    t.teardown(remove)
    for (let n = first, left = true; left; n += EVERY) {
      const storage = emptyMedium(directory)
      storage.freezeAt = storage.calls + n
      const before = live(directory, storage, durability, work)
      left = storage.isFrozen
      for (let variant = 0; variant < 2; variant++) {
        const after = variant === 0 ? storage.crash() : storage.crash({ random: seededRandom(SEED + 16 * n + variant) })
        recover(t, directory, after, durability, before, `call ${n}, variant ${variant}`)
      }
      storage.freezeAt = 0
      recover(t, directory, storage, durability, before, `call ${n}, killed`, true)
    }
    t.pass()
  })
}

function randomLives(t: ExecutionContext, durability: Durability, seed: number): void {
  const random: Random = seededRandom(seed)
  const { directory, remove } = makeDirectory()
  t.teardown(remove)
  let storage = emptyMedium(directory)
  let before: CrashModel | undefined
  let generation = 0
  let leaked = new Set<string>()
  for (let cut = 0; cut < CUTS; cut++) {
    // With async a kill loses what a power cut does.
    const killed = before !== undefined && durability !== 'async' && random() < 0.2
    if (before !== undefined && !killed) storage = storage.crash(random() < 0.3 ? {} : { random })
    storage.freezeAt = random() < 0.7 ? storage.calls + 30 + Math.floor(random() * 300) : 0
    let run: CrashRun | undefined
    try {
      run = new CrashRun(directory, storage, durability, generation)
      const wrong = before === undefined ? [] : run.verify(before, killed, leaked)
      if (wrong.length > 0) {
        t.fail(`HOLTFS_TEST_SEED=${seed}, cut ${cut}${killed ? ' (killed)' : ''}: ${wrong.slice(0, 3).join('; ')}`)
        return
      }
      before = run.model
      leaked = run.leaked
      for (let step = 0; step < STEPS; step++) randomStep(run, random)
    } catch (error) {
      if (!storage.isFrozen) throw error
    } finally {
      generation = run?.generation ?? generation
      storage.freezeAt = storage.calls
      run?.end()
    }
    storage.freezeAt = 0
  }
  t.pass()
}

for (const durability of ['process', 'sync', 'async'] as const) {
  test(`random work, cut again and again, ${durability}`, t => {
    t.log(`HOLTFS_TEST_SEED=${SEED}`)
    randomLives(t, durability, SEED)
  })
}

/** Lives one after the other, each over what the cut of the one before has left. */
function lives(
  t: ExecutionContext,
  works: ((run: CrashRun) => void)[],
  cut: (storage: PowerCutStorage, directory: string) => void = () => {},
): void {
  const { directory, remove } = makeDirectory()
  t.teardown(remove)
  let storage = emptyMedium(directory)
  let before: CrashModel | undefined
  for (const [i, work] of [...works, () => {}].entries()) {
    const run = new CrashRun(directory, storage, 'process', 100 * i)
    try {
      t.deepEqual(before === undefined ? [] : run.verify(before), [], `life ${i}`)
      work(run)
      before = run.model
      storage = storage.crash()
      if (i === 0) cut(storage, directory)
    } finally {
      run.end()
    }
  }
}

test('a file whose data file a power cut took can be synced, written and synced again', t => {
  let ino = 0
  const first = (run: CrashRun) => {
    ino = run.create('f')
    run.write(ino, 0, 20000)
    run.fsyncdir()
  }
  const second = (run: CrashRun) => {
    run.fsync(ino)
    run.write(ino, 100, 500)
    run.fsync(ino)
  }
  lives(t, [first, second])
})

test('a data file that no record knows any more lends no bytes to the next file of its number', t => {
  const leave = (storage: PowerCutStorage, directory: string) => {
    const data = join(directory, 'data')
    for (const path of [data, `${data}/01`]) storage.mkdir(path)
    const fd = storage.open(`${data}/01/00000001`, constants.O_RDWR | constants.O_CREAT)
    storage.write(fd, pattern(99, 0, 30000), 0, 30000, 0)
    storage.datasync(fd)
    for (const path of [data, dirname(data), `${data}/01`]) storage.syncDirectory(path)
  }
  const second = (run: CrashRun) => {
    run.write(run.create('f'), 25000, 10)
    run.fsyncdir()
  }
  lives(t, [run => run.sync(), second], leave)
})
