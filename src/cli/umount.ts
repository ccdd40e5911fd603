/**
 * `holtfs umount`: unmounts and returns when the server has ended, so that the store is closed and can be copied, checked or
 * mounted again.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { HoltError } from '../errors.ts'
import { unmount } from '../fs/fuse/mount.ts'
import { findMount, MOUNT_TYPE, type MountEntry } from '../fs/fuse/mount-table.ts'

/** File in the store's directory that holds the server's process id as text. */
const LOCK_NAME = 'lock'
/** Milliseconds between two looks at the server, and in all: closing a store writes a last checkpoint. */
const POLL = 10
const PATIENCE = 120_000

export function registerUmount(program: Command): void {
  program
    .command('umount')
    .alias('unmount')
    .description('unmount and wait until the store is closed')
    .argument('<mountpoint>', 'where it is mounted')
    .option('-l, --lazy', 'detach now even when files are open; the server ends with the last of them')
    .action((mountpoint: string, given: { lazy?: boolean }) => runUmount(mountpoint, given.lazy === true))
}

async function runUmount(mountpoint: string, lazy: boolean): Promise<void> {
  const mount = resolveMount(mountpoint)
  const server = serverOf(mount.source)
  try {
    await unmount(mount.target, { lazy })
  } catch (error) {
    const message = (error as Error).message.replace(/^umount: /, '')
    const hint = /busy/.test(message) ? ' close what uses it, or use --lazy' : ''
    throw new HoltError('HOLT_MOUNT', message + hint, { cause: error })
  }
  if (server === undefined || lazy) return
  for (let waited = 0; isRunning(server); waited += POLL) {
    if (waited >= PATIENCE) {
      throw new HoltError(
        'HOLT_MOUNT',
        `unmounted, but the server (process ${server}) is still closing ${mount.source}`,
      )
    }
    await sleep(POLL)
  }
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

/** The process that serves the store: the one that its lock file names, if it has the FUSE device open. */
function serverOf(store: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(store, LOCK_NAME), 'utf8'), 10)
    const directory = `/proc/${pid}/fd`
    return readdirSync(directory).some(fd => linkTarget(join(directory, fd)) === '/dev/fuse') ? pid : undefined
  } catch {
    return undefined
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
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const state = text.charAt(text.lastIndexOf(')') + 2)
    return state !== 'Z' && state !== 'X'
  } catch {
    return false
  }
}
