/**
 * Paths that nobody else can lead elsewhere. Whoever may rename in a directory on the way to a store can put another one
 * in its place at any moment, and with links in it have its server write wherever the server may; a symbolic link of
 * somebody else leads where he likes.
 */
import { lstatSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { HoltError } from '../errors.ts'
import { isOwn } from '../journal/own-file.ts'

const GROUP_WRITES = 0o020
const OTHERS_WRITE = 0o002
/** In such a directory everybody renames and removes only what is his. */
const STICKY = 0o1000
/** As many as the kernel follows. */
const MAX_LINKS = 40

/**
 * `path` without symbolic links, as far as it exists: with links that belong to others, it is refused; with `alone`, also
 * where others may change the directories on the way.
 * @throws HoltError HOLT_MOUNT
 */
export function trustedPath(path: string, alone: boolean): string {
  const names = split(resolve(path))
  let at = '/'
  let links = 0
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      at = dirname(at)
      continue
    }
    if (alone) refuseChangeable(at, path)
    const next = join(at, name)
    const stats = statsOf(next)
    if (stats === undefined) return join(next, ...names)
    if (!stats.isSymbolicLink()) {
      at = next
      continue
    }
    if (!isTrusted(stats.uid)) {
      throw fail(
        `${next} is a symbolic link of user ${stats.uid}, who could lead it elsewhere: name the directory itself`,
      )
    }
    if (++links > MAX_LINKS) throw fail(`${path} leads through more than ${MAX_LINKS} symbolic links`)
    const target = readlinkSync(next)
    if (target.startsWith('/')) at = '/'
    names.unshift(...split(target))
  }
  return at
}

function refuseChangeable(directory: string, path: string): void {
  const { uid, gid, mode } = statSync(directory)
  const so = `could put another directory in the place of ${path}`
  if (!isTrusted(uid)) {
    throw fail(`${directory} belongs to user ${uid}, who ${so}: be that user, or choose a place of your own`)
  }
  if ((mode & STICKY) !== 0) return
  if ((mode & OTHERS_WRITE) !== 0)
    throw fail(`everybody may write to ${directory} and ${so}: chmod o-w or +t ${directory}`)
  if ((mode & GROUP_WRITES) !== 0 && gid !== 0 && gid !== process.getegid?.()) {
    throw fail(`group ${gid} may write to ${directory} and ${so}: chmod g-w or +t ${directory}`)
  }
}

/** In a user namespace the system's directories belong to a user who is not known there. */
function isTrusted(uid: number): boolean {
  return isOwn(uid) || uid === statSync('/').uid
}

/** Undefined for what does not exist, or cannot be looked at: whoever uses it will say so better. */
function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

function split(path: string): string[] {
  return path.split('/').filter(name => name !== '' && name !== '.')
}

function fail(message: string): HoltError {
  return new HoltError('HOLT_MOUNT', message)
}
