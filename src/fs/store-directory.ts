/**
 * Who may serve a store: its owner, when nobody else can write in it or put another directory in its place. A store can hold
 * setuid programs of any user and lead its server to other files, so it is only to be trusted where it could not be
 * prepared by somebody else; and files of root in another user's store would lock that user out. Links inside are refused, not
 * followed: files are opened with openOwnFile, directories are looked at here.
 */
import { type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { MANIFEST } from '../engine/manifest.ts'
import { checkEntries } from '../engine/store-entries.ts'
import { HoltError } from '../errors.ts'
import { trustedPath } from './trusted-path.ts'

const OTHERS_WRITE = 0o022

/**
 * Refuses a directory that cannot be trusted. One that does not exist yet passes, and so does one that is no store yet:
 * whoever makes a store of it shuts it to others.
 * @throws HoltError HOLT_MOUNT, HOLT_FOREIGN_FILE
 */
export function checkStoreDirectory(directory: string): void {
  trustedPath(directory, true)
  const stats = statOf(directory)
  if (stats === undefined || !stats.isDirectory()) return
  const uid = process.geteuid?.() ?? 0
  if (stats.uid !== uid) {
    throw fail(`the store ${directory} belongs to user ${stats.uid}, not to you (${uid}): mount it as its owner`)
  }
  const inside = checkEntries(directory)
  if (statOf(join(directory, MANIFEST)) === undefined) return
  refuseShared(directory, stats)
  for (const [path, below] of inside) refuseShared(path, below)
  const data = join(directory, 'data')
  if (inside.has(data)) for (const [path, below] of checkEntries(data)) refuseShared(path, below)
}

function refuseShared(directory: string, stats: Stats): void {
  if ((stats.mode & OTHERS_WRITE) === 0) return
  throw fail(`others may write to the store ${directory}: shut them out first: chmod 700 ${directory}`)
}

/** What cannot be looked at, the opening of the store tells better. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function fail(message: string): HoltError {
  return new HoltError('HOLT_MOUNT', message)
}
