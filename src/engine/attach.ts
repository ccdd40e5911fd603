/**
 * An open store in another thread: what has to be posted there, and the tree that is made of it. It opens nothing and calls
 * nothing native, so a thread may be ended while it does this.
 */
import { join } from 'node:path'
import type { Durability } from '../journal/durability.ts'
import { Journal } from '../journal/journal.ts'
import type { JournalShared } from '../journal/shared.ts'
import { hostStorage, type Storage } from '../journal/storage.ts'
import { FrameFile } from './frame-file.ts'
import { Gate } from './gate.ts'
import { Pool } from './pool.ts'
import { type FrameStorage, overScratch, type Scratch } from './scratch.ts'
import type { EngineShared } from './shared.ts'
import { Tree } from './tree.ts'

/** Directory of the log within that of the store. */
export const WAL = 'wal'

/** What another thread needs to open the same store: post it to a worker. */
export interface StoreHandle {
  directory: string | undefined
  engine: EngineShared
  journal: JournalShared
  framesFd: number
  /** Of a read-only store. */
  scratch: Scratch | undefined
  durability: Durability
  readOnly: boolean
  segmentBytes: number
  background: boolean
}

/** Opens a tree that another thread has opened already; its handle may be posted between threads. */
export function attachStore(handle: StoreHandle, storage: Storage = hostStorage): Tree {
  const pool = new Pool(handle.engine, handle.directory === undefined ? undefined : framesOf(handle, storage))
  const gate = new Gate(pool.control)
  if (handle.directory === undefined || handle.readOnly) return new Tree({ pool, gate, readOnly: handle.readOnly })
  const journal = Journal.attach(storage, join(handle.directory, WAL), handle.journal, handle)
  return new Tree({
    pool,
    gate,
    journal,
    storage,
    directory: handle.directory,
    readOnly: handle.readOnly,
    background: handle.background,
  })
}

export function framesOf(handle: StoreHandle, storage: FrameStorage): FrameFile {
  const { framesFd, scratch } = handle
  return new FrameFile(scratch === undefined ? storage : overScratch(storage, scratch), framesFd)
}
