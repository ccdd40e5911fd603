/**
 * `npm run bench -- [options]`: runs the benchmarks, prints their tables, and on request keeps them.
 *
 *     --only engine          one part: engine, threads, mount, peers or workloads
 *     --keys 20000,200000    sizes of the engine's dataset: multiples of 10,000
 *     --engines holtfs,lmdb  some of the engines, ours first
 *     --cpu-time             engines by the processor time of their processes: for a machine that is not quiet
 *     --rounds 3             counted rounds
 *     --dir DIRECTORY        where the stores are made; on the disk that is to be measured
 *     --json FILE            every value of every round
 *     --update-readme        replace the tables in bench/README.md
 *     --note TEXT            a line under the tables, with --update-readme
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchEngines } from './engine.ts'
import { plain, type Table } from './figures.ts'
import { describeMachine } from './machine.ts'
import { benchMounts } from './mount.ts'
import { benchPeers } from './peers.ts'
import { updateReadme } from './readme.ts'
import { benchThreads } from './threads.ts'
import { benchWorkloads } from './workloads.ts'

const { values: given } = parseArgs({
  options: {
    only: { type: 'string' },
    keys: { type: 'string', default: '20000,200000,2000000' },
    engines: { type: 'string' },
    'cpu-time': { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
    'update-readme': { type: 'boolean', default: false },
    note: { type: 'string', default: '' },
  },
})

const machine = describeMachine()
const scratch = mkdtempSync(join(given.dir, 'holtfs-bench-'))
const rounds = Number(given.rounds)
const parts: Record<string, () => Promise<Table[]>> = {
  engine: () =>
    benchEngines(scratch, {
      engines: given.engines?.split(','),
      counts: given.keys.split(',').map(Number),
      rounds,
      clock: given['cpu-time'] ? 'cpu' : 'wall',
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
if (given['update-readme']) updateReadme(machine, rounds, tables, given.note)
