/**
 * Gathering: sparse neighbours get a blob in common. Picks the part of a frame, a subtree or a run of neighbouring ones,
 * that comes nearest to filling a frame together with the child blobs it leads to, and moves it to a frame of its own,
 * into which those blobs can be folded then (merge.ts). What spillover takes apart, put together again; and like a merge
 * it works on copies that nobody else sees.
 */
import { FRAME_SIZE } from '../../limits.ts'
import { type ListedNodes, noteKeyBelow } from '../frame-key.ts'
import {
  BLOB,
  BLOB_CHILD,
  BLOB_RUN,
  H_ROOT,
  INNER_TERMINAL,
  NODE4,
  NODE256,
  NODE256_SIZE,
  offsetOf,
  PREFIX,
  PREFIX_BYTES,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  refOf,
} from '../layout.ts'
import type { Pool } from '../pool.ts'
import { cloneSubtree, measureSubtree } from './clone.ts'
import { makeCrossing } from './edge.ts'
import { addChild, findChild, newNode4, nextChild, nodeAt, nodeSize, runEnd } from './node.ts'

const MAX_LISTED = FRAME_SIZE / 8
/** The root, and what hangs below a Prefix, hang by no byte. */
const NO_BYTE = -1

export class Gather {
  readonly #pool: Pool
  /** The subtrees of a frame, parents before children and siblings side by side: where each hangs, below which, at which bytes. */
  readonly #hangAt = new Int32Array(MAX_LISTED)
  readonly #parent = new Int32Array(MAX_LISTED)
  readonly #first = new Int16Array(MAX_LISTED)
  readonly #last = new Int16Array(MAX_LISTED)
  /** Bytes of each with all child blobs it leads to, and how many those are. */
  readonly #weight = new Float64Array(MAX_LISTED)
  readonly #crossings = new Int32Array(MAX_LISTED)
  #listed = 0
  readonly #listedNodes: ListedNodes = { hangAt: this.#hangAt, parent: this.#parent, edgeByte: this.#first }

  constructor(pool: Pool) {
    this.#pool = pool
  }

