/** `holtfs stats`: what a store says about itself; asks the server when it is mounted, else opens it read-only. */
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { renderPrometheus } from '../engine/prometheus.ts'
import type { TreeStatistics } from '../engine/statistics.ts'
import { openStore } from '../engine/store.ts'
import { askControl } from '../fs/control.ts'
import { findMount, listMounts, MOUNT_TYPE } from '../fs/fuse/mount-table.ts'
import { givenPath } from './arguments.ts'
import { printable } from './printable.ts'

/** Milliseconds between two questions to a mount whose server is being replaced, and in all. */
const PAUSE = 200
const PATIENCE = 10_000

export function registerStats(program: Command): void {
  program
    .command('stats')
    .description('print the counters of a store, mounted or not')
    .argument('<store>', 'directory of the store, or where it is mounted', givenPath)
    .option('--json', 'print one JSON document')
    .addOption(new Option('--prometheus', 'print the counters of the tree for Prometheus').conflicts('json'))
    .action(async (path: string, given: { json?: boolean; prometheus?: boolean }) => {
      const statistics = await readStatistics(path)
      if (given.json === true) process.stdout.write(`${JSON.stringify(statistics)}\n`)
      else process.stdout.write(given.prometheus === true ? renderPrometheus(statistics.tree) : table(statistics))
    })
}

async function readStatistics(path: string): Promise<{ tree: TreeStatistics }> {
  const mount = findMount(path)
  const directory = mount?.type === MOUNT_TYPE ? mount.source : resolve(path)
  for (let waited = 0; ; waited += PAUSE) {
    const served = await askControl(directory)
    if (served !== undefined) return served as { tree: TreeStatistics }
    // Between two servers of a mount its store is free: to open it then would lock the next one out.
    if (waited >= PATIENCE || !isMountedToWrite(directory)) break
    await sleep(PAUSE)
  }
  const store = openStore(directory, { readOnly: true, background: false })
  try {
    return { tree: store.tree.stats() }
  } finally {
    store.close()
  }
}

function isMountedToWrite(directory: string): boolean {
  const mounts = listMounts().filter(({ type, source }) => type === MOUNT_TYPE && source === directory)
  return mounts.some(({ options }) => options.includes('rw'))
}

/** One line a number: its dotted name and its value. */
function table(statistics: unknown): string {
  const rows: [string, string][] = []
  collect('', statistics, rows)
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${printable(name.padEnd(width))}  ${printable(value)}\n`).join('')
}

function collect(prefix: string, value: unknown, rows: [string, string][]): void {
  if (typeof value !== 'object' || value === null) {
    rows.push([prefix, String(value)])
    return
  }
  for (const [name, inner] of Object.entries(value)) collect(prefix === '' ? name : `${prefix}.${name}`, inner, rows)
}
