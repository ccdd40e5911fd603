/**
 * Which of the states that a power cut could leave are made: first those in which bugs are likely, in a fixed order
 * (`s0`, `s1`, …), then any number of random ones (`r0`, `r1`, …).
 */
import { type Random, seededRandom } from '../support/random.ts'
import type { Choice, Pending, PendingData } from './medium.ts'
import { SECTOR } from './sectors.ts'

/** Sectors of a page. */
const PAGE = 8
/** Latest changes, and files, of which each is left out, or kept alone. */
const SINGLED_OUT = 8

const ALL: Choice = { keeps: () => true }
const NONE: Choice = { keeps: () => false }

/** The state that a killed process leaves, which is also one after a power cut: nothing is lost. */
export const KILLED = 's0'

/** States in the fixed order. */
export function systematic(pending: readonly Pending[]): Choice[] {
  if (pending.length === 0) return [ALL]
  const choices: Choice[] = [ALL, NONE]
  for (const one of pending.slice(-SINGLED_OUT)) {
    choices.push({ keeps: change => change !== one && change.at !== one.at }, { keeps: change => change.at === one.at })
  }
  choices.push(...apart(pending))
  const data = pending.filter(change => change.kind === 'data')
  const last = data.at(-1)
  if (last === undefined) return choices
  for (const background of [ALL, NONE]) choices.push(...tears(last, background))
  choices.push(...halfSectors(last))
  const stored = data.findLast(change => change.stored)
  if (stored !== undefined && stored !== last) choices.push(...halfSectors(stored))
  return choices
}

/** Names and bytes, and the bytes of each file, go their own way. */
function apart(pending: readonly Pending[]): Choice[] {
  const choices: Choice[] = [{ keeps: change => change.kind === 'names' }, { keeps: change => change.kind === 'data' }]
  const files = new Set(pending.flatMap(change => (change.kind === 'data' ? change.file : [])))
  for (const file of [...files].slice(-SINGLED_OUT)) {
    choices.push(
      { keeps: change => change.kind === 'names' || change.file === file },
      { keeps: change => change.kind === 'names' || change.file !== file },
    )
  }
  return choices
}

/** A change of which a part of the sectors is there, and its size or not. */
function tears(change: PendingData, background: Choice): Choice[] {
  const { length } = change.ids
  const starts = new Set([0, 1, PAGE, length >> 1, (length >> 1) & -PAGE, length - PAGE, length - 1, length])
  const isOf = (other: Pending) => other.at === change.at
  const choices: Choice[] = []
  for (const count of starts) {
    if (count < 0 || count > length) continue
    const keepsSector = (wanted: (j: number) => boolean): NonNullable<Choice['keepsSector']> => {
      return (other, _i, _n, sector) => (isOf(other) ? wanted(sector - change.first) : background.keeps(other))
    }
    const keeps = (withSize: boolean) => (other: Pending) => (isOf(other) ? withSize : background.keeps(other))
    choices.push({ keeps: keeps(true), keepsSector: keepsSector(j => j < count) })
    choices.push({ keeps: keeps(false), keepsSector: keepsSector(j => j < count) })
    choices.push({ keeps: keeps(true), keepsSector: keepsSector(j => j >= count) })
  }
  return choices
}

/** A change of which the last sector has come to a part of its bytes: a page may be written while it is stored to. */
function halfSectors(change: PendingData): Choice[] {
  if (change.ids.length === 0) return []
  const sector = change.first + change.ids.length - 1
  return [1, 8, 100, 256, 404, 504].flatMap(bytes => [
    { keeps: other => other.at < change.at, torn: { at: change.at, sector, bytes } },
    { keeps: other => other.at <= change.at, torn: { at: change.at, sector, bytes } },
  ])
}

/** One of the random states; the same for the same seed. */
export function randomChoice(seed: number): Choice {
  const random = seededRandom(seed)
  const share = [0.1, 0.5, 0.5, 0.9][Math.floor(random() * 4)]
  const grain = [0, 1, 1, PAGE, PAGE, 64][Math.floor(random() * 6)]
  const salt = Math.floor(random() * 0x7fffffff)
  const keeps = (change: Pending) => chance(salt, change.at, 0) < share
  const sizes = Math.floor(random() * 3)
  const size: Choice['size'] = (file, durable, changes) => anySize(seededRandom(mixed(salt, file, 1)), durable, changes)
  if (grain === 0) return sizes === 0 ? { keeps, size } : { keeps }
  // A page has seen the first few changes of its file.
  const keepsSector: Choice['keepsSector'] = (change, i, n, sector) => {
    const page = Math.floor(sector / grain)
    return chance(salt, page, change.file) < share && i < chance(salt, page, change.file + 1_000_003) * (n + 1)
  }
  return sizes === 0 ? { keeps, keepsSector } : { keeps, keepsSector, size }
}

/** The durable size, the one after any change, or a boundary of a sector or page between two. */
function anySize(random: Random, durable: number, changes: readonly PendingData[]): number {
  const sizes = [durable, ...changes.map(change => change.size)]
  const pick = () => sizes[Math.floor(random() * sizes.length)]
  const size = random() < 0.4 ? sizes[sizes.length - 1] : pick()
  if (random() < 0.6) return size
  const other = pick()
  const unit = random() < 0.5 ? SECTOR : PAGE * SECTOR
  return Math.min(Math.max(size, other), Math.ceil((size + random() * (other - size)) / unit) * unit)
}

/** A number in [0, 1) that depends on nothing else. */
function chance(salt: number, a: number, b: number): number {
  return (mixed(salt, a, b) >>> 0) / 4294967296
}

export function mixed(salt: number, a: number, b: number): number {
  let x = Math.imul(salt ^ 0x9e3779b1, 0x85ebca6b) ^ Math.imul(a + 1, 0xc2b2ae35) ^ Math.imul(b + 7, 0x27d4eb2f)
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d)
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39)
  return x ^ (x >>> 15)
}
