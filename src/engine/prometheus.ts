/** The statistics of a tree as Prometheus reads them: text exposition format 0.0.4. */
import type { CounterName } from './shared.ts'
import type { TreeStatistics } from './statistics.ts'

type Metric = [name: string, type: 'gauge' | 'counter', help: string, value: (of: TreeStatistics) => number | undefined]

const METRICS: readonly Metric[] = [
  ['last_seq', 'counter', 'Seq of the last change.', of => of.lastSeq],
  ['durable_seq', 'counter', 'Seq up to which changes are on the medium.', of => of.durableSeq],
  ['checkpoint_seq', 'counter', 'Seq of the last checkpoint.', of => of.checkpointSeq],
  ['pool_frames', 'gauge', 'Frames that the pool can hold.', of => of.poolFrames],
  ['resident_frames', 'gauge', 'Frames that the pool holds.', of => of.residentFrames],
  ['dirty_frames', 'gauge', 'Frames changed since they were last written.', of => of.dirtyFrames],
  ['frame_fill_ratio', 'gauge', 'Part of the room in resident frames that nodes take.', of => of.fill],
  ['frame_dead_ratio', 'gauge', 'Part of the room in resident frames that dead nodes take.', of => of.dead],
  ['blobs', 'gauge', 'Blobs of the tree, resident or not.', of => of.blobs],
  ['views', 'gauge', 'Open views.', of => of.views],
  ['view_images', 'gauge', 'Frames in memory that are held for views alone.', of => of.viewImages],
  ['view_disk_slots', 'gauge', 'Slots of frames.dat that are held for views alone.', of => of.viewSlots],
  ['round_seconds_total', 'counter', 'Time that checkpoint rounds took.', of => of.roundTime.total / 1000],
  ['round_last_seconds', 'gauge', 'Time that the last round took.', of => of.roundTime.last / 1000],
  ['round_longest_seconds', 'gauge', 'Time that the longest round took.', of => of.roundTime.longest / 1000],
  ['round_bytes_total', 'counter', 'Bytes of frames written by rounds.', of => of.written.rounds],
  ['ahead_bytes_total', 'counter', 'Bytes of frames written ahead of rounds.', of => of.written.ahead],
  ['manifest_bytes_total', 'counter', 'Bytes of manifest written.', of => of.written.manifest],
  [
    'write_amplification_ratio',
    'gauge',
    'Bytes written in all for each byte of the changes.',
    of => of.written.amplification,
  ],
  ['wal_body_bytes_total', 'counter', 'Bytes of the changes in the log.', of => of.journal?.bodyBytes],
  ['wal_appends_total', 'counter', 'Records appended to the log.', of => of.journal?.appends],
  ['wal_writes_total', 'counter', 'Writes of the log.', of => of.journal?.writes],
  ['wal_syncs_total', 'counter', 'Syncs of the log.', of => of.journal?.syncs],
  ['wal_bytes_total', 'counter', 'Bytes appended to the log.', of => of.journal?.bytes],
]

const COUNTER_HELP: Record<CounterName, string> = {
  spillovers: 'Subtrees moved out of a full frame.',
  compactions: 'Frames rebuilt without their dead nodes.',
  frameLoads: 'Frames read from frames.dat.',
  frameEvictions: 'Frames that made room for others.',
  frameSteals: 'Dirty frames written ahead of a round.',
  copiesAside: 'Frames that moved because a round or view needed their image.',
  rounds: 'Checkpoint rounds.',
  roundFrames: 'Frames written by rounds.',
  failedRounds: 'Rounds that could not be written.',
  lookups: 'Lookups of single keys, counted by the thousand.',
  crossings: 'Frames that lookups went on to from another one, counted with them.',
  readRestarts: 'Reads that began again because of a writer.',
  routeHits: 'Lookups that began at a cached route.',
  routeMisses: 'Lookups that looked for a cached route and began at the root.',
  blobsFreed: 'Blobs given up.',
  merges: 'Blobs merged into others.',
  routings: 'Frames given the routing layout.',
  coldReads: 'Lookups answered from disk without loading a frame.',
  coldPages: 'Pages of frames.dat that cold lookups read.',
  routingHits: 'Routing regions found in the cache.',
  routingMisses: 'Routing regions read from frames.dat.',
  bloomNegatives: 'Cold lookups that a bloom filter answered.',
  slotsCut: 'Slots cut off the end of frames.dat.',
  slotsPunched: 'Free slots of frames.dat made holes of the file.',
  viewsExpired: 'Views that ended because too much was changed.',
}

/**
 * Text in the Prometheus exposition format; all names begin with `holtfs_`.
 * (Format: prometheus.io, "Exposition formats", text-based format.)
 */
export function renderPrometheus(statistics: TreeStatistics): string {
  const lines: string[] = []
  const add = (name: string, type: string, help: string, value: number) => {
    lines.push(`# HELP holtfs_${name} ${help}`, `# TYPE holtfs_${name} ${type}`, `holtfs_${name} ${value}`)
  }
  for (const [name, type, help, read] of METRICS) {
    const value = read(statistics)
    if (value !== undefined) add(name, type, help, value)
  }
  for (const name of Object.keys(COUNTER_HELP) as CounterName[]) {
    add(`${snakeCase(name)}_total`, 'counter', COUNTER_HELP[name], statistics.counters[name])
  }
  return `${lines.join('\n')}\n`
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
