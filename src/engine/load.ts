/** Bulk load: reads records in ascending key order from an iterable and hands them on in chunks. */
import { HoltError } from '../errors.ts'
import { DATA_START, FRAME_SIZE, LOAD_CHUNK } from '../limits.ts'
import { asKey, asValue, type Bytes } from './key-value.ts'
import { LEAF_HEAD, NODE4_SIZE } from './layout.ts'
import { LoadChunk } from './load-chunk.ts'

/** A record to load. */
export type LoadEntry = readonly [key: Bytes, value: Bytes] | { readonly key: Bytes; readonly value: Bytes }

export interface LoadSummary {
  /** Records loaded. */
  keys: number
  /** WAL records they took. */
  chunks: number
  /** Version of the last of them; 0 when there were none. */
  version: number
}

/** Slots that a chunk needs beside those it fills: a frame that is split or compacted, and copies aside. */
const SLOTS_ASIDE = 4

/** Hands the entries on as chunks; `commit` returns the seq of a chunk that is acknowledged. */
export function load(entries: Iterable<LoadEntry>, commit: (chunk: LoadChunk) => number): LoadSummary {
  const chunk = new LoadChunk()
  const summary: LoadSummary = { keys: 0, chunks: 0, version: 0 }
  const flush = () => {
    if (chunk.count === 0) return
    summary.version = commit(chunk)
    summary.keys += chunk.count
    summary.chunks++
    chunk.reset()
  }
  let isFirst = true
  let isCommitting = false
  try {
    for (const entry of entries) {
      const isPair = Array.isArray(entry)
      const key = asKey(isPair ? entry[0] : (entry as { key: Bytes }).key)
      const value = asValue(isPair ? entry[1] : (entry as { value: Bytes }).value)
      if (!chunk.add(key, value, isFirst)) throw outOfOrder(key, summary.keys + chunk.count)
      isFirst = false
      if (chunk.length < LOAD_CHUNK) continue
      isCommitting = true
      flush()
      isCommitting = false
    }
  } catch (error) {
    // What came before a bad entry is loaded; a chunk that failed is not tried again.
    if (!isCommitting) flush()
    throw error
  }
  flush()
  return summary
}

/** Slots of the pool that a chunk may fill, at most those that a pool of `frames` can set free. */
export function slotsOfChunk(chunk: LoadChunk, frames: number): number {
  const bytes = chunk.length + chunk.count * (LEAF_HEAD + NODE4_SIZE)
  return Math.min(frames - SLOTS_ASIDE, SLOTS_ASIDE + Math.ceil(bytes / (FRAME_SIZE - DATA_START)))
}

function outOfOrder(key: Uint8Array, loaded: number): HoltError {
  const name = Buffer.from(key.buffer, key.byteOffset, Math.min(key.length, 100)).toString('latin1')
  const what = `entry ${loaded} of a load, key ${JSON.stringify(name)}, is not greater than the one before`
  return new HoltError('HOLT_INVALID', `${what}: ${loaded} records are loaded`)
}
