/**
 * Gives the space of free slots of frames.dat back to the host: cuts the file behind its last slot in use, and punches
 * holes where free slots lie between others. Only slots without a reference are touched, so none that a committed
 * checkpoint, a round or a newest image needs (I5). Runs under the round lock, after a commit (I7).
 *
 * Where most of the file is free, images far behind move to lower slots first; the next round commits that.
 *
 * Lazily: a slot that is used again soon is faster when it still has its space, so some slack of free slots stays,
 * unless {@link C_SHRINK} asks for it. What fails is left for the next time: the file is only larger than it need be.
 */
import type { Gate } from './gate.ts'
import { ROOT_BLOB } from './layout.ts'
import type { Pool } from './pool.ts'
import { C_BLOB_HIGH, C_SHRINK, SHRINK_ALL } from './shared.ts'

/** Free slots that stay allocated, beside a quarter of those in use. */
const SLACK = 64

/**
 * Free slots that may stay allocated in a file of `used` slots in use, while rounds write `images` images each: the next one
 * finds as many slots that have their space, instead of those of the last one being given back and allocated again.
 */
export function slackOf(used: number, images: number): number {
  return SLACK + (used >> 2) + images
}

/** Images that move after one round, unless all shall. */
const MOST_MOVES = 64

/**
 * Copies images that lie behind as many slots as are in use to lower, free ones, when the file is more than twice as long
 * as it need be with `images` more, or SHRINK_ALL asks for it; returns how many. They are newest images that no checkpoint
 * knows of yet.
 */
export function lowerImages(pool: Pool, gate: Gate, images: number): number {
  const { disk, control, diskSlotOf } = pool
  const used = disk.used()
  const isAsked = control[C_SHRINK] === SHRINK_ALL
  if (!isAsked && disk.end() <= 2 * used + SLACK + images) return 0
  const most = isAsked ? used : MOST_MOVES
  let moved = 0
  try {
    for (let blob = ROOT_BLOB; blob <= control[C_BLOB_HIGH] && moved < most; blob++) {
      if (diskSlotOf[blob] > used && lower(pool, gate, blob, diskSlotOf[blob])) moved++
    }
  } catch {
    // What moved is where it should be; a later round tries the rest.
  }
  return moved
}

/** Copies the image of a blob, in disk slot `from` - 1, to a lower slot. False when there is none or the image is outdated. */
function lower(pool: Pool, gate: Gate, blob: number, from: number): boolean {
  const { disk } = pool
  const isNewest = () => {
    const resident = pool.slotOf[blob]
    return pool.diskSlotOf[blob] === from && (resident === 0 || pool.dirty[resident - 1] === 0)
  }
  // With a reference of ours the slot holds this image for as long as we look at it.
  const isHeld = inside(gate, () => {
    if (!isNewest()) return false
    disk.retain(from - 1)
    return true
  })
  if (!isHeld) return false
  const to = disk.allocate()
  disk.routed[to] = disk.routed[from - 1]
  disk.sums[to] = disk.sums[from - 1]
  try {
    if (to >= from - 1 || !pool.file!.move(from - 1, to)) return false
    return inside(gate, () => {
      if (!isNewest()) return false
      disk.retain(to)
      pool.setCurrent(blob, to + 1)
      return true
    })
  } finally {
    disk.release(to)
    disk.release(from - 1)
  }
}

function inside(gate: Gate, step: () => boolean): boolean {
  const entered = gate.enter()
  try {
    return step()
  } finally {
    gate.leave(entered)
  }
}

/** `images`: how many images rounds write at present. */
export function shrinkFrames(pool: Pool, gate: Gate, images: number): void {
  const used = pool.disk.used()
  const isAsked = pool.control[C_SHRINK] !== 0
  const slack = isAsked ? 0 : slackOf(used, images)
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
    if (end === 0 || slots - end <= slack) return
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
