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
  /** As `engine/checkpoint.ts:230`. */
  line: string
  /** How often it was run through, in all recordings. */
  syncs: number
  /** The first state that is wrong without it, `recording:seed:cut.choice`. */
  state?: string
  wrong?: string
}

const EVERYTHING: Sample = { systematic: 0.3, random: 3 }
/** States of one recording after which a line counts as not needed there. */
const MOST_STATES = 400

export function neededSyncs(seed: number, only: string | undefined, tell: (line: string) => void): NeededSync[] {
  const names = recordingNames().filter(name => only === undefined || name.includes(only))
  return withDirectory(directory => {
    const recordings = names.map(name => withCallers(() => record(name, seed, directory)))
    const syncs = new Map<string, number>()
    for (const { events } of recordings) {
      for (const event of events) for (const line of callersOf(event)) syncs.set(line, (syncs.get(line) ?? 0) + 1)
    }
    return [...syncs].sort().map(([line, count]) => {
      const found = firstWrong(recordings, line, seed)
      tell(`${line}, ${count} syncs: ${found?.state ?? 'not needed'}`)
      return { line, syncs: count, ...found }
    })
  })
}

function firstWrong(
  recordings: readonly Recording[],
  line: string,
  seed: number,
): { state: string; wrong: string } | undefined {
  const ignores = (event: MediumEvent) => callersOf(event).includes(line)
  for (const recording of recordings) {
    if (!recording.events.some(ignores)) continue
    let left = MOST_STATES
    for (const state of states(recording, EVERYTHING, seed, new Set(), ignores)) {
      const wrong = examine(recording, state, false)
      if (wrong !== undefined) return { state: `${recording.name}:${seed}:${state.id}`, wrong }
      if (--left === 0) break
    }
  }
  return undefined
}

function callersOf(event: MediumEvent): readonly string[] {
  return event.kind === 'sync' || event.kind === 'directory-sync' ? event.callers : []
}
