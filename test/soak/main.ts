/**
 * `npm run soak -- [options]`: programs at work on a mount for a long time, with its server killed meanwhile. Exit codes: 0 nothing
 * found, 1 something, 2 wrong usage. docs/testing.md describes it.
 */
import { Command, Option } from 'commander'
import { wholeNumber } from '../../src/cli/arguments.ts'
import { canMount, cleanUp } from '../mount/real-mount.ts'
import { type Progress, runSoak, type SoakResult } from './run.ts'
import { MEASURES } from './samples.ts'

interface Given {
  minutes: number
  seed: number
  workers: number
  killEvery: number
  pool: string
  files: number
  json?: boolean
}

function positive(text: string): number {
  const value = Number(text)
  if (value > 0 && value < 1e5) return value
  throw new Error(`${text} is no number of minutes`)
}

const program = new Command('soak')
  .description('programs at work on a mount for a long time, with its server killed meanwhile')
  .option('--minutes <n>', 'how long they work', positive, 5)
  .addOption(
    new Option('--seed <n>', 'what chance begins with')
      .argParser(wholeNumber(0, 2 ** 31))
      .default(Date.now() % 1e9, 'the clock'),
  )
  .option('--workers <n>', 'threads of the server', wholeNumber(1, 64), 2)
  .option(
    '--kill-every <seconds>',
    'time between two SIGKILLs of the server on average, 0 for none',
    wholeNumber(0, 86_400),
    10,
  )
  .option('--pool <size>', 'memory of the server for metadata', '4M')
  .option('--files <n>', 'files that each of the churning clients keeps', wholeNumber(10, 1e6), 3000)
  .option('--json', 'print one JSON document')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))

function wrong(message: string): never {
  process.stderr.write(`soak: ${message}\n`)
  process.exit(2)
}

let given: Given
try {
  given = program.parse().opts<Given>()
} catch (error) {
  wrong((error as Error).message)
}
if (!canMount) wrong('mounting needs root and /dev/fuse')

const abortion = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    abortion.abort()
    void cleanUp().finally(() => process.exit(1))
  })
}

const mebibytes = (bytes: number | undefined) => (bytes === undefined ? '?' : (bytes / 2 ** 20).toFixed(0))
const listed = (record: Record<string, number>) =>
  Object.entries(record)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')

function showProgress({ seconds, kills, failures, operations, sample }: Progress): void {
  const { server, supervisor, frames, wal, data } = sample
  const sizes = `MB: server ${mebibytes(server)}, supervisor ${mebibytes(supervisor)}, frames ${mebibytes(frames)}, wal ${mebibytes(wal)}, data ${mebibytes(data)}`
  process.stderr.write(`soak: ${seconds} s, ${kills} kills, ${failures} failures; ${listed(operations)}; ${sizes}\n`)
}

function describe(result: SoakResult): string {
  const { seed, seconds, kills, operations, pauses, longestCall, counters, failures, trends, closed } = result
  const lines = [
    `seed ${seed}, ${seconds} s, ${kills} kills`,
    `operations: ${listed(operations)}`,
    `without a server: ${pauses.median} ms in the median, p99 ${pauses.p99} ms, at most ${pauses.worst} ms; longest call ${longestCall} ms`,
    `counters: ${listed(counters)}`,
  ]
  for (const measure of MEASURES) {
    const trend = trends[measure]
    if (trend === undefined) continue
    const show = measure === 'dataFiles' ? String : (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MB`
    lines.push(
      `${measure}: ${show(trend.first)} after warming up, ${show(trend.last)} at the end, at most ${show(trend.most)}`,
    )
  }
  lines.push(
    `closed: frames ${mebibytes(closed.frames)} MB, log ${mebibytes(closed.wal)} MB, data ${mebibytes(closed.data)} MB`,
  )
  for (const { worker, at, what } of failures) lines.push(`FAILURE ${worker} after ${at} s: ${what}`)
  lines.push(failures.length === 0 ? 'nothing found' : `${failures.length} failures`)
  return `${lines.join('\n')}\n`
}

process.stderr.write(`soak: seed ${given.seed}\n`)
const duration = given.minutes * 60_000
try {
  const result = await runSoak({
    ...given,
    duration,
    killEvery: given.killEvery * 1000,
    sampleEvery: Math.min(10_000, duration / 10),
    onProgress: showProgress,
    signal: abortion.signal,
  })
  process.stdout.write(given.json === true ? `${JSON.stringify(result)}\n` : describe(result))
  process.exitCode = result.failures.length === 0 ? 0 : 1
} finally {
  await cleanUp()
}