  /**
   * Moves the part of the frame at `base` that weighs at most `most` bytes, and two to `mostBlobs` of whose nodes are
   * crossings, to the empty frame at `group`, and leaves a crossing to `blob`. `weigh` tells the bytes of a child blob.
   * False when there is no such part, or no room for the crossing; nothing has changed then.
   */
  move(
    base: number,
    group: number,
    blob: number,
    most: number,
    mostBlobs: number,
    weigh: (blob: number) => number,
  ): boolean {
    const pool = this.#pool
    if (pool.u16[(base + H_ROOT) >> 1] === 0 || pool.space.room(base, 0) < 2 * NODE256_SIZE) return false
    this.#list(base, weigh)
    const subtree = this.#bestSubtree(most, mostBlobs)
    const [from, to] = this.#bestRun(most, mostBlobs)
    const runWeight = this.#sum(from, to)
    if (subtree > 0 && this.#weight[subtree] >= runWeight) {
      const isPrefix = pool.u8[nodeAt(pool, base, this.#hangAt[subtree])] === PREFIX
      noteKeyBelow(pool, base, this.#listedNodes, subtree, group, isPrefix)
      this.#moveSubtree(base, group, blob, this.#hangAt[subtree])
    } else if (to > from) {
      noteKeyBelow(pool, base, this.#listedNodes, this.#parent[from], group, false)
      this.#moveRun(base, group, blob, from, to)
    } else return false
    return true
  }

  #list(base: number, weigh: (blob: number) => number): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    this.#listed = 0
    this.#add(base + H_ROOT, -1, NO_BYTE, NO_BYTE)
    for (let i = 0; i < this.#listed; i++) {
      const node = nodeAt(pool, base, this.#hangAt[i])
      const kind = u8[node]
      this.#weight[i] = nodeSize(pool, node)
      this.#crossings[i] = 0
      if (kind === BLOB) {
        this.#weight[i] += weigh(pool.u32[(node + BLOB_CHILD) >> 2])
        this.#crossings[i] = 1
      } else if (kind === PREFIX) {
        this.#add(node + PREFIX_CHILD, i, NO_BYTE, NO_BYTE)
      } else if (kind >= NODE4 && kind <= NODE256) {
        if (u16[(node + INNER_TERMINAL) >> 1] !== 0) {
          this.#weight[i] += nodeSize(pool, nodeAt(pool, base, node + INNER_TERMINAL))
        }
        for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
          const first = byte
          byte = runEnd(pool, node, byte)
          this.#add(findChild(pool, node, first), i, first, byte)
        }
      }
    }
    for (let i = this.#listed - 1; i > 0; i--) {
      this.#weight[this.#parent[i]] += this.#weight[i]
      this.#crossings[this.#parent[i]] += this.#crossings[i]
    }
  }

  #add(hangAt: number, parent: number, first: number, last: number): void {
    const i = this.#listed++
    this.#hangAt[i] = hangAt
    this.#parent[i] = parent
    this.#first[i] = first
    this.#last[i] = last
  }

  /** List index of the heaviest subtree, below the root, of at most `most` bytes with two crossings or more; 0: none. */
  #bestSubtree(most: number, mostBlobs: number): number {
    let best = 0
    for (let i = 1; i < this.#listed; i++) {
      if (this.#crossings[i] < 2 || this.#crossings[i] > mostBlobs || this.#weight[i] > most) continue
      if (best === 0 || this.#weight[i] > this.#weight[best]) best = i
    }
    return best
  }

  /** First and last list index of the heaviest neighbours of at most `most` bytes with two crossings or more; twice 0: none. */
  #bestRun(most: number, mostBlobs: number): readonly [number, number] {
    let from = 0
    let to = 0
    let best = 0
    let start = 1
    let sum = 0
    let crossings = 0
    for (let i = 1; i < this.#listed; i++) {
      if (this.#parent[i] !== this.#parent[start] || this.#first[i] === NO_BYTE) {
        start = i
        sum = 0
        crossings = 0
        if (this.#first[i] === NO_BYTE) {
          start = i + 1
          continue
        }
      }
      sum += this.#weight[i]
      crossings += this.#crossings[i]
      while (sum > most || crossings > mostBlobs) {
        sum -= this.#weight[start]
        crossings -= this.#crossings[start++]
      }
      if (crossings < 2 || i === start || sum <= best) continue
      best = sum
      from = start
      to = i
    }
    return [from, to]
  }

  #sum(from: number, to: number): number {
    let sum = 0
    for (let i = from; i > 0 && i <= to; i++) sum += this.#weight[i]
    return sum
  }

  #moveSubtree(base: number, group: number, blob: number, refAt: number): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    const node = nodeAt(pool, base, refAt)
    const size = measureSubtree(pool, base, refAt)
    // The edge of a Prefix moves into the BlobNode, so that a key that does not match never loads the child.
    const isPrefix = u8[node] === PREFIX
    u16[(group + H_ROOT) >> 1] = cloneSubtree(pool, base, isPrefix ? node + PREFIX_CHILD : refAt, group)
    const edge = isPrefix ? u8[node + PREFIX_LENGTH] : 0
    u16[refAt >> 1] = makeCrossing(pool, base, u8, node + PREFIX_BYTES, edge, blob)
    pool.space.abandon(base, size)
  }

  /** The bytes between the neighbours, at which nothing hangs, belong to the run from now on. */
  #moveRun(base: number, group: number, blob: number, from: number, to: number): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    const root = group + H_ROOT
    u16[root >> 1] = refOf(newNode4(pool, group) - group)
    for (let i = from; i <= to; i++) {
      const ref = cloneSubtree(pool, base, this.#hangAt[i], group)
      pool.space.abandon(base, measureSubtree(pool, base, this.#hangAt[i]))
      for (let byte = this.#first[i]; byte <= this.#last[i]; byte++) {
        addChild(pool, group, nodeAt(pool, group, root), root, byte, ref)
      }
    }
    const nodeRefAt = this.#hangAt[this.#parent[from]]
    const run = makeCrossing(pool, base, u8, 0, 0, blob)
    u8[base + offsetOf(run) + BLOB_RUN] = 1
    for (let byte = this.#first[from]; byte <= this.#last[to]; byte++) {
      const node = nodeAt(pool, base, nodeRefAt)
      const at = findChild(pool, node, byte)
      if (at !== 0) u16[at >> 1] = run
      else addChild(pool, base, node, nodeRefAt, byte, run)
    }
  }
}
