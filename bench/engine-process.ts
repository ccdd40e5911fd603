/**
 * The process of one engine: opens it, fills it, and measures what its parent asks for. One process an engine, so that
 * no engine runs in code that was optimised for, or in a heap that was filled by, another one.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Dataset } from './dataset.ts'
import { EngineOperations } from './engine-operations.ts'
import { openHoltfs } from './stores/holtfs-store.ts'
import { openLmdb } from './stores/lmdb-store.ts'
import { openSqlite } from './stores/sqlite-store.ts'
import type { BenchStore, OpenStore } from './stores/store.ts'

export const ENGINES: Record<string, OpenStore> = {
  holtfs: openHoltfs,
  lmdb: openLmdb,
  'sqlite NORMAL': directory => openSqlite(directory, 'NORMAL'),
  'sqlite OFF': directory => openSqlite(directory, 'OFF'),
}

/** Nanoseconds after which a measurement stops. */
const BUDGET = 60e6

const [engine, scratch, countText] = process.argv.slice(2)
const open = ENGINES[engine]
const dataset = new Dataset(Number(countText))
const directory = mkdtempSync(join(scratch, 'store-'))
let store: BenchStore = open(directory)
EngineOperations.load(dataset, store)
let measured = new EngineOperations(dataset, store)

/** Returns nanoseconds a unit. */
function measure(name: string): number {
  const { run, chunk } = measured.operations[name]
  let units = 0
  const begin = process.hrtime.bigint()
  for (;;) {
    units += run(chunk)
    const elapsed = Number(process.hrtime.bigint() - begin)
    if (elapsed >= BUDGET) return elapsed / units
  }
}

/** Nanoseconds a record, from an empty directory to the last acknowledged transaction. */
async function measureLoad(): Promise<number> {
  const fresh = mkdtempSync(join(scratch, 'load-'))
  const loaded = open(fresh)
  const begin = process.hrtime.bigint()
  EngineOperations.load(dataset, loaded)
  const elapsed = Number(process.hrtime.bigint() - begin)
  await loaded.close()
  rmSync(fresh, { recursive: true })
  return elapsed / (dataset.count + dataset.movedKeys.length)
}

/** Nanoseconds from opening a closed store to the first record read. */
async function measureReopen(): Promise<number> {
  await store.close()
  globalThis.gc?.()
  const begin = process.hrtime.bigint()
  store = open(directory)
  if (store.get(dataset.keys[0]) === undefined) throw new Error('wrong answer: get after opening again')
  const elapsed = Number(process.hrtime.bigint() - begin)
  measured = new EngineOperations(dataset, store)
  return elapsed
}

/** Bytes that the closed store takes on the disk, a record. */
async function finish(): Promise<number> {
  measured.verify(store)
  await store.close()
  let bytes = 0
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    const found = statSync(join(directory, name))
    if (found.isFile()) bytes += found.blocks * 512
  }
  store = open(directory)
  measured.verify(store)
  await store.close()
  rmSync(directory, { recursive: true })
  return bytes / (dataset.count + dataset.movedKeys.length)
}

async function answer(name: string): Promise<number> {
  if (name === 'load') return measureLoad()
  if (name === 'reopen') return measureReopen()
  if (name === 'finish') return finish()
  return measure(name)
}

mkdirSync(scratch, { recursive: true })
process.on('message', (name: string) => {
  globalThis.gc?.()
  answer(name).then(
    figure => process.send?.({ figure }),
    error => process.send?.({ error: String(error?.stack ?? error) }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.({ names: Object.keys(measured.operations) })
