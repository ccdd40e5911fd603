/**
 * Structure check of the tree: walks every frame from the root and compares what it finds with what the headers and
 * tables say. Runs under the gate, one frame at a time in the pool. The invariants are numbered in docs/invariants.md.
 */
import { DATA_START, FRAME_SHIFT, FRAME_SIZE } from '../limits.ts'
import { routingProblem } from './check-routing.ts'
import { FrameWalk } from './frame-walk.ts'
import type { Gate } from './gate.ts'
import {
  BLOB,
  BLOB_CHILD,
  H_BLOB,
  H_DEAD,
  H_LEAVES,
  H_ROOT,
  H_SLACK,
  H_USED,
  INNER_COUNT,
  INNER_TERMINAL,
  LEAF,
  LEAF_HEAD,
  LEAF_KEY_START,
  LEAF_SUFFIX,
  NODE4,
  NODE4_KEYS,
  NODE16,
  NODE16_KEYS,
  offsetOf,
  PREFIX,
  PREFIX_CHILD,
  PREFIX_LENGTH,
  ROOT_BLOB,
} from './layout.ts'
import type { Pool } from './pool.ts'
import { C_BLOB_HIGH } from './shared.ts'
import { childCount, findChild, isRun, nextChild, nodeSize, runEnd } from './walker/node.ts'

export interface StructureProblem {
  code: string
  blob: number
  /** What all keys in the blob and below begin with; absent when no intact way leads there. */
  key?: Uint8Array
  message: string
}

/** Told now and then how many of how many blobs were checked. */
export type CheckProgress = (done: number, total: number) => void

export interface StructureSummary {
  blobs: number
  /** Frames on the longest way from the root to a leaf. */
  depth: number
  records: number
  problems: StructureProblem[]
}

/** Problems after which the check stops collecting: a broken frame yields thousands. */
const MOST_PROBLEMS = 1000

/** Checks the whole tree. Reads every blob; changes nothing but what is resident. */
export function checkStructure(pool: Pool, gate: Gate, progress: CheckProgress = () => {}): StructureSummary {
  const check = new StructureCheck(pool, progress)
  const entered = gate.enter()
  try {
    return check.run()
  } finally {
    gate.leave(entered)
  }
}

class StructureCheck {
  readonly #pool: Pool
  readonly #progress: CheckProgress
  readonly #seen = new Set<number>()
  /** The blob that led to each. */
  readonly #parents = new Map<number, number>()
  readonly #keys = new Map<number, Uint8Array | undefined>([[ROOT_BLOB, new Uint8Array(0)]])
  readonly #problems: StructureProblem[] = []
  readonly #total: number
  #records = 0

  constructor(pool: Pool, progress: CheckProgress) {
    this.#pool = pool
    this.#progress = progress
    let total = 0
    for (let blob = ROOT_BLOB; blob <= pool.control[C_BLOB_HIGH]; blob++) {
      if ((pool.slotOf[blob] | pool.diskSlotOf[blob]) !== 0) total++
    }
    this.#total = total
  }

  run(): StructureSummary {
    const pool = this.#pool
    let depth = 0
    for (let level = [ROOT_BLOB]; level.length > 0; depth++) level = this.#level(level)
    for (let blob = ROOT_BLOB; blob <= pool.control[C_BLOB_HIGH]; blob++) {
      if ((pool.slotOf[blob] | pool.diskSlotOf[blob]) !== 0 && !this.#seen.has(blob)) {
        this.#report('BLOB_UNREACHABLE', blob, 'no BlobNode leads to it')
      }
    }
    this.#diskReferences()
    for (const problem of this.#problems) {
      const key = this.#keyOf(problem.blob)
      if (key !== undefined) problem.key = key
    }
    return { blobs: this.#seen.size, depth, records: this.#records, problems: this.#problems }
  }

  /** Checks the frames of some blobs; returns the blobs below them. */
  #level(blobs: number[]): number[] {
    const pool = this.#pool
    const below: number[] = []
    for (const blob of blobs) {
      if (this.#problems.length >= MOST_PROBLEMS) return []
      if (this.#seen.has(blob)) {
        this.#report('BLOB_SHARED', blob, 'two BlobNodes lead to it')
        continue
      }
      this.#seen.add(blob)
      this.#progress(this.#seen.size, this.#total)
      const known = below.length
      try {
        pool.slots.unpinAll()
        this.#frame(pool.fetch(blob), blob, below)
        for (const child of below.slice(known)) this.#parents.set(child, blob)
      } catch (error) {
        this.#report('FRAME_UNREADABLE', blob, (error as Error).message)
      }
    }
    return below
  }

  /** No two blobs share a disk slot (I6). */
  #diskReferences(): void {
    const pool = this.#pool
    const owner = new Map<number, number>()
    for (let blob = ROOT_BLOB; blob <= pool.control[C_BLOB_HIGH]; blob++) {
      const slot = pool.diskSlotOf[blob]
      if (slot === 0) continue
      if (owner.has(slot)) this.#report('SLOT_SHARED', blob, `blob ${owner.get(slot)} has the same disk slot`)
      owner.set(slot, blob)
      if (pool.disk.refs[slot - 1] === 0) this.#report('SLOT_FREE', blob, 'its disk slot counts as free')
    }
  }

