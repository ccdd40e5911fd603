/**
 * The one error class of the engine. `code` is stable and documented, `applied` says what became of the change.
 * Errno numbers exist only at the FUSE boundary.
 */

export type HoltErrorCode =
  | 'HOLT_BATCH_TOO_LARGE'
  | 'HOLT_CLOSED'
  | 'HOLT_CORRUPT_DATA'
  | 'HOLT_CORRUPT_FRAME'
  | 'HOLT_CORRUPT_MANIFEST'
  | 'HOLT_CORRUPT_WAL'
  | 'HOLT_FAILED'
  | 'HOLT_FOREIGN_FILE'
  | 'HOLT_FORMAT'
  | 'HOLT_FULL'
  | 'HOLT_INVALID'
  | 'HOLT_IO'
  | 'HOLT_KEY_TOO_LONG'
  | 'HOLT_LOCKED'
  | 'HOLT_MISSING_WAL'
  | 'HOLT_MOUNT'
  | 'HOLT_NOT_A_STORE'
  | 'HOLT_READ_ONLY'
  | 'HOLT_VALUE_TOO_LONG'
  | 'HOLT_VIEW_EXPIRED'

/** What to do about a damaged store. */
export const ADVICE = 'holtfs check --repair saves what can be saved, or restore the store from a backup'

/** `not-applied`: nothing changed. `unknown`: reopen the store to learn whether the change is there. */
export type Applied = 'not-applied' | 'unknown'

export class HoltError extends Error {
  override readonly name = 'HoltError'
  readonly code: HoltErrorCode
  readonly applied: Applied

  constructor(code: HoltErrorCode, message: string, options: { applied?: Applied; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.applied = options.applied ?? 'not-applied'
  }
}

/** Wraps an error of the host's files; ENOSPC and EDQUOT become HOLT_FULL. */
export function hostError(what: string, cause: unknown): HoltError {
  if (cause instanceof HoltError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new HoltError(full ? 'HOLT_FULL' : 'HOLT_IO', `${what}: ${message}`, { cause })
}

/** The message of an error, on one line; a mistake of the program also says where it happened. */
export function oneLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const expected = error instanceof HoltError || 'syscall' in error
  const where = expected ? '' : ` (${error.name} ${error.stack?.match(/\n\s*(at .*)/)?.[1] ?? ''})`
  return error.message.replaceAll(/\s*\n\s*/g, ' ') + where
}
