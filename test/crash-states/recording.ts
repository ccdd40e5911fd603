/** A workload as it ran once: the medium before it, every event since, what was promised when, and how to open what is left. */
import { dirname } from 'node:path'
import type { StoreOptions } from '../../src/engine/store.ts'
import type { Durability } from '../../src/journal/durability.ts'
import { seededRandom } from '../support/random.ts'
import { withRecycledMemory } from '../support/recycled-memory.ts'
import { inFixedWorld } from './fixed-world.ts'
import { History, type Moment, type Step } from './history.ts'
import { Medium } from './medium.ts'
import { type MediumEvent, MemoryStorage } from './memory-storage.ts'
import { REPAIR_WORKLOADS } from './repair-workloads.ts'
import { RepairedLife } from './repaired-life.ts'
import { type Image, Sectors } from './sectors.ts'
import { TreeLife } from './tree-life.ts'
import { TreeWork } from './tree-work.ts'
import { TREE_WORKLOADS } from './tree-workloads.ts'
import { VolumeLife } from './volume-life.ts'
import { VolumeWork } from './volume-work.ts'
import { VOLUME_WORKLOADS } from './volume-workloads.ts'

/** An open store, of whichever kind. */
export interface Life {
  /** Seq up to which the store was recovered. */
  readonly recovered: number
  readonly tree: { lastSeq(): number }
  see(): unknown
  compare(steps: readonly Step<unknown>[], index: number, moment: Moment): string | undefined
  problems(): string | undefined
  goOn(): string | undefined
  stillGoes(): string | undefined
  /** Makes some changes, each before it is yielded: `synced` is an inode whose bytes are safe now, 0 when it is only the log. */
  further(): Iterable<{ what: string; synced?: number }>
  end(): void
}

export interface Recording {
  name: string
  seed: number
  /** Of the store. */
  directory: string
  /** Before the first event. */
  image: Image
  sectors: Sectors
  events: readonly MediumEvent[]
  history: History<unknown>
  /** Steps that had ended before the first event. */
  done: number
  open(storage: MemoryStorage, poolBytes: number): Life
}

/** How the log is written, and what is acknowledged when. */
const MODES: Record<string, { durability: Durability; mapping: boolean }> = {
  mapped: { durability: 'process', mapping: true },
  sync: { durability: 'sync', mapping: true },
  'sync-written': { durability: 'sync', mapping: false },
  written: { durability: 'process', mapping: false },
  async: { durability: 'async', mapping: false },
}

function modeOf(name: string): { durability: Durability; mapping: boolean } {
  return MODES[name.split('.')[1]]
}

/** The smallest pool that there is. */
export const SMALL_POOL = 4 << 20
const SEGMENT = 6000

export const WORKLOADS: readonly string[] = [
  ...Object.keys(TREE_WORKLOADS),
  ...Object.keys(VOLUME_WORKLOADS),
  ...Object.keys(REPAIR_WORKLOADS),
]

/** All workloads in all modes, as `workload.mode`, mode after mode. */
export function recordingNames(): string[] {
  return Object.keys(MODES).flatMap(mode => WORKLOADS.map(workload => `${workload}.${mode}`))
}

/** Runs a workload in memory; `directory` exists on the host, where the lock is taken. */
export function record(name: string, seed: number, directory: string): Recording {
  const [workload] = name.split('.')
  if (workload in REPAIR_WORKLOADS) return recordRepair(name, seed, directory)
  const { durability, mapping } = modeOf(name)
  const tree = TREE_WORKLOADS[workload]
  const volume = VOLUME_WORKLOADS[workload]
  const { segmentBytes = SEGMENT, prepare } = tree ?? volume
  const options: StoreOptions = { durability, segmentBytes, poolBytes: SMALL_POOL }
  const open = (storage: MemoryStorage, poolBytes: number): Life => {
    const Kind = tree === undefined ? VolumeLife : TreeLife
    return new Kind(directory, storage, { ...options, poolBytes })
  }
  return inRecycledWorld(() => {
    let image = emptyMedium(directory)
    if (prepare !== undefined) {
      const storage = new MemoryStorage(image, { notes: true })
      open(storage, SMALL_POOL).end()
      prepare(storage, directory)
      image = everythingOf(directory, image, storage)
    }
    const storage = new MemoryStorage(image, { notes: true, mapping })
    const random = seededRandom(seed)
    const { events, sectors } = storage
    const recording = { name, seed, directory, image, sectors, events, done: tree === undefined ? 1 : 0, open }
    if (tree !== undefined) {
      if (tree.killedMaker !== undefined) storage.killAt(...tree.killedMaker, () => open(storage, SMALL_POOL))
      const work = new TreeWork(directory, storage, options, random)
      tree.run(work)
      work.end()
      return { ...recording, history: work.history }
    }
    const work = new VolumeWork(directory, storage, options, random)
    volume.run(work)
    work.end()
    return { ...recording, history: work.history }
  })
}

