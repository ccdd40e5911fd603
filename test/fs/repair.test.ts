/**
 * Stores damaged in every way and repaired: the result is checked clean, every file that is left has the bytes that it had,
 * and what is not there any more was told. HOLTFS_REPAIRS is how many randomly damaged stores there are, HOLTFS_SEED repeats
 * a run.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { checkStore } from '../../src/cli/check.ts'
import { H_USED } from '../../src/engine/layout.ts'
import { readManifest } from '../../src/engine/manifest.ts'
import { openStore } from '../../src/engine/store.ts'
import { type RepairSummary, repairStore } from '../../src/fs/repair-store.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { type Comparison, compareStored, fillStore, readStore, type StoredTree } from './filled-store.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1_000_000)
const REPAIRS = Number(process.env.HOLTFS_REPAIRS ?? 12)
const FRAME = 512 * 1024
const PAGE = 4096
const OPTIONS = { dryRun: false, discard: true, poolBytes: 8 * FRAME, progress() {} }

function emptyDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-repair-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

interface Repaired extends Comparison {
  summary: RepairSummary
}

/** Damages a copy of the store, repairs it, and compares. `isOlder`: changes of names may be lost, so they prove nothing. */
function repaired(
  t: ExecutionContext,
  intact: string,
  model: StoredTree,
  what: string,
  damage: (store: string) => void,
): Repaired {
  const store = `${intact}.copy`
  rmSync(store, { recursive: true, force: true })
  cpSync(intact, store, { recursive: true })
  damage(store)
  const summary = repairStore(store, OPTIONS)
  t.deepEqual(checkStore(store).problems, [], what)
  t.deepEqual(
    readdirSync(join(store, '..')).filter(name => /repairing|damaged/.test(name)),
    [],
    what,
  )
  const told = new Set(summary.actions.filter(({ code }) => code === 'LOST_CONTENT').map(({ ino }) => ino))
  const comparison = compareStored(model, readStore(store), (_path, ino) => told.has(ino))
  const { wrong, intact: kept, found, emptied, total } = comparison
  if (kept < total) {
    const gone = total - kept - found - emptied
    const isTold = summary.losses.length > 0 || summary.actions.length > 0
    t.true(isTold, `${what}: ${gone} of ${total} files are gone, and nobody says so`)
  }
  t.deepEqual(wrong, [], what)
  return { ...comparison, summary }
}

const edit = (path: string, change: (bytes: Buffer) => void) => {
  const bytes = readFileSync(path)
  change(bytes)
  writeFileSync(path, bytes)
}

const slotsOf = (store: string) => [...readManifest(hostStorage, store).slots.values()].map(slot => slot - 1)

function filled(
  t: ExecutionContext,
  random: Random,
  count: number,
  killed: boolean,
): { store: string; model: StoredTree } {
  const store = join(emptyDirectory(t), 'store')
  return { store, model: fillStore(store, random, count, killed) }
}

/** Records with their versions. */
function recordsOf(store: string): string[] {
  const opened = openStore(store, { poolBytes: 8 * FRAME, readOnly: true, background: false })
  try {
    return [...opened.tree.range()].map(entry => {
      const { key, value, version } = entry as { key: Buffer; value: Buffer; version: number }
      return `${key.toString('hex')} ${value.toString('hex')} ${version}`
    })
  } finally {
    opened.close()
  }
}

test('an undamaged store that is repaired has the same records, versions and data files', t => {
  t.log(`seed ${SEED}`)
  for (const killed of [false, true]) {
    const { store, model } = filled(t, seededRandom(SEED), 300, killed)
    const before = recordsOf(store)
    const result = repaired(t, store, model, 'undamaged', () => {})
    t.deepEqual(recordsOf(`${store}.copy`), before)
    t.deepEqual(result.summary.losses, [])
    t.deepEqual(result.summary.actions, [])
    t.is(result.intact, result.total)
  }
})

test('each frame of a store lost in turn: the files of all others are left', t => {
  t.log(`seed ${SEED}`)
  const { store, model } = filled(t, seededRandom(SEED), 900, false)
  const shares: number[] = []
  const slots = slotsOf(store)
  for (const slot of slots) {
    const { intact, found, total, summary } = repaired(t, store, model, `slot ${slot}`, copy =>
      edit(join(copy, 'frames.dat'), bytes =>
        bytes.fill(0, slot * FRAME, Math.min(bytes.length, slot * FRAME + FRAME)),
      ),
    )
    t.is(summary.losses.filter(({ what }) => what === 'frame').length, 1)
    shares.push((intact + found) / total)
  }
  t.log(
    `of ${slots.length} frames one is lost: this share of the files is left: ${shares.map(s => s.toFixed(2)).join(' ')}`,
  )
})

test('one damaged page costs the records on it, a damaged header with intact pages costs nothing', t => {
  t.log(`seed ${SEED}`)
  const random = seededRandom(SEED)
  const { store, model } = filled(t, random, 400, false)
  for (const slot of slotsOf(store)) {
    const header = repaired(t, store, model, `header of ${slot}`, copy =>
      edit(join(copy, 'frames.dat'), bytes => {
        bytes[slot * FRAME + 1024 + Math.floor(random() * 3000)] ^= 4
      }),
    )
    t.is(header.intact, header.total)
    const page = repaired(t, store, model, `page of ${slot}`, copy =>
      edit(join(copy, 'frames.dat'), bytes => {
        const pages = Math.ceil(bytes.readUInt32LE(slot * FRAME + H_USED) / PAGE) - 1
        bytes[slot * FRAME + PAGE * (1 + Math.floor(random() * pages)) + Math.floor(random() * 200)] ^= 4
      }),
    )
    t.true(page.total - page.intact < page.total / 2)
  }
})

