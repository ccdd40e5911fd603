/** How many threads serve a mount. */
import { availableParallelism } from 'node:os'

export const MOST_WORKERS = 64

/** One thread a core; never fewer than two, so that one slow fsync does not stop everybody. */
export function defaultWorkers(): number {
  return Math.min(Math.max(availableParallelism(), 2), 4)
}
