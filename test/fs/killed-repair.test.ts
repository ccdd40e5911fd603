/**
 * A repair that is killed at its n-th call to the host: by its name there is the damaged store, unchanged, or the repaired
 * one; another repair goes through, and nothing is lost that the first one would have saved. HOLTFS_FAULTS=all tries every n,
 * HOLTFS_SEED repeats a run. What a power cut does is in test/crash-states.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { checkStore } from '../../src/cli/check.ts'
import { ROOT_BLOB } from '../../src/engine/layout.ts'
import { readManifest } from '../../src/engine/manifest.ts'
import { type RepairHost, repairHost } from '../../src/fs/repair-host.ts'
import { repairStore } from '../../src/fs/repair-store.ts'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'
import { FRAME_SIZE, PAGE_SIZE } from '../../src/limits.ts'
import { CHANGING_CALLS } from '../support/failing-storage.ts'
import { seededRandom } from '../support/random.ts'
import { fillStore, readStore } from './filled-store.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
/** Of the calls of a repair, so many are tried. */
const KILLS = process.env.HOLTFS_FAULTS === 'all' ? Number.POSITIVE_INFINITY : 8
const OPTIONS = { dryRun: false, poolBytes: 8 * FRAME_SIZE, progress() {} }

/** Mapping apart, which a repair here goes without. */
const STORAGE_CALLS = CHANGING_CALLS.filter(call => call !== 'map')
/** Calls that change the host, beside those of its storage. */
const HOST_CALLS = ['removeDirectory', 'exchange', 'link', 'clone']

/** The host, where the process dies as it comes to its n-th call: from then on nothing is done any more. */
function dyingHost(n: number): { host: RepairHost; calls(): number } {
  let calls = 0
  const dying = <T extends object>(from: T, names: readonly string[]): T => {
    const wrapped = Object.fromEntries(
      names.map(name => {
        const call = from[name as keyof T] as (...args: unknown[]) => unknown
        const counted = (...args: unknown[]) => {
          if (++calls >= n) throw Object.assign(new Error('killed'), { code: 'EDEAD' })
          return call.apply(from, args)
        }
        return [name, counted]
      }),
    )
    return { ...from, ...wrapped }
  }
  const storage: Storage = { ...dying(hostStorage, STORAGE_CALLS), mapping: undefined }
  return { host: { ...dying(repairHost, HOST_CALLS), storage }, calls: () => calls }
}

/** Of all files below a directory but the name of whoever has the store open. */
function bytesBelow(directory: string): Map<string, Buffer> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile() && entry.name !== 'lock' && entry.name !== 'unfinished-repair')
  return new Map(files.map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name))]))
}

function damage(store: string): void {
  const path = join(store, 'frames.dat')
  const slot = (readManifest(hostStorage, store).slots.get(ROOT_BLOB) as number) - 1
  const bytes = readFileSync(path)
  bytes.fill(0xa5, slot * FRAME_SIZE + 2 * PAGE_SIZE, slot * FRAME_SIZE + 3 * PAGE_SIZE)
  writeFileSync(path, bytes)
}

function damagedStore(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-killed-repair-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const store = join(directory, 'intact')
  fillStore(store, seededRandom(SEED), 25, true)
  damage(store)
  return store
}

for (const discard of [false, true]) {
  test(`a repair is killed at any call${discard ? ', and the damaged store is not kept' : ''}`, t => {
    t.log(`seed ${SEED}`)
    t.timeout(3_600_000)
    const intact = damagedStore(t)
    const store = join(intact, '../store')
    const begin = () => {
      for (const name of readdirSync(join(store, '..'))) {
        if (name.startsWith('store')) rmSync(join(store, '..', name), { recursive: true })
      }
      cpSync(intact, store, { recursive: true })
    }
    begin()
    const damaged = bytesBelow(store)
    const { problems } = checkStore(store)
    const counting = dyingHost(Number.POSITIVE_INFINITY)
    repairStore(store, { ...OPTIONS, discard, host: counting.host })
    const saved = readStore(store)
    t.true(problems.length > 0 && saved.size > 0)

    const random = seededRandom(SEED)
    let repaired = 0
    for (let n = 1; n <= counting.calls(); n++) {
      if (random() > KILLS / counting.calls()) continue
      begin()
      const dying = dyingHost(n)
      try {
        repairStore(store, { ...OPTIONS, discard, host: dying.host })
      } catch {
        // It is dead. Of what comes last, the failure is of no interest to it.
      }
      t.true(dying.calls() >= n)
      const after = checkStore(store)
      const isFinished = after.problems.every(problem => problem.code === 'REPAIR_UNFINISHED')
      if (isFinished) repaired++
      else {
        t.deepEqual(after.problems, problems, `call ${n}`)
        t.deepEqual(bytesBelow(store), damaged, `call ${n}`)
      }
      if (!after.clean) repairStore(store, { ...OPTIONS, discard })
      t.true(checkStore(store).clean, `call ${n}`)
      t.deepEqual(readStore(store), saved, `call ${n}`)
    }
    t.log(`${counting.calls()} calls; ${repaired} times the store was repaired already`)
  })
}
