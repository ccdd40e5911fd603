/**
 * `npm run fsx -- [options]`: random operations on the bytes of files, compared with memory. Exit codes: 0 nothing found, 1
 * something, 2 wrong usage. docs/testing.md describes it.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { wholeNumber } from '../../src/cli/arguments.ts'
import { canMount, cleanUp } from '../mount/real-mount.ts'
import { type FsxOptions, type FsxResult, type Progress, runFsx } from './run.ts'

interface Given {
  ops: number
  seed: number
  workers: number
  clients?: number
  killEvery?: number
  shared?: boolean
  directory?: string
  replay?: string
  shrink: number
  countErrors?: boolean
  logs?: string
  json?: boolean
}

const PROGRESS_MS = 5000
const most = Number.MAX_SAFE_INTEGER

const program = new Command('fsx')
  .description('random operations on the bytes of files of a mount, compared with memory')
  .option('--ops <n>', 'operations, of all clients together', wholeNumber(1, most), 100_000)
  .addOption(
    new Option('--seed <n>', 'what chance begins with')
      .argParser(wholeNumber(0, 2 ** 31))
      .default(Date.now() % 1e9, 'the clock'),
  )
  .option('--workers <n>', 'threads of the server', wholeNumber(1, 64), 1)
  .option('--clients <n>', 'processes that work at once (default: as many as workers)', wholeNumber(1, 64))
  .option('--shared', 'clients also share one file, each a window of it')
  .option('--kill-every <n>', 'operations between two SIGKILLs of the server', wholeNumber(1, most))
  .option('--count-errors', 'count errors and do their operations again, instead of ending with the first')
  .option('--directory <path>', 'work in this directory, whatever its filesystem, instead of a mount of its own')
  .option('--replay <log>', 'play the operations of a log, by one client')
  .option('--shrink <seconds>', 'how long to shrink what fails, 0 for not at all', wholeNumber(0, 86_400), 300)
  .option('--logs <path>', 'where to keep logs (default: in a temporary directory, kept when something is found)')
  .option('--json', 'print one JSON document')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))

const given = program.parse().opts<Given>()
if (given.directory === undefined && !canMount) wrong('mounting needs root and /dev/fuse; --directory needs neither')
if (given.directory !== undefined && given.killEvery !== undefined) wrong('--kill-every needs a mount of its own')
if (given.directory !== undefined && !existsSync(given.directory)) wrong(`${given.directory} does not exist`)
if (given.replay !== undefined && !existsSync(given.replay)) wrong(`${given.replay} does not exist`)

function wrong(message: string): never {
  process.stderr.write(`fsx: ${message}\n`)
  process.exit(2)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)))
}

const begin = performance.now()
let last: Progress = { operations: 0, kills: 0, errors: 0 }
let lastSeen = 0
let shrinking = ''

function showProgress(): void {
  if (shrinking !== '') {
    process.stderr.write(`fsx: ${shrinking}\n`)
    return
  }
  const rate = (last.operations - lastSeen) / (PROGRESS_MS / 1000)
  lastSeen = last.operations
  const seconds = ((performance.now() - begin) / 1000).toFixed(0)
  process.stderr.write(
    `fsx: ${seconds} s, ${last.operations} operations, ${rate.toFixed(0)} a second, ${last.kills} kills, ${last.errors} errors\n`,
  )
}

function describe(result: FsxResult, logs: string): string {
  const { seed, operations, seconds, kills, pause, errors, errorLines, without, findings } = result
  const lines = errorLines.map(line => `error: ${line}`)
  for (const { what, log, shrunk } of findings) {
    lines.push(`found: ${what}`)
    if (log !== undefined) lines.push(`  log: ${log}`)
    if (shrunk !== undefined) {
      lines.push(`  shrunk to ${shrunk.operations.length} operations: ${shrunk.log}`)
      lines.push(...shrunk.operations.map(line => `    ${line}`), `  which fail with: ${shrunk.failure}`)
    } else if (log !== undefined && given.shrink > 0) {
      lines.push('  did not fail again when it was played without kills')
    }
  }
  if (without.length > 0) lines.push(`left out, the filesystem does not know them: ${without.join(', ')}`)
  const rate = (operations / seconds).toFixed(0)
  const killed = pause && `; ${kills} kills, pauses of ${pause.median} ms in the median, ${pause.longest} at most`
  lines.push(`seed ${seed}: ${operations} operations in ${seconds.toFixed(1)} s, ${rate} a second${killed ?? ''}`)
  const isClean = findings.length === 0 && errors === 0
  lines.push(isClean ? 'clean' : `${findings.length} found, ${errors} errors; logs in ${logs}`)
  return `${lines.join('\n')}\n`
}

const logs = given.logs === undefined ? mkdtempSync(join(tmpdir(), 'holtfs-fsx-logs-')) : resolve(given.logs)
mkdirSync(logs, { recursive: true })
process.stderr.write(`fsx: seed ${given.seed}, logs in ${logs}\n`)
const options: FsxOptions = {
  operations: given.ops,
  seed: given.seed,
  workers: given.workers,
  clients: given.clients ?? given.workers,
  killEvery: given.killEvery,
  directory: given.directory,
  shared: given.shared === true,
  replay: given.replay,
  shrinkFor: given.shrink * 1000,
  keepsGoing: given.countErrors === true,
  logs,
  onProgress: progress => {
    last = progress
  },
  onAttempt: (attempt, operations) => {
    shrinking = `shrinking, attempt ${attempt}: ${operations} operations`
  },
}
const timer = setInterval(showProgress, PROGRESS_MS)
let isClean = false
try {
  const result = await runFsx(options)
  process.stdout.write(given.json === true ? `${JSON.stringify(result)}\n` : describe(result, logs))
  isClean = result.findings.length === 0 && result.errors === 0
} catch (error) {
  process.stderr.write(`fsx: ${(error as Error).message}\n`)
} finally {
  clearInterval(timer)
  await cleanUp()
}
if (isClean && given.logs === undefined) rmSync(logs, { recursive: true })
process.exitCode = isClean ? 0 : 1
