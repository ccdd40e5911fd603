/**
 * `holtfs check`: walks a whole store that is not mounted and lists everything that does not agree: frame checksums and
 * structure, dirents and inodes, link counts, orphans, data files. Changes nothing.
 */
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { openStore } from '../engine/store.ts'
import { checkFilesystem, type Problem } from '../fs/check.ts'
import { DataFiles } from '../fs/data-files.ts'
import { NS_INODE, NUMBER_KEY, numberKey, ROOT_INO } from '../fs/keys.ts'
import type { Metadata } from '../fs/metadata.ts'
import { createFsShared } from '../fs/shared.ts'
import { hostStorage } from '../journal/storage.ts'

export interface CheckReport {
  store: string
  clean: boolean
  blobs: number
  records: number
  problems: Problem[]
}

export function registerCheck(program: Command): void {
  program
    .command('check')
    .description('walk a store that is not mounted and list what is wrong; exit code 1 when something is')
    .argument('<store>', 'directory of the store')
    .option('--json', 'print one JSON document')
    .action((store: string, given: { json?: boolean }) => {
      const report = checkStore(resolve(store))
      process.stdout.write(given.json === true ? `${JSON.stringify(report)}\n` : describe(report))
      if (!report.clean) process.exitCode = 1
    })
}

/** Checks the store in a directory. Throws what {@link openStore} throws. */
export function checkStore(directory: string): CheckReport {
  const store = openStore(directory, { readOnly: true, background: false })
  try {
    const { blobs, records, problems: structure } = store.tree.check()
    const problems: Problem[] = structure.map(({ code, message }) => ({ code, message }))
    // Where frames are damaged, what the filesystem lacks is a consequence.
    if (problems.length === 0 && isFilesystem(store.tree)) {
      const data = new DataFiles(hostStorage, join(directory, 'data'), createFsShared(), { readOnly: true })
      checkFilesystem(store.tree, data, problem => problems.push(problem))
    }
    return { store: directory, clean: problems.length === 0, blobs, records, problems }
  } finally {
    store.close()
  }
}

/** A store that an embedding program filled has no root directory, and nothing of a filesystem to check. */
function isFilesystem(tree: Metadata): boolean {
  const key = new Uint8Array(NUMBER_KEY)
  return tree.getInto(key, numberKey(key, NS_INODE, ROOT_INO), new Uint8Array(0), 0) >= 0
}

function describe(report: CheckReport): string {
  const lines = report.problems.map(({ code, path, ino, message }) => {
    const where = path ?? (ino === undefined ? '' : `inode ${ino}`)
    return `${code}${where === '' ? '' : ` ${where}`}: ${message}`
  })
  const verdict = report.clean ? 'clean' : `${lines.length} problem${lines.length === 1 ? '' : 's'}`
  lines.push(`${report.store}: ${verdict} (${report.records} records in ${report.blobs} blobs)`)
  return `${lines.join('\n')}\n`
}
