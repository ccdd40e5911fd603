/**
 * A reader's way to a frame that is not resident: under the gate, with the frame that refers to it pinned. The descent
 * goes on from there instead of starting again, so that a pool of few frames serves a path through many.
 */
import type { Gate } from '../gate.ts'
import type { Pool } from '../pool.ts'

/** Loads `blob`, to which the frame in `parent` refers if its version still is `version`; returns its slot, or -1. */
export function fetchBelow(pool: Pool, gate: Gate, parent: number, version: number, blob: number): number {
  const entered = gate.enter()
  try {
    if (pool.version[parent] !== version) return -1
    pool.unpinAll()
    pool.pin(parent)
    return pool.fetch(blob)
  } finally {
    gate.leave(entered)
  }
}
