/**
 * Space in a frame: nodes are allocated one behind the other, and the header counts the bytes of those that no node
 * reaches any more. What is dead comes back when the frame is compacted (walker/spillover.ts), but for the last node.
 *
 * A routed frame has other bytes than nodes behind its nodes: it becomes plain when a node is allocated (I38). Whether the
 * frame may be changed is not asked here: its version is odd, or no reader knows of it yet.
 */
import { DATA_START, FRAME_SIZE } from '../limits.ts'
import { H_BLOB, H_DEAD, H_LEAVES, H_SLACK, H_USED } from './layout.ts'
import type { ResidencyTables } from './residency-tables.ts'

/** A blob with at most this many live bytes is worth merging. */
export const SPARSE_BYTES = 96 * 1024
/** A frame with at least this many dead bytes is worth compacting before it is full. */
export const DEAD_BYTES = 128 * 1024

export class FrameSpace {
  readonly #u32: Uint32Array
  readonly #tables: ResidencyTables

  constructor(tables: ResidencyTables) {
    this.#u32 = tables.u32
    this.#tables = tables
  }

  /** Bytes that can still be allocated at the end of the frame at `base`, less `reserve`. */
  room(base: number, reserve: number): number {
    return FRAME_SIZE - this.#u32[(base + H_USED) >> 2] - reserve
  }

  /** Bytes of the nodes of the frame at `base`. */
  live(base: number): number {
    const u32 = this.#u32
    return u32[(base + H_USED) >> 2] - DATA_START - u32[(base + H_DEAD) >> 2] - u32[(base + H_SLACK) >> 2]
  }

  /**
   * Allocates `size` bytes, a multiple of 8, and returns their offset in the frame. The caller checked {@link room}. A
   * routed frame becomes plain: the new node is where none of its kind may be, or has a key that the bloom filter lacks.
   */
  allocate(base: number, size: number): number {
    const u32 = this.#u32
    if (u32[(base + H_LEAVES) >> 2] !== 0) this.#unroute(base)
    const at = (base + H_USED) >> 2
    const offset = u32[at]
    if (offset + size > FRAME_SIZE) throw new Error('a frame overflows: room was not checked')
    u32[at] = offset + size
    return offset
  }

  #unroute(base: number): void {
    const u32 = this.#u32
    u32[(base + H_LEAVES) >> 2] = 0
    u32[(base + H_DEAD) >> 2] += u32[(base + H_SLACK) >> 2]
    u32[(base + H_SLACK) >> 2] = 0
  }

  /** Counts `size` bytes of the frame as dead, and notes its blob when it is worth merging or compacting by now. */
  abandon(base: number, size: number): void {
    const u32 = this.#u32
    const dead = u32[(base + H_DEAD) >> 2] + size
    u32[(base + H_DEAD) >> 2] = dead
    if (dead >= DEAD_BYTES || u32[(base + H_USED) >> 2] - dead <= DATA_START + SPARSE_BYTES) this.#note(base)
  }

  /** As {@link abandon}, for one node at `node`: the last one of a plain frame gives its bytes back. */
  release(base: number, node: number, size: number): void {
    const u32 = this.#u32
    const used = (base + H_USED) >> 2
    if (node - base + size !== u32[used] || u32[(base + H_LEAVES) >> 2] !== 0) {
      this.abandon(base, size)
      return
    }
    u32[used] -= size
    if (u32[used] - u32[(base + H_DEAD) >> 2] <= DATA_START + SPARSE_BYTES) this.#note(base)
  }

  #note(base: number): void {
    this.#tables.noteBlob(this.#u32[(base + H_BLOB) >> 2])
  }
}
