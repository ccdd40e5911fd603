/**
 * Which bytes a file may have after a power cut. What is in the tree belongs to a step and is exact. In a data file each
 * byte is, on its own, the one that the last promise saved or one that was written there since; and bytes that were given
 * up by a step that is there are gone for good.
 */
import type { Moment, Step } from './history.ts'
import type { Volume, VolumeFile } from './volume-life.ts'

/** Says what is wrong with the bytes found of `ino` in a store that was recovered to step `index`. */
export function wrongBytes(
  steps: readonly Step<Volume>[],
  index: number,
  moment: Moment,
  ino: number,
  found: VolumeFile,
): string | undefined {
  const expected = steps[index].seen.files.get(ino)
  if (expected === undefined) return 'no file'
  const { bytes } = expected
  if (found.bytes.length !== bytes.length) return `${found.bytes.length} bytes instead of ${bytes.length}`
  if (Buffer.compare(found.bytes, bytes) === 0) return undefined
  const base = moment.killed ? index : lastPromise(steps, index, moment.done, ino)
  for (let i = 0; i < bytes.length; i++) {
    const value = found.bytes[i]
    if (value === bytes[i]) continue
    if (found.isOutside && isAllowed(steps, base, index, moment.done, ino, i, value)) continue
    const where = found.isOutside ? `in a data file promised by step ${base}` : 'in the tree'
    return `byte ${i} of ${bytes.length}, ${where}: ${value} instead of ${bytes[i]}`
  }
  return undefined
}

/** The last step that promised all bytes of the file: its fsync, or any sync of the log when they were in the tree. */
function lastPromise(steps: readonly Step<Volume>[], index: number, done: number, ino: number): number {
  for (let i = Math.min(index, done - 1); i >= 0; i--) {
    const file = steps[i].seen.files.get(ino)
    if (file === undefined) return i
    if (steps[i].synced === ino) return i
    if (!file.isOutside && (steps[i].promised >= steps[i].seq || isCovered(steps, i, done, ino))) return i
  }
  return 0
}

/** Whether a later promise covers the bytes that step `i` left in the tree, though the file went elsewhere since. */
function isCovered(steps: readonly Step<Volume>[], i: number, done: number, ino: number): boolean {
  const next = steps[i + 1]?.seen.files.get(ino)
  // While the file stays in the tree, the last such step decides.
  if (next === undefined || !next.isOutside) return false
  return steps.slice(0, done).some(step => step.promised >= steps[i].seq && step.promised < steps[i + 1].seq)
}

function isAllowed(
  steps: readonly Step<Volume>[],
  base: number,
  index: number,
  done: number,
  ino: number,
  at: number,
  value: number,
): boolean {
  let floor = steps[base].seen.files.get(ino)?.bytes[at] ?? 0
  let written: number[] = []
  for (let i = base + 1; i < steps.length && i <= done; i++) {
    const file = steps[i].seen.files.get(ino)
    const isThere = file !== undefined && at < file.bytes.length
    if (i > index) {
      // What comes after the step that is there may have written to the same data file, until it gave it up. (Cutting it
      // makes that durable first; where it ends before the cut already, nothing is given up, and writes go on.)
      if (file === undefined || !file.isOutside) break
      if (isThere) written.push(file.bytes[at])
    } else if (!isThere) {
      floor = 0
      written = []
    } else if (file.isOutside) written.push(file.bytes[at])
    else written = [file.bytes[at]]
  }
  return value === floor || written.includes(value)
}
