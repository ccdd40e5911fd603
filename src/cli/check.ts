/**
 * `holtfs check`: walks a whole store that is not mounted and lists everything that does not agree: frame checksums and
 * structure, dirents and inodes, link counts, orphans, data files. Changes nothing, unless it is to repair
 * (src/fs/repair-store.ts).
 *
 * Exit codes are its own: 0 clean, 1 problems, 2 wrong usage, 3 the store could not be checked or repaired.
 */
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { Loss } from '../engine/salvage.ts'
import { openStore, type Store } from '../engine/store.ts'
import { HoltError } from '../errors.ts'
import { checkFilesystem, type Problem } from '../fs/check.ts'
import { DataFiles } from '../fs/data-files.ts'
import { describeKeys } from '../fs/describe-keys.ts'
import { NS_INODE, NUMBER_KEY, numberKey, ROOT_INO } from '../fs/keys.ts'
import type { Metadata } from '../fs/metadata.ts'
import { isRepairUnfinished, type RepairSummary, repairStore } from '../fs/repair-store.ts'
import { createFsShared } from '../fs/shared.ts'
import { hostStorage } from '../journal/storage.ts'
import { givenPath } from './arguments.ts'
import { printable } from './printable.ts'
import { printError } from './program.ts'
import { Progress } from './progress.ts'

export interface CheckReport {
  store: string
  clean: boolean
  blobs: number
  records: number
  problems: Problem[]
  repair?: RepairReport
}

interface RepairReport {
  /** False: nothing was changed, it was asked what would be. */
  done: boolean
  frames: number
  records: number
  /** Changes of the log that were applied. */
  changes: number
  /** What could not be read. */
  lost: Problem[]
  /** What was lost, found or put right in the filesystem. */
  actions: Problem[]
  /** Where the damaged store is. */
  kept?: string
}

interface Options {
  json?: boolean
  progress?: boolean
  repair?: boolean
  dryRun?: boolean
  discard?: boolean
}

const PROBLEMS = 1
const NOT_CHECKED = 3
/** Codes of errors that say that the store is damaged. */
const DAMAGE = /^HOLT_(CORRUPT_|MISSING_)/

export function registerCheck(program: Command): void {
  program
    .command('check')
    .description(
      'walk a store that is not mounted and list what is wrong; exit code 1 when something is, 3 when it cannot be checked',
    )
    .argument('<store>', 'directory of the store', givenPath)
    .option('--repair', 'make a new store of what can be saved of a damaged one; the damaged one is kept beside it')
    .option('--dry-run', 'say what --repair would do, and change nothing')
    .option('--discard', 'with --repair: remove the damaged store')
    .option('--json', 'print one JSON document')
    .option('--progress', 'show progress on stderr, also when it is no terminal')
    .action((store: string, given: Options, command: Command) => {
      if (given.discard === true && given.repair !== true) command.error('error: --discard goes with --repair')
      const progress = new Progress(given.progress === true)
      try {
        const report = checkStore(resolve(store), progress)
        if (!report.clean && (given.repair === true || given.dryRun === true)) repair(report, given, progress)
        progress.end()
        process.stdout.write(given.json === true ? `${JSON.stringify(report)}\n` : describe(report))
        if (!report.clean && report.repair?.done !== true) process.exitCode = PROBLEMS
      } catch (error) {
        progress.end()
        printError(error)
        process.exitCode = NOT_CHECKED
      }
    })
}

