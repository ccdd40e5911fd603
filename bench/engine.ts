/**
 * The embedded tree against LMDB and SQLite: the engines in turn, round after round, each in a process of its own.
 * The first round warms up and is not counted.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Row, Table } from './figures.ts'
import { PeerProcess } from './peer-process.ts'

const ENGINES = ['holtfs', 'lmdb', 'sqlite NORMAL', 'sqlite OFF']
/** Rounds in which a store is filled or opened again: enough for a median, few because they are slow. */
const MOST_SLOW_ROUNDS = 3

/** @throws when an engine gives a wrong answer. */
export async function benchEngines(scratch: string, counts: number[], rounds: number): Promise<Table[]> {
  const tables: Table[] = []
  for (const count of counts) tables.push(await benchEngine(scratch, count, rounds))
  return tables
}

async function benchEngine(scratch: string, count: number, rounds: number): Promise<Table> {
  const directory = mkdtempSync(join(scratch, 'engine-'))
  const peers = new Map<string, PeerProcess>()
  try {
    for (const name of ENGINES) {
      process.stderr.write(`engine, ${count} records: filling ${name}\n`)
      peers.set(name, await PeerProcess.start(name, './engine-process.ts', [name, directory, String(count)]))
    }
    const slow = Math.min(rounds, MOST_SLOW_ROUNDS)
    const rows: Row[] = []
    for (const operation of peers.get(ENGINES[0])!.names) rows.push(await compare(peers, operation, operation, rounds))
    rows.push(await compare(peers, 'load', 'fill an empty store, 1,000 in a transaction, each', slow))
    rows.push(await compare(peers, 'reopen', 'open again and read one record', slow))
    rows.push(await compare(peers, 'finish', 'size on disk at the end, a record', 0, 'bytes'))
    const title = `${count.toLocaleString('en')} records (and 10,000 below the prefix that is renamed)`
    return { title, subjects: ENGINES, rows }
  } finally {
    for (const peer of peers.values()) peer.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Asks everybody the same question in turn, `rounds` times after one that does not count; once with `rounds` 0. */
async function compare(
  peers: Map<string, PeerProcess>,
  question: string,
  operation: string,
  rounds: number,
  unit: Row['unit'] = 'ns',
): Promise<Row> {
  process.stderr.write(`engine: ${operation}\n`)
  const values: Row['values'] = Object.fromEntries([...peers.keys()].map(name => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [name, peer] of peers) {
      const figure = await peer.ask(question)
      if (round > 0 || rounds === 0) values[name].push(figure)
    }
  }
  return { operation, unit, values }
}
