/**
 * The log that a client of the kill test keeps outside the mount, one JSON text a line: `begin` before each system call,
 * `done` after it returned, and from the test `void` for a call that a kill undid (`done` for one that it did not).
 */
import { existsSync, readFileSync } from 'node:fs'
import { AcknowledgedModel, type Operation } from './acknowledged-operation.ts'

export type LogLine = { begin: Operation } | { is: 'done' | 'void' }

export interface Acknowledged {
  model: AcknowledgedModel
  /** The call that had begun when the log ended. */
  inFlight: Operation | undefined
  acknowledged: number
}

/** Plays a log on an empty model. */
export function readLog(path: string): Acknowledged {
  const model = new AcknowledgedModel()
  let inFlight: Operation | undefined
  let acknowledged = 0
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  for (const line of text.split('\n').filter(line => line !== '')) {
    const entry = JSON.parse(line) as LogLine
    if ('begin' in entry) {
      inFlight = entry.begin
      continue
    }
    if (inFlight !== undefined && entry.is === 'done') {
      model.apply(inFlight)
      acknowledged++
    }
    inFlight = undefined
  }
  return { model, inFlight, acknowledged }
}
