/** One random operation after another, all of them valid ones, on few names, so that they meet. */

import { DEFAULT } from '../support/acl.ts'
import type { Random } from '../support/random.ts'
import { ROOT } from './crash-model.ts'
import type { CrashRun } from './crash-run.ts'

const NAMES = ['a', 'b', 'c', 'd']
const DIRECTORIES = ['x', 'y', 'z', 'x/y']
const OFFSETS = [0, 0, 1, 100, 4096, 8000, 8192, 9000, 20000, 50000]
/** Modes of fallocate. */
const MODES = [0, 0, 1, 3, 3, 16, 17]
const LENGTHS = [1, 10, 500, 4096, 8191, 8192, 8193, 12000, 20000]
/** Names of extended attributes. */
const ATTRIBUTES = ['user.a', 'user.b', 'trusted.c']
const SIZES = [0, 0, 1, 3000, 8191, 8192, 8193, 10000, 16384, 30000, 60000]
/** Files that may exist at a time: every one is read after every cut. */
const MOST_FILES = 10

export function randomStep(run: CrashRun, random: Random): void {
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]
  const { directories, names, files } = run.model.state
  const inos = [...files.keys()]
  const isTaken = (path: string) => directories.has(path) || names.has(path)
  const place = () => {
    const parent = pick(['', ...directories.keys()])
    return (parent === '' ? '' : `${parent}/`) + pick(NAMES)
  }
  const chance = below(110)
  if (chance < 12 || inos.length === 0) {
    const path = place()
    if (!isTaken(path) && inos.length < MOST_FILES) run.create(path)
  } else if (chance < 20) {
    run.fallocate(pick(inos), pick(MODES), pick(OFFSETS), pick(LENGTHS))
  } else if (chance < 26) {
    const from = pick(inos)
    const to = pick(inos)
    const at = pick(OFFSETS)
    const toAt = pick(OFFSETS)
    const length = pick(LENGTHS)
    if (from !== to || Math.abs(at - toAt) >= length) run.copyRange(from, at, to, toAt, length)
  } else if (chance < 42) {
    const ino = pick(inos)
    const size = files.get(ino)!.content.length
    run.write(ino, below(3) === 0 ? size : pick(OFFSETS), below(40) === 0 ? 100_000 : pick(LENGTHS))
  } else if (chance < 55) run.truncate(pick(inos), pick(SIZES))
  else if (chance < 66) run.fsync(pick(inos))
  else if (chance < 70) {
    const path = place()
    const ino = pick([...names.values(), 0])
    if (ino !== 0 && !isTaken(path)) run.link(ino, path)
  } else if (chance < 76 && names.size > 0) {
    const path = pick([...names.keys()])
    const ino = names.get(path)!
    run.unlink(path)
    if (below(2) === 0 && ![...run.model.state.names.values()].includes(ino)) run.forget(ino)
  } else if (chance < 82 && names.size > 0) {
    const from = pick([...names.keys()])
    const to = place()
    if (!directories.has(to) && names.get(from) !== names.get(to)) run.rename(from, to)
  } else if (chance < 88) {
    const free = DIRECTORIES.filter(path => !isTaken(path) && (!path.includes('/') || directories.has('x')))
    if (free.length === 0) return
    const to = pick(free)
    const from = pick([...directories.keys(), ''])
    if (from === '' || to.startsWith(`${from}/`)) run.mkdir(to)
    else run.rename(from, to)
  } else if (chance < 90) run.fsyncdir()
  else if (chance < 91) run.sync()
  else if (chance < 94) run.checkpoint()
  else if (chance < 100) run.collect()
  else {
    const ino = pick([ROOT, ...directories.values(), ...inos])
    const isFile = files.has(ino)
    const name = pick(isFile ? ATTRIBUTES : [...ATTRIBUTES, DEFAULT])
    if (run.model.state.xattrs.get(ino)?.has(name) && below(2) === 0) run.removeAttribute(ino, name)
    else run.setAttribute(ino, name, pick(LENGTHS))
  }
}
