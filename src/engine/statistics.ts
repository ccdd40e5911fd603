/** What a tree says about itself: gauges read from the tables, counters summed by all threads since the store was opened. */
import type { Journal, JournalCounters } from '../journal/journal.ts'
import type { Pool } from './pool.ts'
import {
  C_BLOB_HIGH,
  C_COUNTERS,
  C_VIEW_DISK,
  C_VIEW_IMAGES,
  COUNTERS,
  type CounterName,
  N_CHECKPOINT_SEQ,
  N_MEMORY_SEQ,
} from './shared.ts'

export interface TreeStatistics {
  /** Seq of the last change, of the last one on the medium, of the last checkpoint. */
  lastSeq: number
  durableSeq: number
  checkpointSeq: number
  /** Frames the pool can hold, holds, and holds dirty. */
  poolFrames: number
  residentFrames: number
  dirtyFrames: number
  /** Blobs of the tree, resident or not. */
  blobs: number
  /** Open views; frames in memory and slots of frames.dat that are held for them alone. */
  views: number
  viewImages: number
  viewSlots: number
  counters: Record<CounterName, number>
  journal?: JournalCounters
}

export function treeStatistics(pool: Pool, journal: Journal | undefined): TreeStatistics {
  let residentFrames = 0
  let dirtyFrames = 0
  for (let slot = 0; slot < pool.frames; slot++) {
    if (pool.blobOf[slot] <= 0) continue
    residentFrames++
    if (pool.dirty[slot] !== 0) dirtyFrames++
  }
  let blobs = 0
  for (let blob = 1; blob <= pool.control[C_BLOB_HIGH]; blob++) {
    if ((pool.slotOf[blob] | pool.diskSlotOf[blob]) !== 0) blobs++
  }
  const counters = Object.fromEntries(COUNTERS.map((name, i) => [name, pool.control[C_COUNTERS + i]]))
  return {
    lastSeq: journal?.lastSeq() ?? pool.numbers[N_MEMORY_SEQ],
    durableSeq: journal?.durableSeq() ?? pool.numbers[N_MEMORY_SEQ],
    checkpointSeq: pool.numbers[N_CHECKPOINT_SEQ],
    poolFrames: pool.frames,
    residentFrames,
    dirtyFrames,
    blobs,
    views: pool.views.count(),
    viewImages: pool.control[C_VIEW_IMAGES],
    viewSlots: pool.control[C_VIEW_DISK],
    counters: counters as Record<CounterName, number>,
    ...(journal === undefined ? {} : { journal: journal.counters() }),
  }
}
