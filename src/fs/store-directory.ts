/**
 * Who may serve a store: its owner, when nobody else can write in its directory. A store can hold setuid programs of any
 * user and lead its server to other files, so it is only to be trusted where it could not be prepared by somebody else;
 * and files of root in another user's store would lock that user out. Symbolic links inside are refused, not followed:
 * files are opened with O_NOFOLLOW, directories are looked at here.
 */
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { HoltError } from '../errors.ts'

const OTHERS_WRITE = 0o022

/**
 * Refuses a directory that cannot be trusted. One that does not exist yet passes, and so does one that is no store yet:
 * whoever makes a store of it shuts it to others.
 * @throws HoltError HOLT_MOUNT
 */
export function checkStoreDirectory(directory: string): void {
  const stats = statOf(directory)
  if (stats === undefined || !stats.isDirectory()) return
  const uid = process.geteuid?.() ?? 0
  if (stats.uid !== uid) {
    throw fail(`the store ${directory} belongs to user ${stats.uid}, not to you (${uid}): mount it as its owner`)
  }
  const names = readdirSync(directory)
  if (names.includes('manifest') && (stats.mode & OTHERS_WRITE) !== 0) {
    throw fail(`others may write to the store ${directory}: shut them out first: chmod 700 ${directory}`)
  }
  for (const name of names) refuseLink(join(directory, name))
  if (!names.includes('data')) return
  const data = join(directory, 'data')
  for (const name of readdirSync(data)) refuseLink(join(data, name))
}

/** What cannot be looked at, the opening of the store tells better. */
function statOf(directory: string): Stats | undefined {
  try {
    return statSync(directory)
  } catch {
    return undefined
  }
}

function refuseLink(path: string): void {
  if (lstatSync(path).isSymbolicLink()) {
    throw fail(`${path} is a symbolic link: a store is used only without links inside`)
  }
}

function fail(message: string): HoltError {
  return new HoltError('HOLT_MOUNT', message)
}
