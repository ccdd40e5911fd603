/**
 * `holtfs check`: walks a whole store that is not mounted and lists everything that does not agree: frame checksums and
 * structure, dirents and inodes, link counts, orphans, data files. Changes nothing.
 *
 * Exit codes are its own: 0 clean, 1 problems, 2 wrong usage, 3 the store could not be checked.
 */
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { openStore, type Store } from '../engine/store.ts'
import { HoltError } from '../errors.ts'
import { checkFilesystem, type Problem } from '../fs/check.ts'
import { DataFiles } from '../fs/data-files.ts'
import { describeKeys } from '../fs/describe-keys.ts'
import { NS_INODE, NUMBER_KEY, numberKey, ROOT_INO } from '../fs/keys.ts'
import type { Metadata } from '../fs/metadata.ts'
import { createFsShared } from '../fs/shared.ts'
import { hostStorage } from '../journal/storage.ts'
import { printable } from './printable.ts'
import { printError } from './program.ts'
import { Progress } from './progress.ts'

export interface CheckReport {
  store: string
  clean: boolean
  blobs: number
  records: number
  problems: Problem[]
}

interface Options {
  json?: boolean
  progress?: boolean
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
    .argument('<store>', 'directory of the store')
    .option('--json', 'print one JSON document')
    .option('--progress', 'show progress on stderr, also when it is no terminal')
    .action((store: string, given: Options) => {
      const progress = new Progress(given.progress === true)
      try {
        const report = checkStore(resolve(store), progress)
        progress.end()
        process.stdout.write(given.json === true ? `${JSON.stringify(report)}\n` : describe(report))
        if (!report.clean) process.exitCode = PROBLEMS
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
  report.clean = report.problems.length === 0
  return report
}

function checkTree({ tree }: Store, report: CheckReport, progress: Progress): void {
  const { blobs, records, problems } = tree.check((done, total) => progress.report('checking frames', done, total))
  report.blobs = blobs
  report.records = records
  const describesKeys = problems.length > 0 && isFilesystem(tree)
  for (const { code, message, key } of problems) {
    const hit = key === undefined ? '' : describesKeys ? describeKeys(key) : `keys that begin with ${quoted(key)}`
    report.problems.push({ code, message: hit === '' ? message : `${message} (it holds ${hit})` })
  }
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

function quoted(key: Uint8Array): string {
  return JSON.stringify(Buffer.from(key).toString('latin1'))
}

function describe(report: CheckReport): string {
  const lines = report.problems.map(({ code, path, ino, message }) => {
    const where = path ?? (ino === undefined ? '' : `inode ${ino}`)
    return printable(`${code}${where === '' ? '' : ` ${where}`}: ${message}`)
  })
  const verdict = report.clean ? 'clean' : `${lines.length} problem${lines.length === 1 ? '' : 's'}`
  lines.push(`${report.store}: ${verdict} (${report.records} records in ${report.blobs} blobs)`)
  return `${lines.join('\n')}\n`
}
