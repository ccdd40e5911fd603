/**
 * Whether the states show what syncs are for: each line of the source through which something is synced is left out in
 * turn, as if it were not there, until a state is wrong. A line that no state misses is either needless, or the states are
 * too few.
 */
import { withCallers } from './callers.ts'
import { examine, type Sample, states } from './enumerate.ts'
import type { MediumEvent } from './memory-storage.ts'
import { type Recording, record, recordingNames } from './recording.ts'
import { withDirectory } from './run.ts'

export interface NeededSync {
  /** As `engine/checkpoint.ts:230`. Several when the very same syncs come through all of them. */
  lines: string[]
  /** How many they are, in all recordings. */
  syncs: number
  /** The first state that is wrong without them, `recording:seed:cut.choice`. */
  state?: string
  wrong?: string
}

/** One of so many states in the fixed order is made of each recording, then all. */
const SAMPLES: Sample[] = [
  { systematic: 0.05, random: 0.3 },
  { systematic: 1, random: 2 },
]
/** States of one recording after which the next one is tried. */
const MOST_STATES = 1500

/** `line`: only lines that contain this. */
export function neededSyncs(
  seed: number,
  only: string | undefined,
  line: string | undefined,
  tell: (found: NeededSync) => void,
): NeededSync[] {
  const names = recordingNames().filter(name => only === undefined || name.includes(only))
  return withDirectory(directory => {
    const recordings = names.map(name => withCallers(() => record(name, seed, directory)))
    return groups(recordings)
      .filter(({ lines }) => line === undefined || lines.some(other => other.includes(line)))
      .map(group => {
        const found = { ...group, ...firstWrong(recordings, group.lines[0], seed) }
        tell(found)
        return found
      })
  })
}

/** Lines by the syncs that come through them. */
function groups(recordings: readonly Recording[]): NeededSync[] {
  const syncs = new Map<string, string[]>()
  for (const { name, events } of recordings) {
    for (const [at, event] of events.entries()) {
      for (const line of new Set(callersOf(event))) {
        const list = syncs.get(line)
        if (list === undefined) syncs.set(line, [`${name} ${at}`])
        else list.push(`${name} ${at}`)
      }
    }
  }
  const lines = new Map<string, NeededSync>()
  for (const [line, list] of syncs) {
    const key = list.join()
    const same = lines.get(key)
    if (same === undefined) lines.set(key, { lines: [line], syncs: list.length })
    else same.lines.push(line)
  }
  return [...lines.values()].sort((a, b) => (a.lines[0] < b.lines[0] ? -1 : 1))
}

function firstWrong(
  recordings: readonly Recording[],
  line: string,
  seed: number,
): { state: string; wrong: string } | undefined {
  const ignores = (event: MediumEvent) => callersOf(event).includes(line)
  for (const sample of SAMPLES) {
    for (const recording of recordings) {
      if (!recording.events.some(ignores)) continue
      let left = MOST_STATES
      for (const state of states(recording, sample, seed, new Set(), ignores)) {
        const wrong = examine(recording, state, 'change')
        if (wrong !== undefined) return { state: `${recording.name}:${seed}:${state.id}`, wrong }
        if (--left === 0) break
      }
    }
  }
  return undefined
}

function callersOf(event: MediumEvent): readonly string[] {
  return event.kind === 'sync' || event.kind === 'directory-sync' ? event.callers : []
}
