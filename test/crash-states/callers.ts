/** Which lines of the source a call came through. */

const FRAME = /\/src\/([\w./-]+\.ts):(\d+):\d+\)?$/

/** Whether lines are looked up: it takes long. */
let areWanted = false

/** Runs `work` with {@link callers} telling lines. */
export function withCallers<T>(work: () => T): T {
  areWanted = true
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 40
  try {
    return work()
  } finally {
    areWanted = false
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** Lines of src/ that the caller was called through, as `fs/bytes.ts:12`, innermost first; none unless they are wanted. */
export function callers(): readonly string[] {
  if (!areWanted) return []
  const lines = (new Error().stack ?? '').split('\n').flatMap(line => {
    const found = FRAME.exec(line)
    return found === null || found[1] === 'journal/storage.ts' ? [] : [`${found[1]}:${found[2]}`]
  })
  return lines
}
