/**
 * `holtfs umount`: unmounts and returns when the server has ended, so that the store is closed and can be copied, checked or
 * mounted again.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { readHolder } from '../engine/store-holder.ts'
import { HoltError } from '../errors.ts'
import { unmount } from '../fs/fuse/mount.ts'
import { findMount, MOUNT_TYPE, type MountEntry } from '../fs/fuse/mount-table.ts'
import { givenPath } from './arguments.ts'

/** Milliseconds between two looks at the server, and in all: closing a store writes a last checkpoint. */
const POLL = 10
const PATIENCE = 120_000

export function registerUmount(program: Command): void {
  program
    .command('umount')
    .alias('unmount')
    .description('unmount and wait until the store is closed')
    .argument('<mountpoint>', 'where it is mounted', givenPath)
    .option('-l, --lazy', 'detach now even when files are open; the server ends with the last of them')
    .action((mountpoint: string, given: { lazy?: boolean }) => runUmount(mountpoint, given.lazy === true))
}

async function runUmount(mountpoint: string, lazy: boolean): Promise<void> {
  const mount = resolveMount(mountpoint)
  refuseStranger(mount)
  const servers = serversOf(mount.source)
  try {
    await unmount(mount.target, { lazy })
  } catch (error) {
    const message = (error as Error).message.replace(/^umount: /, '').replace(/\.$/, '')
    const hint = /busy/.test(message) ? ': close what uses it, or use --lazy' : ''
    throw new HoltError('HOLT_MOUNT', message + hint, { cause: error })
  }
  if (servers.length === 0 || lazy) return
  // Several may serve a store that is only read: one of them ends.
  for (let waited = 0; servers.every(isRunning); waited += POLL) {
    if (waited >= PATIENCE) {
      throw new HoltError(
        'HOLT_MOUNT',
        `unmounted, but process ${servers.join(' or ')} is still closing ${mount.source}, or the mount has a copy in another mount namespace`,
      )
    }
    await sleep(POLL)
  }
}

/** Who mounted it, and root, may unmount it; fusermount3 would say only that it finds no such mount. */
function refuseStranger({ target, options }: MountEntry): void {
  const uid = process.geteuid?.() ?? 0
  const owner = options.find(option => option.startsWith('user_id='))?.slice('user_id='.length)
  if (uid === 0 || owner === undefined || owner === String(uid)) return
  throw new HoltError('HOLT_MOUNT', `${target} was mounted by user ${owner}: only that user and root can unmount it`)
}

function resolveMount(mountpoint: string): MountEntry {
  let mount = findMount(mountpoint)
  if (mount === undefined) {
    // Not a mount itself, so it is safe to look at: it may be a symbolic link to one.
    try {
      mount = findMount(realpathSync(mountpoint))
    } catch (error) {
      throw new HoltError('HOLT_MOUNT', `${mountpoint} does not exist`, { cause: error })
    }
  }
  if (mount?.type === MOUNT_TYPE) return mount
  const what = mount === undefined ? 'nothing is mounted there' : `it is a ${mount.type} mount of ${mount.source}`
  throw new HoltError('HOLT_MOUNT', `${mountpoint} is not a holtfs mount: ${what}`)
}

/** The process that the lock file names; of a store that is only read, those that hold its directory open. */
function serversOf(store: string): number[] {
  try {
    const writer = readHolder(store)
    if (hasOpen(writer, '/dev/fuse')) return [writer]
    const directory = realpathSync(store)
    const found = readdirSync('/proc')
      .map(Number)
      .filter(pid => pid > 0 && hasOpen(pid, directory) && hasOpen(pid, '/dev/fuse'))
    // Whoever was started by one of them ends before it does.
    return found.filter(pid => !found.includes(Number(statusOf(pid)[1])))
  } catch {
    return []
  }
}

/** False also for a process that has ended, or is another user's. */
function hasOpen(pid: number, path: string): boolean {
  try {
    const directory = `/proc/${pid}/fd`
    return readdirSync(directory).some(fd => linkTarget(join(directory, fd)) === path)
  } catch {
    return false
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** A zombie has closed everything, whether its parent has noticed or not. */
function isRunning(pid: number): boolean {
  const [state = 'X'] = statusOf(pid)
  return state !== 'Z' && state !== 'X'
}

/** State and parent of a process; nothing when there is none. */
function statusOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ', 2)
  } catch {
    return []
  }
}
