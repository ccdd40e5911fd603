/** What a thread of everything.test.ts, or of the process that killed-store.test.ts kills, is started with. */
import type { StoreHandle } from '../../src/index.ts'

export interface EverythingThread {
  thread: number
  /** Seed of the changes; that of the reads follows from it. */
  seed: number
  milliseconds: number
  handle: StoreHandle
  /** Descriptor of a file that holds the number of changes acknowledged, a Float64 for each thread; -1: nobody asks. */
  telling: number
}

export interface EverythingResult {
  changes: number
  reads: Record<string, number>
}
