/** What a tree says about itself: gauges read from the tables, counters summed by all threads since the store was opened. */
import type { Journal, JournalCounters } from '../journal/journal.ts'
import { DATA_START, FRAME_SHIFT, FRAME_SIZE } from '../limits.ts'
import { H_DEAD, H_USED } from './layout.ts'
import type { Pool } from './pool.ts'
import {
  C_BLOB_HIGH,
  C_COUNTERS,
  C_VIEW_DISK,
  C_VIEW_IMAGES,
  COUNTERS,
  type CounterName,
  N_CHECKPOINT_SEQ,
  N_LAST_ROUND_TIME,
  N_LONGEST_ROUND_TIME,
  N_MANIFEST_BYTES,
  N_MEMORY_SEQ,
  N_ROUND_BYTES,
  N_ROUND_TIME,
  N_STEAL_BYTES,
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
  /** Of the room in resident frames: the part that nodes take, and the part that dead ones do; 0 to 1. */
  fill: number
  dead: number
  /** Blobs of the tree, resident or not. */
  blobs: number
  /** Open views; frames in memory and slots of frames.dat that are held for them alone. */
  views: number
  viewImages: number
  viewSlots: number
  counters: Record<CounterName, number>
  /** Milliseconds that checkpoint rounds took: all together, the last one, the longest one. */
  roundTime: { total: number; last: number; longest: number }
  /**
   * Bytes written for the tree: frames by rounds, frames ahead of rounds, manifest; and how many bytes were written in all,
   * with the log, for each byte of the changes: their keys, their values and 8.
   */
  written: { rounds: number; ahead: number; manifest: number; amplification: number }
  journal?: JournalCounters
}

export function treeStatistics(pool: Pool, journal: Journal | undefined): TreeStatistics {
  const { numbers } = pool
  let residentFrames = 0
  let dirtyFrames = 0
  let used = 0
  let dead = 0
  for (let slot = 0; slot < pool.frames; slot++) {
    if (pool.blobOf[slot] <= 0) continue
    residentFrames++
    if (pool.dirty[slot] !== 0) dirtyFrames++
    const base = slot << FRAME_SHIFT
    used += pool.u32[(base + H_USED) >> 2] - DATA_START
    dead += pool.u32[(base + H_DEAD) >> 2]
  }
  let blobs = 0
  for (let blob = 1; blob <= pool.control[C_BLOB_HIGH]; blob++) {
    if ((pool.slotOf[blob] | pool.diskSlotOf[blob]) !== 0) blobs++
  }
  const room = Math.max(1, residentFrames) * (FRAME_SIZE - DATA_START)
  const log = journal?.counters()
  const counters = Object.fromEntries(COUNTERS.map((name, i) => [name, pool.control[C_COUNTERS + i]]))
  return {
    lastSeq: journal?.lastSeq() ?? numbers[N_MEMORY_SEQ],
    durableSeq: journal?.durableSeq() ?? numbers[N_MEMORY_SEQ],
    checkpointSeq: numbers[N_CHECKPOINT_SEQ],
    poolFrames: pool.frames,
    residentFrames,
    dirtyFrames,
    fill: (used - dead) / room,
    dead: dead / room,
    blobs,
    views: pool.views.count(),
    viewImages: pool.control[C_VIEW_IMAGES],
    viewSlots: pool.control[C_VIEW_DISK],
    counters: counters as Record<CounterName, number>,
    roundTime: {
      total: numbers[N_ROUND_TIME],
      last: numbers[N_LAST_ROUND_TIME],
      longest: numbers[N_LONGEST_ROUND_TIME],
    },
    written: writtenBytes(pool, log),
    ...(log === undefined ? {} : { journal: log }),
  }
}

function writtenBytes({ numbers }: Pool, log: JournalCounters | undefined): TreeStatistics['written'] {
  const rounds = numbers[N_ROUND_BYTES]
  const ahead = numbers[N_STEAL_BYTES]
  const manifest = numbers[N_MANIFEST_BYTES]
  const all = rounds + ahead + manifest + (log?.bytes ?? 0)
  return { rounds, ahead, manifest, amplification: log === undefined || log.bodyBytes === 0 ? 0 : all / log.bodyBytes }
}
