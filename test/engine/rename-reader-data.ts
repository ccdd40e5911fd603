/** What both threads of rename-readers.test.ts know. */
import type { StoreHandle } from '../../src/index.ts'

export interface RenameReader {
  handle: StoreHandle
  words: Int32Array
  rounds: number
}

/** Word that holds how many rounds the reader has begun. */
export const TURN = 0

/** Name of the record after so many renames: every other one moves its whole directory. */
export function nameOf(round: number): string {
  return `/directory-${round >> 1}/below/file-${(round + 1) >> 1}`
}
