/**
 * The embedded tree against other embedded stores: the engines in turn, round after round, each in a process of its own.
 * One round more goes first and is not counted.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { MOVED_RECORDS } from './dataset.ts'
import type { Row, Table } from './figures.ts'
import { PeerProcess } from './peer-process.ts'
import { ENGINES } from './stores/engines.ts'

/** What the processes are asked beside their operations, and how the tables call it; in this order. */
const LIFECYCLE: { question: string; operation: string; unit: Row['unit']; once?: boolean }[] = [
  { question: 'load', operation: 'bulk load, a key', unit: 'ns' },
  { question: 'loaded size', operation: 'disk, a key, after the load', unit: 'bytes', once: true },
  { question: 'compacted size', operation: 'disk, a key, after compaction', unit: 'bytes', once: true },
  { question: 'reopen', operation: 'reopen', unit: 'ns' },
  { question: 'reopen killed', operation: 'reopen after SIGKILL', unit: 'ns' },
  { question: 'cold get', operation: 'cold get', unit: 'ns' },
  { question: 'finish', operation: '', unit: 'ns', once: true },
]

export interface EngineOptions {
  /** Ours first; by default all. */
  engines: string[] | undefined
  /** Records below ROOT, one table each. */
  counts: number[]
  rounds: number
  /** One of CLOCKS. */
  clock: string
}

/** @throws when an engine gives a wrong answer. */
export async function benchEngines(scratch: string, options: EngineOptions): Promise<Table[]> {
  const tables: Table[] = []
  for (const count of options.counts) tables.push(await benchEngine(scratch, count, options))
  return tables
}

async function benchEngine(scratch: string, count: number, options: EngineOptions): Promise<Table> {
  const { engines = Object.keys(ENGINES), rounds, clock } = options
  const directory = mkdtempSync(join(scratch, 'engine-'))
  const peers = new Map<string, PeerProcess>()
  const began = Date.now()
  const progress = (what: string) => {
    process.stderr.write(`${String(Math.round((Date.now() - began) / 1000)).padStart(5)} s  ${count} keys: ${what}\n`)
  }
  try {
    for (const name of engines) {
      progress(`filling ${name}`)
      peers.set(name, await PeerProcess.start(name, './engine-process.ts', [name, directory, String(count), clock]))
    }
    const rows: Row[] = []
    for (const operation of peers.get(engines[0])!.names) {
      progress(operation)
      rows.push({ operation, unit: 'ns', values: await ask(peers, operation, rounds) })
    }
    for (const { question, operation, unit, once } of LIFECYCLE) {
      progress(operation || 'checking every record')
      const values = await ask(peers, question, once ? 0 : rounds)
      if (operation !== '') rows.push({ operation, unit, values })
    }
    const title = `${count.toLocaleString('en')} keys (and ${MOVED_RECORDS.toLocaleString('en')} below the prefix that is renamed)`
    return { title: clock === 'cpu' ? `${title}; processor time` : title, subjects: engines, rows }
  } finally {
    for (const peer of peers.values()) peer.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Asks everybody the same question in turn, `rounds` times after one that does not count; once with `rounds` 0. */
async function ask(peers: Map<string, PeerProcess>, question: string, rounds: number): Promise<Row['values']> {
  const values: Row['values'] = Object.fromEntries([...peers.keys()].map(name => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [name, peer] of peers) {
      const figure = await peer.ask(question)
      if (figure !== undefined && (round > 0 || rounds === 0)) values[name].push(figure)
    }
  }
  return values
}
