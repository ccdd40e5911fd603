/**
 * What is measured on an engine that opens, closes, is killed, is loaded, or finds nothing in the page cache. It keeps
 * the one store that the operations run on, and throws when a store lost something.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLOCKS, type Clock } from './clock.ts'
import type { Dataset } from './dataset.ts'
import { EngineOperations } from './engine-operations.ts'
import { SortedRecords } from './sorted-records.ts'
import type { BenchStore, OpenStore } from './stores/store.ts'

const VICTIM = fileURLToPath(new URL('./engine-victim.ts', import.meta.url))
const DROP_CACHES = '/proc/sys/vm/drop_caches'
/** Records that a process overwrites, each in a transaction of its own, before it kills itself. */
export const KILLED_PUTS = 2000
/** Gets from which the mean of one cold get is taken. */
const COLD_GETS = 1000

export class EngineLifecycle {
  operations!: EngineOperations
  readonly #engine: string
  readonly #open: OpenStore
  readonly #dataset: Dataset
  readonly #scratch: string
  /** What a load is measured by; the rest waits for the disk, and for other processes. */
  readonly #now: Clock
  readonly #directory: string
  #store!: BenchStore
  /** The store that was loaded last, closed. */
  #loaded: string | undefined
  #killed = 0
  /** Cold gets so far. */
  #read = 0

  constructor(engine: string, open: OpenStore, dataset: Dataset, scratch: string, now: Clock) {
    this.#engine = engine
    this.#open = open
    this.#dataset = dataset
    this.#scratch = scratch
    this.#now = now
    this.#directory = mkdtempSync(join(scratch, 'store-'))
  }

  /** Opens and fills the store. */
  async start(): Promise<EngineOperations> {
    await this.#openAgain()
    await this.#store.load(new SortedRecords(this.#dataset))
    return this.operations
  }

  async #openAgain(): Promise<void> {
    this.#store = await this.#open(this.#directory)
    this.operations = new EngineOperations(this.#dataset, this.#store)
  }

  /** Nanoseconds a record, from an empty open store to the last acknowledged transaction. */
  async load(): Promise<number> {
    this.#forgetLoaded()
    this.#loaded = mkdtempSync(join(this.#scratch, 'load-'))
    const store = await this.#open(this.#loaded)
    const begin = this.#now()
    await store.load(new SortedRecords(this.#dataset))
    const elapsed = this.#now() - begin
    await store.close()
    return elapsed / this.#dataset.total
  }

  /** Bytes on the disk, a record, of the store that was loaded last. */
  async loadedSize(): Promise<number> {
    return diskBytes(this.#loaded!) / this.#dataset.total
  }

  async compactedSize(): Promise<number | undefined> {
    const store = await this.#open(this.#loaded!)
    await store.compact?.()
    await store.close()
    return store.compact === undefined ? undefined : diskBytes(this.#loaded!) / this.#dataset.total
  }

  /** Nanoseconds from opening a closed store to the first record read. */
  async reopen(): Promise<number> {
    await this.#store.close()
    return this.#openTimed()
  }

  async #openTimed(): Promise<number> {
    const key = this.#dataset.keyOf(this.#dataset.order[0])
    globalThis.gc?.()
    const begin = CLOCKS.wall()
    this.#store = await this.#open(this.#directory)
    if (this.#store.get(key) === undefined) throw new Error('wrong answer: get after opening again')
    const elapsed = CLOCKS.wall() - begin
    this.operations = new EngineOperations(this.#dataset, this.#store)
    return elapsed
  }

  /** The same after another process changed the store and was killed. @throws when one of its changes is missing. */
  async reopenKilled(): Promise<number> {
    await this.#store.close()
    const generation = 0x80000000 + ++this.#killed
    const script = [VICTIM, this.#engine, this.#directory, String(this.#dataset.count), String(generation)]
    const { signal, stderr } = spawnSync(process.execPath, ['--import=tsx', ...script])
    if (signal !== 'SIGKILL') throw new Error(`the process to be killed ended otherwise: ${stderr}`)
    const elapsed = await this.#openTimed()
    for (const index of killedRecords(this.#dataset)) {
      this.#dataset.generations[index] = generation
      const value = this.#store.get(this.#dataset.keyOf(index))
      if (value === undefined || Buffer.from(value).readUInt32LE(4) !== generation) throw new Error('a change was lost')
    }
    return elapsed
  }

  /** Nanoseconds of one get, the mean over many, in a store just opened whose files are not in the page cache. */
  async coldGet(): Promise<number | undefined> {
    if (!mayDropCaches()) return undefined
    const { order, count } = this.#dataset
    // From the end of the order, away from what was written last: that lies together in some engines.
    const keys = Array.from({ length: COLD_GETS }, () => this.#dataset.keyOf(order[count - 1 - (this.#read++ % count)]))
    await this.#store.close()
    execFileSync('sync')
    writeFileSync(DROP_CACHES, '1')
    await this.#openAgain()
    const begin = CLOCKS.wall()
    for (const key of keys) {
      if (this.#store.peek(key) === -1) throw new Error('wrong answer: cold get')
    }
    return (CLOCKS.wall() - begin) / COLD_GETS
  }

  /** Checks every record, and leaves nothing behind. */
  async finish(): Promise<undefined> {
    await this.operations.verify()
    await this.#store.close()
    rmSync(this.#directory, { recursive: true })
    this.#forgetLoaded()
  }

  #forgetLoaded(): void {
    if (this.#loaded !== undefined) rmSync(this.#loaded, { recursive: true })
    this.#loaded = undefined
  }
}

/** The records that the killed process overwrites. */
export function killedRecords(dataset: Dataset): Uint32Array {
  return dataset.order.subarray(0, KILLED_PUTS)
}

function mayDropCaches(): boolean {
  try {
    accessSync(DROP_CACHES, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Bytes that are allocated for the files below a directory. */
function diskBytes(directory: string): number {
  let bytes = 0
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    const found = statSync(join(directory, name))
    if (found.isFile()) bytes += found.blocks * 512
  }
  return bytes
}
