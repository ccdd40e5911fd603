/**
 * A process whose threads do everything at once on a store is killed by SIGKILL, again and again: what was acknowledged
 * is there, of the one change that each thread had in flight all or nothing (of a load: its beginning), and nothing else.
 * HOLTFS_KILLS is the number of kills (default 5), HOLTFS_KILL_MS the time that threads have at most, HOLTFS_SEED repeats a run as far as time allows.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import { seededRandom } from '../support/random.ts'
import { applyOwn, type Change, Changes, Common, THREADS } from './everything-operations.ts'
import { heldBy, prepare } from './everything-store.ts'
import { Model } from './model.ts'
import { emptyDirectory, FRAME, SEED, SMALL, withStore } from './store-fixture.ts'

const KILLS = Number(process.env.HOLTFS_KILLS ?? 5)
/** Changes of all threads after which a process is killed at once; they are reached or not. */
const MOST_CHANGES = 4000
/** Milliseconds from the first changes to the kill, at most. */
const LONGEST = Number(process.env.HOLTFS_KILL_MS ?? 2500)

/** The counts in a file that a process was writing. */
function toldIn(path: string): number[] {
  const told = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
  return Array.from({ length: THREADS }, (_, i) => (told.length >= i * 8 + 8 ? told.readDoubleLE(i * 8) : 0))
}

/**
 * Runs a process and kills it, early: while it opens the store or its threads start. Returns how many changes each thread was told to have made.
 */
async function killOne(
  directory: string,
  telling: string,
  seed: number,
  isEarly: boolean,
  random: () => number,
): Promise<number[]> {
  rmSync(telling, { force: true })
  const frames = random() < 0.5 ? 8 : 16
  const argv = [directory, telling, String(seed), String(frames * FRAME)]
  const child = fork(pathOf(import.meta.url, './killed-store-process'), argv, { execArgv: NODE_ARGUMENTS })
  const ended = once(child, 'exit')
  if (isEarly) await sleep(random() * 1500)
  else {
    await Promise.race([once(child, 'message'), ended])
    const changes = random() * MOST_CHANGES
    const done = () => toldIn(telling).reduce((sum, count) => sum + count, 0)
    while (child.exitCode === null && done() < 40) await sleep(1)
    const end = Date.now() + LONGEST
    while (child.exitCode === null && done() < changes && Date.now() < end) await sleep(1 + random() * 4)
  }
  child.kill('SIGKILL')
  const [code, signal] = await ended
  if (signal !== 'SIGKILL') throw new Error(`the process ended with ${code} ${signal} before it was killed`)
  return toldIn(telling)
}

/** What may have become of a change in flight. */
function outcomes(change: Change): (Change | undefined)[] {
  if (change.is !== 'load') return [undefined, change]
  return [undefined, ...change.entries.map((_, i) => ({ is: change.is, entries: change.entries.slice(0, i + 1) }))]
}

function recordsOf(model: Model): Map<string, Buffer> {
  return new Map(model.keysBelow('').map(key => [key, model.get(key)!.value]))
}

function isSame(a: Map<string, Buffer>, b: Map<string, Buffer>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key)?.equals(value))
}

test('what threads had acknowledged when their process was killed is there, and nothing else', async t => {
  t.timeout(60_000 + KILLS * 60_000)
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const directory = emptyDirectory(t)
  const store = join(directory, 'store')
  withStore(store, SMALL, ({ tree }) => prepare(tree))
  const models = Array.from({ length: THREADS }, () => new Model())
  let common = new Common()
  let acknowledged = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const seed = SEED + kill
    const what = `seed ${SEED}, kill ${kill}`
    const counts = await killOne(store, join(directory, 'told'), seed, kill % 5 === 3, random)
    const inFlight: Change[] = []
    for (let thread = 0; thread < THREADS; thread++) {
      const changes = new Changes(thread, seed, models[thread])
      for (let i = 0; i < counts[thread]; i++) {
        const change = changes.next()
        applyOwn(models[thread], change)
        common.apply(change)
      }
      inFlight.push(changes.next())
      acknowledged += counts[thread]
    }
    const opened = openStore(store, kill % 3 === 0 ? { ...SMALL, readOnly: true } : SMALL)
    const held = heldBy(opened.tree)
    opened.close()
    let possible = [common]
    for (const [thread, change] of inFlight.entries()) {
      const found = outcomes(change).find(outcome => {
        const model = models[thread].copy()
        if (outcome !== undefined) applyOwn(model, outcome)
        return isSame(recordsOf(model), held.own[thread])
      })
      const isThere = found !== undefined || isSame(recordsOf(models[thread]), held.own[thread])
      t.true(
        isThere,
        `${what}, thread ${thread}, after ${counts[thread]}: ${differences(models[thread], held.own[thread])}`,
      )
      if (found !== undefined) applyOwn(models[thread], found)
      possible = possible.flatMap(before => {
        const after = before.copy()
        after.apply(change)
        return [before, after]
      })
    }
    const found = possible.find(
      ({ counters, accounts }) =>
        counters.join() === held.common.counters.join() && accounts.join() === held.common.accounts.join(),
    )
    if (found === undefined) t.deepEqual(held.common, common, `${what}: counters and accounts`)
    else common = found
  }
  t.log({ kills: KILLS, acknowledged, keys: models.map(model => model.size) })
  t.true(acknowledged > KILLS * 20)
})

function differences(model: Model, held: Map<string, Buffer>): string {
  const expected = recordsOf(model)
  const lines = []
  for (const [key, value] of expected) {
    if (!held.has(key)) lines.push(`${key} is missing`)
    else if (!held.get(key)!.equals(value)) lines.push(`${key} has another value`)
  }
  for (const key of held.keys()) if (!expected.has(key)) lines.push(`${key} should not be`)
  return lines.slice(0, 20).join(', ')
}
