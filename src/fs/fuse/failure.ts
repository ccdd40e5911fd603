/**
 * What an exception out of an operation means to the caller of the mount. An operating failure (the store or the host
 * said no) becomes an errno; anything else is a mistake in the program, and the process must end rather than go on.
 */
import { constants } from 'node:os'
import createDebug from 'debug'
import { HoltError } from '../../errors.ts'

const debug = createDebug('holtfs:fuse')
const { EDQUOT, EFBIG, EIO, ENOSPC, EROFS } = constants.errno

/** Minus the errno to answer with; throws `error` on when it is a programming mistake. */
export function errnoOf(error: unknown): number {
  const cause = error instanceof HoltError ? error.cause : error
  const system = cause instanceof Error && 'syscall' in cause ? (cause as NodeJS.ErrnoException).code : undefined
  if (!(error instanceof HoltError) && system === undefined) throw error
  debug('%O', error)
  if (system === 'EDQUOT') return -EDQUOT
  if (error instanceof HoltError) {
    if (error.code === 'HOLT_FULL') return -ENOSPC
    if (error.code === 'HOLT_READ_ONLY') return -EROFS
  }
  if (system === 'ENOSPC') return -ENOSPC
  if (system === 'EFBIG') return -EFBIG
  return -EIO
}
