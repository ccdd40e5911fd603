/**
 * The kernel's table of mounts as this process sees it (/proc/self/mounts). Reading it touches no mounted filesystem, so it
 * cannot hang on a dead one.
 */
import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** The filesystem type of our mounts. */
export const MOUNT_TYPE = 'fuse.holtfs'

export interface MountEntry {
  source: string
  target: string
  type: string
  options: string[]
}

/** Every mount, oldest first: of several on one mount point the last is the visible one. */
function parseMounts(text: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of text.split('\n')) {
    const fields = line.split(' ')
    if (fields.length < 4) continue
    const [source, target, type, options] = fields.map(unescaped)
    entries.push({ source, target, type, options: options.split(',') })
  }
  return entries
}

/** Every mount that this process sees, as {@link parseMounts}. */
export function listMounts(): MountEntry[] {
  return parseMounts(readFileSync('/proc/self/mounts', 'utf8'))
}

/** The visible mount whose mount point is `path`, if there is one. */
export function findMount(path: string, mounts = listMounts()) {
  const target = mountPointPath(path)
  return mounts.findLast(entry => entry.target === target)
}

/**
 * `path` as the kernel lists it: absolute, symbolic links above it resolved. The last component is not looked at, since
 * that could ask a server that does not answer.
 */
export function mountPointPath(path: string): string {
  const absolute = resolve(path)
  if (absolute === '/') return absolute
  try {
    return join(realpathSync(dirname(absolute)), basename(absolute))
  } catch {
    return absolute
  }
}

/** Undoes the octal escapes of the table (space, tab, newline, backslash, hash). The text is UTF-8. */
export function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