/** Checks the store in a directory. Throws what {@link openStore} throws, unless it says that the store is damaged. */
export function checkStore(directory: string, progress = new Progress(false)): CheckReport {
  const report: CheckReport = { store: directory, clean: false, blobs: 0, records: 0, problems: [] }
  let store: Store | undefined
  try {
    store = openStore(directory, { readOnly: true, background: false })
    checkTree(store, report, progress)
    // Where frames are damaged, what the filesystem lacks is a consequence.
    if (report.problems.length === 0 && isFilesystem(store.tree)) {
      const data = new DataFiles(hostStorage, join(directory, 'data'), createFsShared(), { readOnly: true })
      const note = (problem: Problem) => void report.problems.push(problem)
      checkFilesystem(store.tree, data, note, done => progress.report('checking records', done, report.records))
    }
  } catch (error) {
    if (!(error instanceof HoltError) || !DAMAGE.test(error.code)) throw error
    report.problems.push({ code: error.code, message: error.message })
  } finally {
    store?.close()
  }
  // Files of the repaired store may have a second name in what is left, and are not read as long as they have.
  if (report.problems.length === 0 && isRepairUnfinished(directory)) {
    const message = `an earlier repair was cut short and has left ${directory}.repairing: --repair removes it`
    report.problems.push({ code: 'REPAIR_UNFINISHED', message })
  }
  report.clean = report.problems.length === 0
  return report
}

function checkTree({ tree }: Store, report: CheckReport, progress: Progress): void {
  const { blobs, records, problems } = tree.check((done, total) => progress.report('checking frames', done, total))
  report.blobs = blobs
  report.records = records
  const ofFiles = problems.length > 0 && isFilesystem(tree)
  for (const { code, message, key } of problems) report.problems.push({ code, message: message + held(key, ofFiles) })
}

function repair(report: CheckReport, { dryRun = false, discard = false }: Options, progress: Progress): void {
  const summary: RepairSummary = repairStore(report.store, {
    dryRun,
    discard,
    progress: (what, done, total) => progress.report(what, done, total),
  })
  const { frames, records, changes, losses, actions, isFilesystem: ofFiles } = summary
  const lost = losses.map(({ what, key, message }: Loss) => ({
    code: `LOST_${what.toUpperCase()}`,
    message: message + held(key, ofFiles),
  }))
  report.repair = { done: !dryRun, frames, records, changes, lost, actions }
  if (summary.kept !== undefined) report.repair.kept = summary.kept
}

/** What the keys behind a damaged part are, in words. */
function held(key: Uint8Array | undefined, ofFiles: boolean): string {
  if (key === undefined) return ''
  const text = ofFiles
    ? describeKeys(key)
    : `keys that begin with ${JSON.stringify(Buffer.from(key).toString('latin1'))}`
  return ` (it held ${text})`
}

/** A store that an embedding program filled has no root directory, and nothing of a filesystem to check. */
function isFilesystem(tree: Metadata): boolean {
  const key = new Uint8Array(NUMBER_KEY)
  try {
    return tree.getInto(key, numberKey(key, NS_INODE, ROOT_INO), new Uint8Array(0), 0) >= 0
  } catch (error) {
    if (error instanceof HoltError && DAMAGE.test(error.code)) return true
    throw error
  }
}

function describe({ store, problems, clean, records, blobs, repair }: CheckReport): string {
  const lines = problems.map(line)
  const verdict = clean ? 'clean' : `${problems.length} problem${problems.length === 1 ? '' : 's'}`
  lines.push(`${store}: ${verdict} (${records} records in ${blobs} blob${blobs === 1 ? '' : 's'})`)
  if (repair !== undefined) {
    lines.push(...repair.lost.map(line), ...repair.actions.map(line))
    const saved = `${repair.records} records of ${repair.frames} frames and ${repair.changes} changes of the log`
    lines.push(`${store}: ${repair.done ? 'repaired, saved' : 'a repair would save'} ${saved}`)
    if (repair.kept !== undefined) lines.push(`the damaged store is kept as ${repair.kept}`)
  }
  return `${lines.join('\n')}\n`
}

function line({ code, path, ino, message }: Problem): string {
  const where = path ?? (ino === undefined ? '' : `inode ${ino}`)
  return printable(`${code}${where === '' ? '' : ` ${where}`}: ${message}`)
}
