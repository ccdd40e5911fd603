/** Store and mount point must not lie in each other. */
import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { HoltError } from '../errors.ts'

/** A server that opens its own files through its own mount waits for itself; a mount over them hides them. */
export function checkApart(store: string, mountpoint: string): void {
  const files = realPath(store)
  const mount = realPath(mountpoint)
  if (isWithin(files, mount)) {
    throw new HoltError('HOLT_MOUNT', `the mount point ${mountpoint} would hide the store ${store}: choose another`)
  }
  if (isWithin(mount, files)) {
    throw new HoltError('HOLT_MOUNT', `the mount point ${mountpoint} lies in the store ${store}: choose another`)
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

/** Without symbolic links, as far as the path exists. */
function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : join(realPath(dirname(path)), basename(path))
}
