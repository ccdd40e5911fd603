/**
 * Routes of one thread: for the directories that were looked up or changed in, the node through which their keys go, so that
 * a descent begins there instead of at the root. A directory is a key up to its last `/`; only how well this works depends on that.
 *
 * A route is believed while no subtree was renamed (C_MOVES) and its frame has kept its shape, asked in this order after
 * the frame's version was read (I43). Leaves come and go without changing the shape: no route names one. The bytes of the
 * way are compared, so hashes that collide cost a miss. Memory is fixed, and nothing is allocated.
 */
import type { Pool } from '../pool.ts'
import { C_MOVES } from '../shared.ts'
import { copyWords, sameBytes } from './words.ts'

/** Routes that are kept, a power of two: 4 MB, of which only what is used takes memory. */
const ROUTES = 32768
/** Bytes of a route: six words, then the way. */
const ROUTE = 128
const HASH = 0
const MOVES = 1
const SHAPE = 2
const SLOT = 3
const REF = 4
const DEPTH = 5
const WAY = 24
/** Longest and shortest way in bytes; of a longer one the last directory that fits counts. */
export const MAX_WAY = ROUTE - WAY
const MIN_WAY = 8
/** The last slash is looked for in so many bytes. */
const MAX_NAME = 64

/** Lookups between two looks at how well it goes, when the counts are handed on as well. */
const LOOKUPS_A_BATCH = 1024
/** With fewer hits in a batch the cache rests for some batches. */
const WORTHWHILE = LOOKUPS_A_BATCH >> 2
const REST = 15

const SLASHES = 0x2f2f2f2f

export class RouteCache {
  /** The route found: pool slot, the version of its frame, reference of the node, how many bytes of the key are above it. */
  slot = 0
  version = 0
  ref = 0
  depth = 0
  /** Length of the way of the key at hand, to be noted in a descent; -1: the way is known, or none is wanted. */
  wanted = -1

  readonly #pool: Pool
  readonly #version: Int32Array
  readonly #shape: Int32Array
  readonly #control: Int32Array
  readonly #words = new Int32Array((ROUTES * ROUTE) >> 2)
  readonly #bytes = new DataView(this.#words.buffer)
  /** Of the key at hand: hash of the way, place of its route, count of moves before the descent. */
  #hash = 0
  #at = 0
  #moves = 0
  #shapeNoted = 0
  #lookups = 0
  #hits = 0
  #rest = 0

  constructor(pool: Pool) {
    this.#pool = pool
    this.#version = pool.version
    this.#shape = pool.shape
    this.#control = pool.control
  }

  /** Looks for a route for the first `length` bytes of `key`; four more bytes can be read behind them. */
  find(key: DataView, length: number): boolean {
    if (++this.#lookups === LOOKUPS_A_BATCH) this.#judge()
    this.wanted = -1
    if (this.#rest > 0) return false
    const way = wayOf(key, length)
    if (way < MIN_WAY) return false
    const hash = hashOf(key, way)
    // Two places for each hash, side by side.
    let at = (hash & (ROUTES - 1)) * ROUTE
    if (this.#words[(at >> 2) + HASH] !== hash) at ^= ROUTE
    if (this.#words[(at >> 2) + HASH] === hash && this.#take(at, key, length)) return true
    this.wanted = way
    this.#hash = hash
    this.#at = at
    this.#moves = Atomics.load(this.#control, C_MOVES)
    this.depth = 0
    return false
  }

  /** Takes the route at `at` if it holds for the key. */
  #take(at: number, key: DataView, length: number): boolean {
    const words = this.#words
    const w = at >> 2
    const slot = words[w + SLOT]
    const depth = words[w + DEPTH]
    const version = Atomics.load(this.#version, slot)
    if ((version & 1) !== 0 || words[w + SHAPE] !== this.#shape[slot]) return false
    if (words[w + MOVES] !== this.#control[C_MOVES]) return false
    // No way at all: an empty place.
    if (depth < MIN_WAY || depth > length || !sameBytes(this.#bytes, at + WAY, key, 0, depth)) return false
    this.slot = slot
    this.version = version
    this.ref = words[w + REF]
    this.depth = depth
    this.#hits++
    return true
  }

  /** Whether what stands at `at` is no route, or one that does not hold any more. */
  #isFree(at: number): boolean {
    const words = this.#words
    const w = at >> 2
    return words[w + MOVES] !== this.#control[C_MOVES] || words[w + SHAPE] !== this.#shape[words[w + SLOT]]
  }

  /** Notes that the descent has come to this node, after its frame's version was read and before it is compared again. */
  note(slot: number, ref: number, depth: number): void {
    this.slot = slot
    this.ref = ref
    this.depth = depth
    this.#shapeNoted = this.#shape[slot]
  }

  /** Keeps what was noted; the descent was believed. */
  keep(key: DataView): void {
    const { depth } = this
    if (depth < MIN_WAY || (this.#moves & 1) !== 0 || Atomics.load(this.#control, C_MOVES) !== this.#moves) return
    const words = this.#words
    let at = this.#at
    // The same way again, a free place, or by turns.
    if (words[(at >> 2) + HASH] !== this.#hash && !this.#isFree(at)) {
      const isOther = words[((at ^ ROUTE) >> 2) + HASH] === this.#hash || this.#isFree(at ^ ROUTE)
      if (isOther || (this.#lookups & 1) === 0) at ^= ROUTE
    }
    const w = at >> 2
    words[w + HASH] = this.#hash
    words[w + MOVES] = this.#moves
    words[w + SHAPE] = this.#shapeNoted
    words[w + SLOT] = this.slot
    words[w + REF] = this.ref
    words[w + DEPTH] = depth
    copyWords(key, 0, this.#bytes, at + WAY, depth)
  }

  #judge(): void {
    if (this.#rest > 0) this.#rest--
    else {
      this.#pool.count('routeHits', this.#hits)
      this.#pool.count('routeMisses', LOOKUPS_A_BATCH - this.#hits)
      if (this.#hits < WORTHWHILE) this.#rest = REST
    }
    this.#lookups = 0
    this.#hits = 0
  }
}

/** Length of the key's directory, its last slash included; 0 when none is near enough. */
function wayOf(key: DataView, length: number): number {
  let at = (length < MAX_WAY ? length : MAX_WAY) - 4
  const least = at - MAX_NAME
  for (; at >= 0 && at > least; at -= 4) {
    const x = key.getInt32(at, true) ^ SLASHES
    const found = ~(((x & 0x7f7f7f7f) + 0x7f7f7f7f) | x | 0x7f7f7f7f)
    if (found !== 0) return at + 4 - (Math.clz32(found) >> 3)
  }
  return 0
}

/** Multiplicative hash of the first `n` bytes by words; up to three bytes behind them can be read, and do not count. */
function hashOf(key: DataView, n: number): number {
  let h = n
  let i = 0
  for (; i + 4 <= n; i += 4) {
    h = Math.imul(h ^ key.getInt32(i, true), 0x9e3779b1)
    h ^= h >>> 13
  }
  if (i < n) h = Math.imul(h ^ (key.getInt32(i, true) << ((4 - n + i) << 3)), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  return h ^ (h >>> 13)
}
