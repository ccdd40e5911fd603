/**
 * Makes a filesystem consistent of whatever records there are: after it, the check finds nothing. Whatever is kept once too
 * often or written down twice is used to get back what is missing; what is left without a place goes to /lost+found, what
 * cannot be kept is told. For a store that nobody else uses, and that is not damaged itself: salvage comes before
 * (src/engine/salvage.ts).
 *
 * No data file is touched. Memory grows with the numbers of inodes and directories, not of names.
 */
import type { Problem } from './check.ts'
import type { DataFiles } from './data-files.ts'
import type { Metadata } from './metadata.ts'
import { RepairContents } from './repair-contents.ts'
import { RepairDirectories } from './repair-directories.ts'
import { RepairNames } from './repair-names.ts'
import { RepairState } from './repair-state.ts'
import { RepairXattrs } from './repair-xattrs.ts'
import { StoredNames } from './stored-names.ts'

export interface RepairOptions {
  /** Told of everything that was lost, found or made again, and how much else was put right. `code` is stable. */
  report(problem: Problem): void
  /** Told now and then what is being done, and how many records were read. */
  progress?(what: string, records: number): void
  /** Whom that belongs to whose owner is lost. */
  uid: number
  gid: number
}

/** Repairs the volume in `metadata`, whose data files are those of `data`. Throws what the store throws. */
export function repairFilesystem(metadata: Metadata, data: DataFiles, options: RepairOptions): void {
  const { report, progress = () => {}, uid, gid } = options
  const state = new RepairState(metadata, report, progress, { uid, gid })
  const contents = new RepairContents(state, data)
  const stored = new StoredNames(metadata)
  const directories = new RepairDirectories(state, stored)
  const names = new RepairNames(state, stored, contents, directories)
  contents.readInodes()
  contents.mendInline()
  contents.mendData()
  directories.mend()
  names.mend()
  names.mendInodes()
  new RepairXattrs(state).mend()
  state.storeCounters()
  state.flush()
  state.conclude()
}
