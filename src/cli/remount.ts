/**
 * `mount -o remount,ro` and back, and other flags of a mount that the kernel keeps. The server goes on as it is: what is
 * mounted read-only afterwards, the kernel refuses to change. Settings of the server cannot be changed so.
 */
import { realpathSync } from 'node:fs'
import { HoltError } from '../errors.ts'
import { askControl } from '../fs/control.ts'
import { run } from '../fs/fuse/command.ts'
import { findMount, MOUNT_TYPE } from '../fs/fuse/mount-table.ts'
import { parseMountOptions } from './mount-options.ts'

/** Options of a mount that its beginning decides; mount(8) repeats them when it remounts. */
const AS_MOUNTED = /^(remount|default_permissions|allow_other|(user_id|group_id|max_read|blksize|rootmode|fd)=.*)$/

/** @throws HoltError HOLT_MOUNT with the remedy */
export async function remount(store: string, mountpoint: string, options: string): Promise<void> {
  const mount = findMount(mountpoint)
  if (mount?.type !== MOUNT_TYPE) throw fail(`${mountpoint} is not a holtfs mount: nothing to remount`)
  const { readOnly = false, kernel, ...settings } = parseMountOptions(options, { kernel: [] })
  const [setting] = Object.keys(settings)
  if (setting !== undefined)
    throw fail(`${setting} cannot be changed by a remount: unmount ${mountpoint} and mount it again`)
  // Only a server that writes answers on its control socket.
  if (!readOnly && (await askControl(realpathSync(store))) === undefined) {
    throw fail(`${mountpoint} was mounted read-only from its beginning: unmount it and mount it again`)
  }
  const flags = ['remount', readOnly ? 'ro' : 'rw', ...kernel.filter(option => !AS_MOUNTED.test(option))]
  const argv = ['-i', '-o', flags.join(','), '--', mountpoint]
  const { status, message } = await run('mount', argv, ['ignore', 'ignore', 'pipe'])
  if (status !== 0) throw fail(message || `mount(8) ended with ${status}`)
}

function fail(message: string): HoltError {
  return new HoltError('HOLT_MOUNT', message)
}
