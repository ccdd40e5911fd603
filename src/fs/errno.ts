/**
 * Errno numbers of the host platform, positive. Operations answer them negated; they exist only at this boundary.
 */
import { constants } from 'node:os'

export const {
  E2BIG,
  EACCES,
  EBUSY,
  EEXIST,
  EFBIG,
  EINVAL,
  EIO,
  EISDIR,
  EMLINK,
  ENAMETOOLONG,
  ENODATA,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENODEV,
  ENOTEMPTY,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  EROFS,
} = constants.errno

/** Minus the errno of a host I/O error; throws it again when it is none (our own errors go to the transport). */
export function hostErrno(error: unknown): number {
  const { errno, syscall } = error as NodeJS.ErrnoException
  if (syscall === undefined || typeof errno !== 'number') throw error
  return errno < 0 ? errno : -EIO
}

/** Whether a host call failed because the file does not exist. */
export function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

/** Whether the host has no such call, or not for these files. */
export function isUnsupported(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EOPNOTSUPP' || code === 'ENOTSUP' || code === 'ENOSYS' || code === 'EXDEV' || code === 'EINVAL'
}
