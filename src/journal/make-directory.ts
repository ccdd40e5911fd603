/** Directories of a store, for their owner alone. */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory, and those above it that are missing; returns the first that was made, undefined when it is there. Node's
 * own recursive mkdir never returns where a parent answers ENOENT, as /proc does. Throws the host's error.
 */
export function makeDirectory(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory()) return undefined
  const first = found === undefined ? makeDirectory(dirname(path)) : undefined
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Somebody else was faster.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
    return first
  }
  return first ?? path
}
