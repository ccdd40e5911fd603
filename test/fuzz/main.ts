/**
 * `npm run fuzz -- [options]`: readers of files, records and requests on inputs made to break them. Exit codes: 0 nothing found,
 * 1 something, 2 wrong usage. docs/testing.md describes it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { oneOf, wholeNumber } from '../../src/cli/arguments.ts'
import { type FuzzResult, fuzz } from './fuzz.ts'
import { TARGETS } from './targets.ts'

interface Given {
  target?: string
  seconds: number
  seed: number
  input?: string
  out: string
  patience: number
  json?: boolean
}

const NAMES = TARGETS.map(({ name }) => name)

const program = new Command('fuzz')
  .description('readers of files, records and requests on inputs made to break them')
  .option('--target <name>', `one of ${NAMES.join(', ')} (default: all of them)`, oneOf(NAMES))
  .option('--seconds <n>', 'how long, all targets together', wholeNumber(1, 10_000_000), 60)
  .addOption(
    new Option('--seed <n>', 'what chance begins with')
      .argParser(wholeNumber(0, 2 ** 31))
      .default(Date.now() % 1e9, 'the clock'),
  )
  .option('--input <file>', 'run this input of --target, once')
  .option('--out <path>', 'where inputs that show a mistake go', 'fuzz-findings')
  .option('--patience <ms>', 'milliseconds after which an input counts as endless', wholeNumber(100, 600_000), 20_000)
  .option('--json', 'print one JSON document')
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))

const given = program.parse().opts<Given>()
if (given.input !== undefined && given.target === undefined) wrong('--input needs --target')
if (given.input !== undefined && !existsSync(given.input)) wrong(`${given.input} does not exist`)

function wrong(message: string): never {
  process.stderr.write(`fuzz: ${message}\n`)
  process.exit(2)
}

const targets = given.target === undefined ? NAMES : [given.target]
const only = given.input === undefined ? undefined : readFileSync(given.input)
const results: (Omit<FuzzResult, 'finding'> & { problem?: string; file?: string })[] = []
process.stderr.write(`fuzz: seed ${given.seed}\n`)
for (const target of targets) {
  const { seed, patience } = given
  let shownAt = performance.now()
  const progress = ({ inputs, kept }: { inputs: number; kept: number }) => {
    if (performance.now() - shownAt < 5000) return
    shownAt = performance.now()
    process.stderr.write(`fuzz: ${target}: ${inputs} inputs, ${kept} kept\n`)
  }
  const seconds = given.seconds / targets.length
  const { finding, ...result } = await fuzz({ target, seed, seconds, patience }, progress, only)
  if (finding === undefined) {
    results.push(result)
    continue
  }
  const { problem } = finding
  let file = given.input
  if (file === undefined) {
    mkdirSync(given.out, { recursive: true })
    file = resolve(join(given.out, `${target}-${seed}.input`))
    writeFileSync(file, finding.input)
  }
  results.push({ ...result, problem, file })
}

const hasFound = results.some(({ problem }) => problem !== undefined)
if (given.json) process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`)
else for (const result of results) process.stdout.write(`${describe(result)}\n`)
process.exit(hasFound ? 1 : 0)

function describe({ target, inputs, kept, coverage, problem, file }: (typeof results)[number]): string {
  const lines = [`${target}: ${inputs} inputs, ${kept} of them kept for what they reached`]
  for (const [source, part] of Object.entries(coverage).sort()) lines.push(`  ${source} ${Math.round(part * 100)} %`)
  if (problem !== undefined) {
    lines.push(`  FOUND: ${problem.split('\n').slice(0, 6).join('\n    ')}`)
    lines.push(`  npm run fuzz -- --target ${target} --input ${file}`)
  }
  return lines.join('\n')
}
