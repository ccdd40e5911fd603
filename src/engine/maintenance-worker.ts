/**
 * The background thread: watches the store's shared words and puts work on a queue - checkpoint rounds when the log or
 * the dirty frames have grown or time has passed, the periodic sync of the log, merging and compaction of the blobs that
 * were noted. A task that is queued already is
 * merged; one that fails with an I/O error is tried again, later each time.
 *
 * The thread ends by itself when it is told to. It touches files and the log only within `work`.
 */
import { workerData } from 'node:worker_threads'
import Queue from 'better-queue'
import createDebug from 'debug'
import { HoltError } from '../errors.ts'
import { FRAME_SIZE, MOST_ROUND_WAL_BYTES, ROUND_WAL_BYTES } from '../limits.ts'
import { attachStore } from './attach.ts'
import { M_BUSY, M_STOP, type MaintenanceData } from './maintenance-data.ts'
import type { Work } from './upkeep.ts'

const debug = createDebug('holtfs:maintenance')

/** Milliseconds between two looks at the store. */
const LOOK = 50
/** Milliseconds after which changes are synced to the medium, as ext4's commit interval, and checkpointed. */
const SYNC_EVERY = 1000
const ROUND_EVERY = 30_000
/** Milliseconds between two looks for frames that nobody changes. */
const ROUTE_EVERY = 30_000

/** Tries at once of a step on frames that others change; then it waits in the queue. */
const MOST_TRIES = 3

type Task = { id: string; work: 'round' | 'sync'; blob?: undefined } | { id: string; work: Work; blob: number }

/** What is done first. */
const PRIORITY = { sync: 4, round: 3, merge: 2, gather: 2, compact: 1, route: 0 }

const { handle, words: buffer } = workerData as MaintenanceData
const words = new Int32Array(buffer)
const tree = attachStore(handle)

let syncedAt = Date.now()
let roundAt = Date.now()
let roundBytes = 0
let routedAt = Date.now()

const queue = new Queue<Task, void>(
  (task, done) => {
    try {
      work(() => perform(task))
      done(null)
    } catch (error) {
      const failed = error instanceof HoltError && error.code === 'HOLT_FAILED'
      debug('%s failed%s: %s', task.id, failed ? ' for good' : '', (error as Error).message)
      done(failed ? null : error)
    }
  },
  {
    maxRetries: 8,
    retryDelay: 500,
    precondition: ready => ready(null, words[M_STOP] === 0),
    preconditionRetryTimeout: LOOK,
    priority: (task, ready) => ready(null, PRIORITY[task.work]),
  },
)

function perform(task: Task): void {
  if (task.blob !== undefined) {
    let outcome = tree.upkeep[task.work](task.blob)
    for (let i = 0; i < MOST_TRIES && outcome === 'busy'; i++) outcome = tree.upkeep[task.work](task.blob)
    if (outcome === 'busy') throw new Error(`blob ${task.blob} is being changed`)
    if (outcome === 'done' && task.work === 'gather') queue.push(task)
  } else if (task.work === 'sync') tree.sync()
  else round()
}

/**
 * Bytes of log that are worth a round. It writes every dirty frame whole, so the more there are the longer it waits: until
 * half as much was logged as it will write, as far as the bound on the log allows.
 */
function bytesOfRound(dirtyFrames: number): number {
  return Math.min(MOST_ROUND_WAL_BYTES, Math.max(ROUND_WAL_BYTES, (dirtyFrames * FRAME_SIZE) / 2))
}

function round(): void {
  const started = performance.now()
  roundAt = Date.now()
  roundBytes = tree.stats().journal?.bytes ?? 0
  if (tree.checkpoint()) debug('round in %d ms', Math.round(performance.now() - started))
}

/** Does something to the store, unless it is being closed; {@link Maintenance.stop} waits for the end of it. */
function work(step: () => void): void {
  Atomics.store(words, M_BUSY, 1)
  try {
    if (Atomics.load(words, M_STOP) === 0) step()
  } finally {
    Atomics.store(words, M_BUSY, 0)
    Atomics.notify(words, M_BUSY)
  }
}

function flush(): void {
  try {
    work(() => tree.flush())
  } catch (error) {
    debug('flush failed: %s', (error as Error).message)
  }
}

function look(): void {
  if (Atomics.load(words, M_STOP) !== 0) process.exit()
  if (handle.durability === 'async') flush()
  const stats = tree.stats()
  const now = Date.now()
  const bytes = (stats.journal?.bytes ?? 0) - roundBytes
  const isDirty = stats.lastSeq > stats.checkpointSeq || stats.dirtyFrames > 0
  const isCrowded = stats.dirtyFrames * 2 > stats.poolFrames
  if (
    bytes > bytesOfRound(stats.dirtyFrames) ||
    (isCrowded && now - roundAt > SYNC_EVERY) ||
    (isDirty && now - roundAt > ROUND_EVERY)
  ) {
    queue.push({ id: 'round', work: 'round' })
  }
  if (now - syncedAt > SYNC_EVERY && stats.lastSeq > stats.durableSeq) {
    syncedAt = now
    queue.push({ id: 'sync', work: 'sync' })
  }
  for (const blob of tree.upkeep.collect()) {
    const task = tree.upkeep.task(blob)
    if (task !== undefined) queue.push({ id: `${task.work} ${task.blob}`, ...task })
  }
  if (now - routedAt > ROUTE_EVERY) {
    routedAt = now
    for (const blob of tree.upkeep.collectCold()) queue.push({ id: `route ${blob}`, work: 'route', blob })
  }
}

setInterval(look, LOOK)
