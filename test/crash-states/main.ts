/**
 * `npm run crash-states -- [options]`: makes the states that a power cut could leave, recovers each and compares it with
 * what was promised. Exit codes: 0 all right, 1 a state was wrong, 2 bad arguments.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { wholeNumber } from '../../src/cli/arguments.ts'
import type { State } from './enumerate.ts'
import type { MediumEvent } from './memory-storage.ts'
import { neededSyncs } from './needed-syncs.ts'
import { recordingNames } from './recording.ts'
import { again, type Failure, namesWith, type Progress, run } from './run.ts'
import { SECTOR } from './sectors.ts'

interface Given {
  states: number
  seed: number
  workload?: string
  state?: string
  dump?: string
  syncs?: boolean
  line?: string
  list?: boolean
  json?: boolean
}

const program = new Command('crash-states')
  .description('make the states that a power cut could leave of a store, recover each and check it')
  .option('--states <number>', 'states to make', wholeNumber(1, 1e9), 10_000)
  .option('--seed <number>', 'of the first pass; later passes count on from it', wholeNumber(0, 2 ** 31), 1)
  .option('--workload <text>', 'only workloads whose names contain this; --list shows them')
  .option('--state <id>', 'make one state again, as a failure names it')
  .option('--dump <directory>', 'with --state: write its files here')
  .option('--syncs', 'leave out each sync in turn, and tell which of them no state needs')
  .option('--line <text>', 'with --syncs: only lines that contain this, as engine/checkpoint.ts')
  .option('--list', 'list the workloads')
  .option('--json', 'print one JSON document')
  .exitOverride()

function main(): number {
  const given: Given = program.parse().opts()
  if (given.list === true) {
    process.stdout.write(`${recordingNames().join('\n')}\n`)
    return 0
  }
  if (namesWith(given.workload).length === 0) program.error(`no workload has ${given.workload} in its name: see --list`)
  if (given.state !== undefined) return showState(given.state, given.dump)
  if (given.syncs === true) return showSyncs(given)
  return runAll(given)
}

function runAll({ states, seed, workload, json }: Given): number {
  process.stderr.write(`seed ${seed}\n`)
  const failures: Failure[] = []
  const began = Date.now()
  let told = 0
  const rate = (progress: Progress) => {
    const seconds = (Date.now() - began) / 1000
    return `${progress.states} states, ${progress.failures} wrong, ${seconds.toFixed(0)} s, seed ${progress.seed}, ${progress.name}`
  }
  const end = run({
    states,
    seed,
    names: namesWith(workload),
    onFailure(failure) {
      if (failures.length < 100) failures.push(failure)
      process.stderr.write(`WRONG ${failure.id}\n  ${failure.wrong}\n`)
    },
    onProgress(progress) {
      if (Date.now() - told < 5000) return
      told = Date.now()
      process.stderr.write(`${rate(progress)}\n`)
    },
  })
  const { user, system } = process.cpuUsage()
  const summary = {
    seed,
    nextSeed: end.seed,
    states: end.states,
    wrong: end.failures,
    seconds: (Date.now() - began) / 1000,
    cpuSeconds: (user + system) / 1e6,
    workloads: Object.fromEntries([...end.counts].sort()),
    failures,
  }
  if (json === true) process.stdout.write(`${JSON.stringify(summary)}\n`)
  else {
    for (const [name, count] of Object.entries(summary.workloads))
      process.stdout.write(`${String(count).padStart(9)}  ${name}\n`)
    process.stdout.write(`${rate(end)}, ${summary.cpuSeconds.toFixed(0)} s of processor time\n`)
  }
  return end.failures > 0 ? 1 : 0
}

function showSyncs({ seed, workload, line, json }: Given): number {
  const found = neededSyncs(seed, workload, line, ({ lines, syncs, state, wrong }) => {
    const verdict = state === undefined ? 'NO STATE NEEDS THEM' : `${state} ${wrong?.slice(0, 100)}`
    process.stderr.write(`${lines.join(' ')}: ${syncs} syncs: ${verdict}\n`)
  })
  if (json === true) process.stdout.write(`${JSON.stringify(found)}\n`)
  return found.some(({ state }) => state === undefined) ? 1 : 0
}

function showState(id: string, directory: string | undefined): number {
  if (!/^[^:]+:\d+:./.test(id) || !recordingNames().includes(id.split(':')[0])) {
    program.error(`error: ${id} is no state: they are called workload.mode:seed:cut.choice, as failures and --list say`)
  }
  const { recording, state, wrong } = again(id)
  const { done } = state.moment
  const { steps } = recording.history
  process.stdout.write(`after step ${done - 1}: ${steps[done - 1]?.what}; under way: ${steps[done]?.what}\n`)
  process.stdout.write('pending changes:\n')
  for (const { at } of state.pending) process.stdout.write(`  ${at} ${described(recording.events[at])}\n`)
  process.stdout.write('files:\n')
  for (const [path, node] of state.image.names) {
    if (node === 'directory') continue
    process.stdout.write(`  ${path} (file ${node}): ${state.image.files.get(node)?.size} bytes\n`)
    if (directory !== undefined) dump(state, path, node, directory)
  }
  process.stdout.write(`${wrong ?? 'nothing is wrong with it'}\n`)
  return wrong === undefined ? 0 : 1
}

function described(event: MediumEvent): string {
  if (event.kind === 'names') {
    const moved = event.moves.map(([from, to]) => `${from} is ${to}`)
    return [...moved, ...event.changes.map(([path, now]) => `${path} is ${now ?? 'gone'}`)].join(', ')
  }
  if (event.kind !== 'data') return event.kind
  const { file, first, ids, size, stored } = event
  return `file ${file}: ${ids.length} sectors from ${first}, ${size} bytes then${stored ? ', stored' : ''}`
}

function dump({ image }: State, path: string, node: number, directory: string): void {
  const file = image.files.get(node)
  if (file === undefined) return
  const bytes = new Uint8Array(Math.max(file.size, file.ids.length * SECTOR))
  file.ids.forEach((id, i) => {
    bytes.set(image.sectors.bytes(id), i * SECTOR)
  })
  mkdirSync(join(directory, dirname(path)), { recursive: true })
  writeFileSync(join(directory, path), bytes.subarray(0, file.size))
}

try {
  process.exitCode = main()
} catch (error) {
  if (!(error instanceof CommanderError)) process.stderr.write(`${(error as Error).stack}\n`)
  process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : 2
}
