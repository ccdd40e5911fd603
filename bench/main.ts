/**
 * `npm run bench -- [options]`: builds the package, fetches what it is compared with, runs the benchmarks, prints their
 * tables, and on request keeps them.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { benchEngines } from './engine.ts'
import { plain, type Table } from './figures.ts'
import { describeMachine } from './machine.ts'
import { benchMounts } from './mount.ts'
import { benchPeers } from './peers.ts'
import { updateReadme } from './readme.ts'
import { benchThreads } from './threads.ts'
import { benchWorkloads } from './workloads.ts'

interface Options {
  only?: string
  keys: string
  engines?: string
  cpuTime?: boolean
  rounds: string
  dir: string
  json?: string
  updateReadme?: boolean
  note: string
}

const PARTS = ['engine', 'threads', 'mount', 'peers', 'workloads']

const given = new Command('bench')
  .description('benchmarks of the library and of mounts against others')
  .addOption(new Option('--only <part>', 'one part (default: all of them)').choices(PARTS))
  .option('--keys <list>', "sizes of the engine's dataset: multiples of 10,000", '20000,200000,2000000')
  .option('--engines <list>', 'some of the engines, ours first: holtfs,lmdb,sqlite,leveldb,rocksdb')
  .option('--cpu-time', 'engines by the processor time of their processes: for a machine that is not quiet')
  .option('--rounds <n>', 'counted rounds', '3')
  .option('--dir <directory>', 'where the stores are made; on the disk that is to be measured', tmpdir())
  .option('--json <file>', 'every value of every round')
  .option('--update-readme', 'replace the tables in bench/README.md')
  .option('--note <text>', 'a line under the tables, with --update-readme', '')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<Options>()

for (const argv of [
  ['run', 'build'],
  ['install', '--prefix', 'bench', '--no-save'],
]) {
  const { status } = spawnSync('npm', argv, { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

const machine = describeMachine()
const scratch = mkdtempSync(join(given.dir, 'holtfs-bench-'))
const rounds = Number(given.rounds)
const parts: Record<string, () => Promise<Table[]>> = {
  engine: () =>
    benchEngines(scratch, {
      engines: given.engines?.split(','),
      counts: given.keys.split(',').map(Number),
      rounds,
      clock: given.cpuTime ? 'cpu' : 'wall',
    }),
  threads: () => benchThreads(scratch, rounds),
  mount: () => benchMounts(scratch, rounds),
  peers: () => benchPeers(scratch, rounds),
  workloads: () => benchWorkloads(scratch, rounds),
}
const tables: Record<string, Table[]> = {}
try {
  for (const [name, run] of Object.entries(parts)) {
    if (given.only === undefined || given.only === name) tables[name] = await run()
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
for (const table of Object.values(tables).flat()) process.stdout.write(`${plain(table)}\n`)
if (given.json !== undefined) writeFileSync(given.json, JSON.stringify({ machine, rounds, ...tables }, undefined, 1))
if (given.updateReadme) updateReadme(machine, rounds, tables, given.note)