  /** What the keys of a blob begin with, read from the blobs above it. */
  #keyOf(blob: number): Uint8Array | undefined {
    if (this.#keys.has(blob)) return this.#keys.get(blob)
    // Whoever refers to itself, over however many, has no key.
    this.#keys.set(blob, undefined)
    const parent = this.#parents.get(blob)
    const above = parent === undefined ? undefined : this.#keyOf(parent)
    let key: Uint8Array | undefined
    if (parent !== undefined && above !== undefined) {
      this.#pool.slots.unpinAll()
      const visitor = {
        record() {},
        unreadable() {},
        crossing(path: Uint8Array, length: number, child: number) {
          if (child === blob) key = path.slice(0, length)
        },
      }
      new FrameWalk(this.#pool).run(this.#pool.fetch(parent) << FRAME_SHIFT, above, visitor, () => true)
    }
    this.#keys.set(blob, key)
    return key
  }

  #report(code: string, blob: number, message: string): void {
    this.#problems.push({ code, blob, message: `blob ${blob}: ${message}` })
  }

  #frame(slot: number, blob: number, queue: number[]): void {
    const { u16, u32 } = this.#pool
    const base = slot << FRAME_SHIFT
    const used = u32[(base + H_USED) >> 2]
    const dead = u32[(base + H_DEAD) >> 2]
    if (u32[(base + H_BLOB) >> 2] !== blob) this.#report('WRONG_BLOB', blob, 'its header names another one')
    if (used < DATA_START || used > FRAME_SIZE) {
      this.#report('BAD_SIZE', blob, `${used} bytes used`)
      return
    }
    const root = u16[(base + H_ROOT) >> 1]
    if (root === 0) {
      if (blob !== ROOT_BLOB) this.#report('EMPTY_BLOB', blob, 'it holds no key and is not the root')
    }
    const live = root === 0 ? 0 : this.#nodes(base, blob, used, queue)
    const slack = u32[(base + H_SLACK) >> 2]
    if (live >= 0 && live + dead + slack !== used - DATA_START) {
      const what = `${live} live, ${dead} dead and ${slack} slack bytes do not add up to ${used - DATA_START} used`
      this.#report('DEAD_BYTES', blob, what)
    }
    if (live >= 0 && u32[(base + H_LEAVES) >> 2] !== 0) {
      const problem = routingProblem(this.#pool, base)
      if (problem !== '') this.#report('BAD_ROUTING', blob, problem)
    }
  }

  /** Walks the nodes of a frame; returns their bytes, or -1 when they make no tree. */
  #nodes(base: number, blob: number, used: number, queue: number[]): number {
    const pool = this.#pool
    const { u8, u16, u32 } = pool
    const stack = [base + H_ROOT]
    const nodes = new Set<number>()
    let live = 0
    for (let refAt = stack.pop(); refAt !== undefined; refAt = stack.pop()) {
      const node = base + offsetOf(u16[refAt >> 1])
      const size = nodeSize(pool, node)
      if (size === 0 || node + size > base + used || nodes.has(node)) {
        this.#report('BAD_NODE', blob, `kind ${u8[node]} at ${node - base}`)
        return -1
      }
      nodes.add(node)
      live += size
      switch (u8[node]) {
        case LEAF:
          this.#records++
          if (u16[(node + LEAF_KEY_START) >> 1] < LEAF_HEAD)
            this.#report('BAD_LEAF', blob, 'its key starts in its head')
          break
        case PREFIX:
          if (u8[node + PREFIX_LENGTH] === 0) this.#report('EMPTY_PREFIX', blob, `at ${node - base}`)
          if (u16[(node + PREFIX_CHILD) >> 1] === 0) this.#report('NO_CHILD', blob, `Prefix at ${node - base}`)
          else stack.push(node + PREFIX_CHILD)
          break
        case BLOB:
          queue.push(u32[(node + BLOB_CHILD) >> 2])
          break
        default:
          this.#inner(base, node, blob, stack)
      }
    }
    return live
  }

  #inner(base: number, node: number, blob: number, stack: number[]): void {
    const pool = this.#pool
    const { u8, u16 } = pool
    const terminal = u16[(node + INNER_TERMINAL) >> 1]
    if (terminal !== 0) {
      stack.push(node + INNER_TERMINAL)
      const leaf = base + offsetOf(terminal)
      if (u8[leaf] !== LEAF || u16[(leaf + LEAF_SUFFIX) >> 1] !== 0) {
        this.#report('BAD_TERMINAL', blob, `the terminal of node ${node - base} is not a leaf without a suffix`)
      }
    }
    let children = 0
    for (let byte = nextChild(pool, node, 0); byte < 256; byte = nextChild(pool, node, byte + 1)) {
      const child = findChild(pool, node, byte)
      const end = runEnd(pool, node, byte)
      children += end - byte + 1
      if (end !== byte && !isRun(pool, base + offsetOf(u16[child >> 1]))) {
        this.#report('SHARED_CHILD', blob, `bytes ${byte} to ${end} of node ${node - base} share a child`)
      }
      if (child === 0 || u16[child >> 1] === 0) this.#report('NO_CHILD', blob, `byte ${byte} of node ${node - base}`)
      else stack.push(child)
      byte = end
    }
    if (children !== childCount(pool, node)) {
      this.#report('CHILD_COUNT', blob, `node ${node - base} has ${children} of ${childCount(pool, node)} children`)
    }
    if (children === 0) this.#report('NO_CHILD', blob, `inner node ${node - base} has only a terminal, or nothing`)
    const keys = u8[node] === NODE4 ? NODE4_KEYS : u8[node] === NODE16 ? NODE16_KEYS : 0
    for (let i = 1; keys !== 0 && i < u8[node + INNER_COUNT]; i++) {
      if (u8[node + keys + i - 1] >= u8[node + keys + i]) this.#report('KEY_ORDER', blob, `node ${node - base}`)
    }
  }
}
