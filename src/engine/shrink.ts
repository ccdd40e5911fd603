/**
 * Gives the space of free slots of frames.dat back to the host: cuts the file behind its last slot in use, and punches
 * holes where free slots lie between others. Only slots without a reference are touched, so none that a committed
 * checkpoint, a round or a newest image needs (I5). Runs under the round lock, after a commit (I7).
 *
 * Where most of the file is free, images far behind move to lower slots first; the next round commits that.
 *
 * Lazily: a slot that is used again soon is faster when it still has its space, so some slack of free slots stays,
 * unless {@link C_SHRINK} asks for all. What fails is left for the next time: the file is only larger than it need be.
 */
import type { Gate } from './gate.ts'
import { type Pool, ROOT_BLOB } from './pool.ts'
import { C_BLOB_HIGH, C_SHRINK } from './shared.ts'

/** Free slots that stay allocated, beside a quarter of those in use. */
const SLACK = 64

/** Free slots that may stay allocated in a file of `used` slots in use. */
export function slackOf(used: number): number {
  return SLACK + (used >> 2)
}

/** Images that move after one round, unless all shall. */
const MOST_MOVES = 64

/**
 * Copies images that lie behind as many slots as are in use to lower, free ones, when the file is more than twice as long
 * as it need be, or C_SHRINK asks for it; returns how many. They are newest images that no checkpoint knows of yet.
 */
export function lowerImages(pool: Pool, gate: Gate): number {
  const { disk, control, diskSlotOf } = pool
  const file = pool.file!
  const used = disk.used()
  const isAsked = control[C_SHRINK] !== 0
  if (!isAsked && disk.end() <= 2 * used + SLACK) return 0
  let moved = 0
  for (let blob = ROOT_BLOB; blob <= control[C_BLOB_HIGH]; blob++) {
    const from = diskSlotOf[blob]
    if (from <= used || (!isAsked && moved === MOST_MOVES)) continue
    disk.retain(from - 1)
    const to = disk.allocate()
    disk.routed[to] = disk.routed[from - 1]
    try {
      if (to < from - 1 && diskSlotOf[blob] === from && file.move(from - 1, to)) {
        if (setImage(pool, gate, blob, from, to + 1)) moved++
      }
    } finally {
      disk.release(to)
      disk.release(from - 1)
    }
  }
  return moved
}

/** Makes disk slot `to` the newest image of the blob if `from` still is. */
function setImage(pool: Pool, gate: Gate, blob: number, from: number, to: number): boolean {
  const entered = gate.enter()
  try {
    const resident = pool.slotOf[blob]
    if (pool.diskSlotOf[blob] !== from || (resident !== 0 && pool.dirty[resident - 1] !== 0)) return false
    pool.disk.retain(to - 1)
    pool.setCurrent(blob, to)
    return true
  } finally {
    gate.leave(entered)
  }
}

export function shrinkFrames(pool: Pool, gate: Gate): void {
  const used = pool.disk.used()
  const isAsked = pool.control[C_SHRINK] !== 0
  const slack = isAsked ? 0 : slackOf(used)
  try {
    cutTail(pool, gate, slack)
    punchHoles(pool, used, slack, isAsked)
    pool.control[C_SHRINK] = 0
  } catch {
    // The round is committed, and the next one tries again.
  }
}

function cutTail(pool: Pool, gate: Gate, slack: number): void {
  const { disk } = pool
  const file = pool.file!
  const slots = file.slots()
  const entered = gate.enter()
  let end: number
  try {
    // Images are written under the round lock or inside the gate: nobody is about to write behind the end now.
    end = disk.end()
    if (slots - end <= slack) return
    disk.closeFrom(end)
  } finally {
    gate.leave(entered)
  }
  try {
    file.cut(end)
    pool.count('slotsCut', slots - end)
  } finally {
    disk.reopen()
  }
}

/** Slots are claimed while they are punched; the lowest free ones, which are used first, stay as they are. */
function punchHoles(pool: Pool, used: number, slack: number, isAsked: boolean): void {
  const { disk } = pool
  const file = pool.file!
  if (!isAsked && file.allocatedSlots() <= used + slack) return
  const end = file.slots()
  let kept = 0
  for (let slot = 0; slot < end; slot++) {
    if (disk.refs[slot] !== 0 || kept++ < slack >> 1) continue
    let count = 0
    while (slot + count < end && disk.claim(slot + count)) count++
    try {
      if (count > 0) file.punch(slot, count)
      pool.count('slotsPunched', count)
    } finally {
      for (let i = 0; i < count; i++) disk.release(slot + i)
    }
    slot += count
  }
}
