/**
 * Everything that the threads of one store share, as SharedArrayBuffers made once at open (DESIGN: threads and shared
 * memory). The handle can be posted to a worker thread; the views over it are made by {@link Pool}.
 */
import {
  FRAME_SIZE,
  FRESH_MEMORY,
  MAX_BLOBS,
  MAX_POOL_FRAMES,
  MAX_VIEWS,
  MIN_POOL_FRAMES,
  POOL_PADDING,
} from '../limits.ts'

export interface EngineShared {
  frames: number
  pool: SharedArrayBuffer
  slots: SharedArrayBuffer
  /** BLOB_ARRAYS of words, then a byte for each blob id (at NOTES), then DISK_ARRAYS of bytes (at DISK), then SUMS. */
  blobs: SharedArrayBuffer
  views: SharedArrayBuffer
  control: SharedArrayBuffer
}

/** Most slots of frames.dat: live images, those of the last checkpoint, and those of a round in flight. */
export const MAX_DISK_SLOTS = 2 * MAX_BLOBS
/** Arrays for disk slots, each MAX_DISK_SLOTS bytes long. */
const DISK_ARRAYS = 2

/** Arrays of `slots`, each `frames` words long. */
const SLOT_ARRAYS = 8
/** Arrays of `blobs`, each MAX_BLOBS words long. */
const BLOB_ARRAYS = 5
/** Where the bytes for blob ids, 1 when the maintenance should look at the blob, and those for disk slots are in `blobs`. */
export const NOTES = BLOB_ARRAYS * MAX_BLOBS * 4
export const DISK = NOTES + MAX_BLOBS
/** Where the words for disk slots are in `blobs`: the checksum of the header of the image in each. */
export const SUMS = DISK + DISK_ARRAYS * MAX_DISK_SLOTS
/** Words of `views` for each view, before the words for each view and blob. */
export const VIEW_ARRAYS = 2

/** Words of `control`. */
export const C_GATE = 0
export const C_EPOCH = 1
export const C_TICK = 2
export const C_BLOB_HINT = 3
export const C_BLOB_HIGH = 4
export const C_DISK_HINT = 5
export const C_DISK_HIGH = 6
export const C_FAILED = 8
export const C_ROUND_LOCK = 9
/** Bumped whenever the checkpoint thread lets go of a slot. */
export const C_SLOT_FREED = 10
/** Slots that are free or clean, at least: a lower bound, recounted when it runs out. */
export const C_SPARE = 11
/** Bytes of the manifest that hold committed records. */
export const C_MANIFEST_SIZE = 12
/** 1 once the store is closed. */
export const C_CLOSED = 13
/** Bumped when a rename of a record or a subtree begins to be applied and again when it ends: odd while one is. */
export const C_RENAMES = 14
/** The gate's shared side, and how many threads sleep at the gate. */
export const C_SHARERS = 15
export const C_GATE_WAITERS = 16
/** Lock of N_MEMORY_SEQ. */
export const C_SEQ_LOCK = 17
/** 1 when a blob was noted since the notes were last collected. */
export const C_NOTED = 18
/** Which views are open, one bit each; how many were ever opened. */
export const C_VIEWS = 20
export const C_VIEW_NUMBER = 21
/** Images in memory that only views need, and references to disk slots for views. */
export const C_VIEW_IMAGES = 22
export const C_VIEW_DISK = 23
/** While frames.dat is cut: where it will end, at least 1; else 0. */
export const C_DISK_END = 24
/** What the next round is to give back of frames.dat: {@link SHRINK_FREE}, {@link SHRINK_ALL}, or 0: as usual. */
export const C_SHRINK = 25
export const SHRINK_FREE = 1
/** Moves images to lower slots before. */
export const SHRINK_ALL = 2
/** No key is longer than this, in bytes: it only grows. */
export const C_LONGEST_KEY = 26
/** Bumped when a subtree rename begins to be applied and again when it ends: routes from before do not count. */
export const C_MOVES = 30
/** 1 while the manifest says that there need be no log (I48). Changes under the round lock. */
export const C_NO_LOG = 27
/** Statistics: see {@link COUNTERS}. */
export const C_COUNTERS = 32
export const CONTROL_WORDS = 128

/** Float64 words behind the others: exact integers up to 2^53. Changed only under the gate or the round lock. */
export const N_CHECKPOINT_SEQ = 0
export const N_WAL_AT_ROUND = 1
/** Last seq of a store without files. */
export const N_MEMORY_SEQ = 2
/** Bytes of frames and of manifest that rounds have written, and those of frames that were written ahead of one. */
export const N_ROUND_BYTES = 3
export const N_MANIFEST_BYTES = 4
export const N_STEAL_BYTES = 5
/** Milliseconds that rounds took: all together, the last one, the longest. */
export const N_ROUND_TIME = 6
export const N_LAST_ROUND_TIME = 7
export const N_LONGEST_ROUND_TIME = 8
export const NUMBERS = 16

/** Names of the statistics words, in order from C_COUNTERS. */
export const COUNTERS = [
  'spillovers',
  'compactions',
  'frameLoads',
  'frameEvictions',
  'frameSteals',
  'copiesAside',
  'rounds',
  'roundFrames',
  'failedRounds',
  'lookups',
  'crossings',
  'readRestarts',
  'routeHits',
  'routeMisses',
  'blobsFreed',
  'merges',
  'routings',
  'coldReads',
  'coldPages',
  'routingHits',
  'routingMisses',
  'bloomNegatives',
  'viewsExpired',
  'slotsCut',
  'slotsPunched',
] as const

export type CounterName = (typeof COUNTERS)[number]

export function createEngineShared(poolBytes: number): EngineShared {
  const frames = Math.max(MIN_POOL_FRAMES, Math.min(MAX_POOL_FRAMES, Math.floor(poolBytes / FRAME_SIZE)))
  return {
    frames,
    pool: new SharedArrayBuffer(frames * FRAME_SIZE + POOL_PADDING),
    slots: new SharedArrayBuffer(SLOT_ARRAYS * frames * 4),
    blobs: new SharedArrayBuffer(Math.max(FRESH_MEMORY, SUMS + MAX_DISK_SLOTS * 4)),
    views: new SharedArrayBuffer(Math.max(FRESH_MEMORY, MAX_VIEWS * (VIEW_ARRAYS + MAX_BLOBS) * 4)),
    control: new SharedArrayBuffer(CONTROL_WORDS * 4 + NUMBERS * 8),
  }
}
