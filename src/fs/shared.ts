/**
 * The memory that the FileSystems of all worker threads over one store share: namespace epochs, counters, the clock's
 * base, where listings end and one lock word per group of inodes. It starts empty with every start of the server and
 * holds nothing that a crash may not lose. Doubles are changed only inside the metadata store's exclusive section
 * (but for the clock's base, where a race costs a millisecond, and hints).
 */

/** What {@link createFsShared} returns; pass it to worker threads as it is. */
export type FsShared = SharedArrayBuffer

/** Int32 words. */
export const W_RENAMES_STARTED = 0
export const W_RENAMES_FINISHED = 1
export const W_REMOVALS = 2
export const W_COUNTERS_LOADED = 3
/** 1: the space kept back on the host is given up (reserve.ts). */
export const W_RESERVE_GIVEN_UP = 4
/** Orphans that the kernel has sent a FORGET for. */
export const W_ORPHANS_FORGOTTEN = 5
/** Data files that a failed sync has left in doubt: see {@link SharedState.noteLost}. */
const W_LOST = 6
/** Creations and synced creations in each `data/<xx>` (index xx), `data/` (256) and the store's directory (257). */
export const W_CREATED = 64
export const W_SYNCED = W_CREATED + 320
const W_LOCKS = W_SYNCED + 320
const LOCKS = 1024
const WORDS = W_LOCKS + LOCKS

/** Float64 values. */
export const F_CLOCK_BASE = 0
export const F_COUNTERS = 1
/** Files that began in the tree lately: see inline-promises.ts. */
export const F_INLINE = 64
export const INLINE_ENTRIES = 256
/** Listings that began lately: see listings.ts. */
export const F_LISTINGS = F_INLINE + 2 * INLINE_ENTRIES
export const LISTINGS = LOCKS
export const LISTING_FIELDS = 3
const F_LOST = F_LISTINGS + LISTING_FIELDS * LISTINGS
/** More than so many data files in doubt: then all are. */
const MOST_LOST = 64
const DOUBLES = F_LOST + MOST_LOST

/** Allocates the shared memory of one started store. */
export function createFsShared(): FsShared {
  const shared = new SharedArrayBuffer(WORDS * 4 + DOUBLES * 8)
  // What an earlier run created may not be synced: the first fsync in each data directory has to see to it.
  new Int32Array(shared, W_CREATED * 4, 258).fill(1)
  return shared
}

/** One thread's views of an {@link FsShared}. */
export class SharedState {
  readonly words: Int32Array<SharedArrayBuffer>
  readonly doubles: Float64Array<SharedArrayBuffer>

  constructor(shared: FsShared) {
    this.words = new Int32Array(shared, 0, WORDS)
    this.doubles = new Float64Array(shared, WORDS * 4, DOUBLES)
  }

  /** Takes note that a sync of data file `id` has failed: nobody knows what of it is on the medium. */
  noteLost(id: number): void {
    const at = Atomics.add(this.words, W_LOST, 1)
    if (at < MOST_LOST) this.doubles[F_LOST + at] = id
  }

  /** The same of a directory of data files: which names it has on the medium nobody knows. */
  noteAllLost(): void {
    Atomics.store(this.words, W_LOST, MOST_LOST + 1)
  }

  /** Whether a sync of data file `id` has failed since the start. */
  isLost(id: number): boolean {
    const count = Atomics.load(this.words, W_LOST)
    for (let i = 0; i < count; i++) if (i === MOST_LOST || this.doubles[F_LOST + i] === id) return true
    return false
  }

  /**
   * Waits for the lock of `ino`, which keeps host I/O on its data file and the commit that publishes it together. A
   * thread holds at most one, and takes it before the exclusive section, never inside.
   */
  lock(ino: number): void {
    const word = W_LOCKS + (ino % LOCKS)
    // 0 free, 1 held, 2 held with waiters: a futex mutex.
    for (let spin = 0; spin < 100; spin++) {
      if (Atomics.compareExchange(this.words, word, 0, 1) === 0) return
    }
    while (Atomics.exchange(this.words, word, 2) !== 0) Atomics.wait(this.words, word, 2)
  }

  unlock(ino: number): void {
    const word = W_LOCKS + (ino % LOCKS)
    if (Atomics.exchange(this.words, word, 0) === 2) Atomics.notify(this.words, word, 1)
  }
}