test('without a manifest all is found, whether the store was closed or its server killed', t => {
  t.log(`seed ${SEED}`)
  for (const killed of [false, true]) {
    const { store, model } = filled(t, seededRandom(SEED), 300, killed)
    for (const damage of ['missing', 'zeros', 'empty']) {
      const { intact, total, summary } = repaired(t, store, model, `manifest ${damage}`, copy => {
        const path = join(copy, 'manifest')
        if (damage === 'missing') rmSync(path)
        else if (damage === 'empty') writeFileSync(path, '')
        else edit(path, bytes => bytes.fill(0))
      })
      t.is(intact, total, damage)
      t.deepEqual(
        summary.losses.map(({ what }) => what),
        ['manifest'],
      )
    }
  }
})

test('behind a damaged record of the log, or a lost header, the changes that follow are applied', t => {
  t.log(`seed ${SEED}`)
  const { store, model } = filled(t, seededRandom(SEED), 500, true)
  const segments = readdirSync(join(store, 'wal')).sort()
  t.true(segments.length > 1)
  for (const name of segments.slice(0, 3)) {
    const header = repaired(t, store, model, `header of ${name}`, copy =>
      edit(join(copy, 'wal', name), bytes => bytes.fill(0, 0, 32)),
    )
    t.is(header.intact, header.total)
    t.is(header.summary.losses.length, 1)
  }
})

test('data files: those that are lost leave empty files, those without an inode go to lost+found', t => {
  t.log(`seed ${SEED}`)
  const { store, model } = filled(t, seededRandom(SEED), 300, false)
  const large = [...model.values()].filter(file => file.kind === 'file' && file.content!.length > 8192)
  const lost = repaired(t, store, model, 'no data', copy => rmSync(join(copy, 'data'), { recursive: true }))
  t.is(lost.emptied, [...model.values()].filter(file => large.includes(file)).length)
  const frames = repaired(t, store, model, 'no frames', copy => rmSync(join(copy, 'frames.dat')))
  t.is(frames.found, new Set(large.map(file => file.ino)).size)
})

test('randomly damaged stores end in a clean check, and never with wrong bytes', t => {
  t.timeout(3_600_000)
  t.log(`seed ${SEED}`)
  let left = 0
  let total = 0
  for (let run = 0; run < REPAIRS; run++) {
    const random = seededRandom(SEED + run)
    const below = (limit: number) => Math.floor(random() * limit)
    const killed = below(2) === 0
    const { store, model } = filled(t, random, 100 + below(500), killed)
    const seed = below(1 << 30)
    const damage = (copy: string) => {
      const choose = seededRandom(seed)
      const within = (limit: number) => Math.floor(choose() * limit)
      for (let i = 0; i <= within(4); i++) {
        const kind = within(12)
        const frames = join(copy, 'frames.dat')
        const { size } = statSync(frames)
        if (kind < 4) edit(frames, bytes => bytes.fill(within(2) * 255, within(size), within(size)))
        else if (kind < 8) for (let n = 0; n < 20; n++) edit(frames, bytes => (bytes[within(size)] ^= 1 << within(8)))
        else if (kind === 8)
          edit(frames, bytes => bytes.copyWithin(within(size / FRAME) * FRAME, within(size / FRAME) * FRAME, size))
        else if (kind === 9) rmSync(join(copy, 'manifest'), { force: true })
        else if (kind === 10 && existsSync(join(copy, 'manifest')))
          edit(join(copy, 'manifest'), bytes => (bytes[within(bytes.length)] ^= 1))
        else if (existsSync(join(copy, 'data'))) {
          const folders = readdirSync(join(copy, 'data'))
          rmSync(join(copy, 'data', folders[within(folders.length)]), { recursive: true })
        }
      }
    }
    const result = repaired(t, store, model, `run ${run}, seed ${SEED + run}`, damage)
    left += result.intact + result.found
    total += result.total
  }
  t.log(`${REPAIRS} stores: ${left} of ${total} files are left`)
})

test('what is in the way, in use or no store is refused, and nothing is changed', t => {
  const directory = emptyDirectory(t)
  const store = join(directory, 'store')
  fillStore(store, seededRandom(1), 20, false)
  const opened = openStore(store, { background: false })
  t.throws(() => repairStore(store, OPTIONS), { code: 'HOLT_LOCKED' })
  opened.close()
  mkdirSync(`${store}.repairing`)
  writeFileSync(join(`${store}.repairing`, 'letter'), 'dear')
  t.throws(() => repairStore(store, OPTIONS), { code: 'HOLT_INVALID', message: /repairing is in the way/ })
  t.is(readFileSync(join(`${store}.repairing`, 'letter'), 'utf8'), 'dear')
  mkdirSync(join(directory, 'foreign'))
  writeFileSync(join(directory, 'foreign', 'letter'), 'dear')
  t.throws(() => repairStore(join(directory, 'foreign'), OPTIONS), { code: 'HOLT_NOT_A_STORE' })
  t.throws(() => repairStore(join(directory, 'absent'), OPTIONS), { code: 'HOLT_NOT_A_STORE' })
})
