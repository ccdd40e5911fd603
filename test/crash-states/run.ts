/**
 * A run over all workloads: states of every recording in turn, and of some of them the states that a power cut during
 * their recovery could leave. Passes with further seeds follow until there are as many states as were asked for.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Depth, examine, recoveryOf, type State, sampleOf, stateById, states } from './enumerate.ts'
import { type Recording, record, recordingNames } from './recording.ts'

export interface RunOptions {
  /** States to make. */
  states: number
  seed: number
  /** Of the recordings to make. */
  names: readonly string[]
  onFailure(failure: Failure): void
  /** Called after each recording. */
  onProgress?(progress: Progress): void
}

export interface Failure {
  /** `recording:seed:cut.choice`, with `/cut.choice` when the power went again during the recovery. */
  id: string
  wrong: string
}

export interface Progress {
  states: number
  failures: number
  /** Seed of the pass that is under way. */
  seed: number
  name: string
  /** States by name of the recording. */
  counts: ReadonlyMap<string, number>
}

/** Of four states two are changed after they were compared, and one of these is opened a second time. */
const DEPTHS: readonly Depth[] = ['compare', 'change', 'compare', 'reopen']
/** Of so many states, the recovery of one is cut. */
const RECOVERIES = 32
/** States that are made of such a recovery. */
const STATES_OF_RECOVERY = 10
/** States that one pass makes of a recording. */
const MOST_A_PASS = 300
/** Passes that find nothing new after which a run ends. */
const EMPTY_PASSES = 3

export function run(options: RunOptions): Progress {
  const { names } = options
  const seen = new Set<number>()
  const counts = new Map<string, number>()
  const progress = { states: 0, failures: 0, seed: options.seed, name: '', counts }
  withDirectory(directory => {
    for (let empty = 0; progress.states < options.states && empty < EMPTY_PASSES; progress.seed++) {
      const before = progress.states
      // Every recording has its turn, though together they may make some states more than were asked for.
      const wanted = Math.min(MOST_A_PASS, Math.ceil((options.states - before) / names.length))
      for (const name of names) {
        progress.name = name
        const recording = record(name, progress.seed, directory)
        for (const { id, wrong } of verdicts(recording, wanted, progress.seed, seen)) {
          progress.states++
          counts.set(name, (counts.get(name) ?? 0) + 1)
          if (wrong === undefined) continue
          progress.failures++
          options.onFailure({ id: `${name}:${progress.seed}:${id}`, wrong })
        }
        options.onProgress?.(progress)
      }
      empty = progress.states === before ? empty + 1 : 0
    }
  })
  return progress
}

interface Verdict {
  id: string
  wrong: string | undefined
}

function* verdicts(recording: Recording, wanted: number, seed: number, seen: Set<number>): Generator<Verdict> {
  for (const state of states(recording, sampleOf(recording, wanted), seed, seen)) {
    const number = Number.parseInt(state.hash.slice(-6), 16)
    yield { id: state.id, wrong: examine(recording, state, DEPTHS[number % DEPTHS.length]) }
    if (number % RECOVERIES !== 0) continue
    const recovery = recoveryOf(recording, state)
    if (typeof recovery === 'string') {
      yield { id: `${state.id}/0.s0`, wrong: recovery }
      continue
    }
    for (const inner of states(recovery, sampleOf(recovery, STATES_OF_RECOVERY), seed, seen)) {
      yield { id: `${state.id}/${inner.id}`, wrong: examine(recovery, inner, 'change') }
    }
  }
}

/** Names of recordings that contain a text. */
export function namesWith(text = ''): string[] {
  return recordingNames().filter(name => name.includes(text))
}

/** Makes one state again. Returns it with the recording that it is of, and the verdict. */
export function again(id: string): { recording: Recording; state: State; wrong: string | undefined } {
  const [name, seed, path] = id.split(':')
  if (!recordingNames().includes(name) || path === undefined)
    throw new Error(`${id} is no state: recording:seed:cut.choice`)
  return withDirectory(directory => {
    let recording = record(name, Number(seed), directory)
    const [outer, inner] = path.split('/')
    let state = stateById(recording, outer, Number(seed))
    if (inner !== undefined) {
      const recovery = recoveryOf(recording, state)
      if (typeof recovery === 'string') return { recording, state, wrong: recovery }
      recording = recovery
      state = stateById(recording, inner, Number(seed))
    }
    return { recording, state, wrong: examine(recording, state, 'reopen') }
  })
}

/** A directory on the host, in which the lock of a store is taken, and nothing else. */
export function withDirectory<T>(use: (directory: string) => T): T {
  const own = mkdtempSync(join(tmpdir(), 'holtfs-states-'))
  try {
    const directory = join(own, 'store')
    mkdirSync(directory)
    return use(directory)
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
}