/** Only the repair is noted, and a short life after it. */
function recordRepair(name: string, seed: number, directory: string): Recording {
  const { durability, mapping } = modeOf(name)
  const { fill, damage, discard } = REPAIR_WORKLOADS[name.split('.')[0]]
  const options: StoreOptions = { durability, segmentBytes: SEGMENT, poolBytes: SMALL_POOL }
  return inRecycledWorld(() => {
    const before = new MemoryStorage(emptyMedium(directory), { notes: true })
    const work = new VolumeWork(directory, before, options, seededRandom(seed))
    fill(work)
    before.kill(() => work.end())
    damage(before, directory)
    const image = everythingOf(directory, emptyMedium(directory), before)
    const open = (storage: MemoryStorage, poolBytes: number): Life =>
      new RepairedLife(directory, storage, { ...options, poolBytes }, image, discard)
    const storage = new MemoryStorage(image, { notes: true, mapping })
    const history = furtherLife(open(storage, SMALL_POOL), storage)
    const { events, sectors } = storage
    return { name, seed, directory, image, sectors, events, history, done: 1, open }
  })
}

/** The recovery of what a power cut has left, and a short life after it: it may be cut as well. */
export function recordRecovery(of: Recording, image: Image): Recording {
  return inRecycledWorld(() => {
    const { mapping } = modeOf(of.name)
    const storage = new MemoryStorage(image, { notes: true, mapping })
    const life = of.open(storage, SMALL_POOL)
    try {
      const history = furtherLife(life, storage)
      return { ...of, image, sectors: storage.sectors, events: storage.events, history, done: 1 }
    } catch (error) {
      storage.kill(() => life.end())
      throw error
    }
  })
}

/** A recording keeps nothing of the stores that it was made with. */
function inRecycledWorld<T>(work: () => T): T {
  return withRecycledMemory(() => inFixedWorld(work))
}

function furtherLife(life: Life, storage: MemoryStorage): History<unknown> {
  const history = new History<unknown>(false)
  const note = (what: string, promised: number, synced = 0, seq = life.tree.lastSeq()) => {
    history.steps.push({ what, seq, seen: life.see(), promised, synced })
    storage.mark(history.steps.length)
  }
  // What was found is on the medium; what the opening itself has committed need not be.
  note('recovered', life.recovered, 0, life.recovered)
  note('open', 0)
  for (const { what, synced } of life.further()) note(what, synced === undefined ? 0 : life.tree.lastSeq(), synced)
  const { seq, seen } = history.steps.at(-1)!
  life.end()
  history.steps.push({ what: 'close', seq, seen, promised: seq, synced: 0 })
  storage.mark(history.steps.length)
  return history
}

/** A medium on which only the way to the directory of the store is. */
function emptyMedium(directory: string): Image {
  const names: Image['names'] = new Map()
  for (let at = directory; ; at = dirname(at)) {
    names.set(at, 'directory')
    if (at === '/') return { sectors: new Sectors(), files: new Map(), names }
  }
}

/** What is in a storage, as if all of it were synced. */
function everythingOf(directory: string, image: Image, storage: MemoryStorage): Image {
  const medium = new Medium(directory, image, storage.sectors)
  storage.events.forEach((event, at) => {
    medium.take(event, at)
  })
  return medium.image({ keeps: () => true }).image
}
