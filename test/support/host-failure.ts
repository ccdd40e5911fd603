/** An error as the host's calls throw it: with code, errno and the call, by which the store knows it from a mistake of its own. */
import { constants } from 'node:os'

export function hostFailure(code: string, syscall: string, message: string): NodeJS.ErrnoException {
  const errno = -(constants.errno as Record<string, number>)[code]
  return Object.assign(new Error(message), { code, errno, syscall })
}
