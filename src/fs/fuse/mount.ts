/**
 * Puts an open /dev/fuse descriptor on a mount point with mount(8) and takes mounts away with umount(8). Needs root. What
 * can go wrong is told in one line that says what to do.
 */
import { type StdioOptions, spawn, spawnSync } from 'node:child_process'
import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs'
import { HoltError } from '../../errors.ts'
import { findMount, MOUNT_TYPE } from './mount-table.ts'

const DEVICE = '/dev/fuse'
/** Options that this program sets itself. */
const RESERVED = new Set(['fd', 'rootmode', 'user_id', 'group_id', 'remount', 'bind', 'rbind', 'move'])

export interface MountRequest {
  fd: number
  /** Shown as the mount's source in /proc/mounts: the absolute path of the store. */
  name: string
  mountpoint: string
  readOnly: boolean
  /** As given with -o; those that mount(8) or the kernel knows are passed through, in order, after our own. */
  options: readonly string[]
}

/** @throws {HoltError} HOLT_MOUNT when nothing can be mounted on `path` */
export function checkMountPoint(path: string): void {
  const there = findMount(path)
  if (there?.type.startsWith('fuse')) {
    throw fail(`${path} is already a ${there.type} mount of ${there.source}; unmount it first: holtfs umount ${path}`)
  }
  let isDirectory: boolean
  try {
    isDirectory = statSync(path).isDirectory()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw fail(`mount point ${path} does not exist; create it first: mkdir -p ${path}`)
    throw fail(`cannot use mount point ${path} (${code})`, error)
  }
  if (!isDirectory) throw fail(`mount point ${path} is not a directory`)
}

/** Opens the FUSE device. @throws {HoltError} HOLT_MOUNT with the remedy */
export function openDevice(): number {
  try {
    accessSync(DEVICE)
    return openSync(DEVICE, constants.O_RDWR)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') {
      throw fail(`${DEVICE} is missing; load the module (modprobe fuse), or pass --device ${DEVICE} to the container`)
    }
    if (code === 'EACCES' || code === 'EPERM') {
      throw fail(`no permission to open ${DEVICE}; run as root, in a container with --cap-add SYS_ADMIN`)
    }
    throw fail(`cannot open ${DEVICE} (${code})`, error)
  }
}

/** @throws {HoltError} HOLT_MOUNT with the remedy when the FUSE device cannot be opened */
export function checkDevice(): void {
  closeSync(openDevice())
}

/** The -o argument of mount(8). The user's options come last: mount(8) lets the last of a pair like dev,nodev win. */
export function mountOptions(readOnly: boolean, user: readonly string[], fd = 3): string {
  const own = [
    `fd=${fd}`,
    'rootmode=40000',
    'user_id=0',
    'group_id=0',
    'default_permissions',
    'allow_other',
    'dev',
    'suid',
  ]
  for (const option of user) {
    const key = option.split('=', 1)[0]
    if (RESERVED.has(key)) throw fail(`mount option ${key} cannot be given; holtfs sets it itself or has no use for it`)
    if (option !== '' && !own.includes(option)) own.push(option)
  }
  if (readOnly && own.at(-1) !== 'ro') own.push('ro')
  return own.join(',')
}

/**
 * Mounts. Resolves when mount(8) is done, which may need answers from the workers: they must be reading by then.
 * @throws {HoltError} HOLT_MOUNT with what mount(8) said
 */
export async function attach(request: MountRequest): Promise<void> {
  const options = mountOptions(request.readOnly, request.options)
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', request.fd]
  const argv = ['-i', '-t', MOUNT_TYPE, '-o', options, '--', request.name, request.mountpoint]
  const { status, message } = await run('mount', argv, stdio)
  if (status === 0) return
  if (process.getuid?.() !== 0) throw fail(`mounting needs root; try: sudo holtfs mount ...`)
  const hint = /permission denied|not permitted/i.test(message) ? '; a container needs --cap-add SYS_ADMIN' : ''
  throw fail(`cannot mount on ${request.mountpoint}: ${message || `mount(8) ended with ${status}`}${hint}`)
}

export interface UnmountHow {
  /** Detach now, even when files are open; the server goes on until the last one is closed. */
  lazy?: boolean
  /** Also fail every request that is not answered, and end the connection: the server's descriptor answers ENODEV. */
  abort?: boolean
}

/** Unmounts. @throws {HoltError} HOLT_MOUNT with what umount(8) said */
export async function unmount(mountpoint: string, how: UnmountHow = {}): Promise<void> {
  const { status, message } = await run('umount', unmountArguments(mountpoint, how), ['ignore', 'ignore', 'pipe'])
  if (status !== 0) throw fail(message || `cannot unmount ${mountpoint}: umount(8) ended with ${status}`)
}

/** The same without an event loop, for the last moments of a process; says whether it worked. */
export function unmountNow(mountpoint: string, how: UnmountHow): boolean {
  return spawnSync('umount', unmountArguments(mountpoint, how), { stdio: 'ignore', timeout: 10_000 }).status === 0
}

function unmountArguments(mountpoint: string, how: UnmountHow): string[] {
  // -c: do not resolve the path, which would ask the server that may be dead.
  const flags = ['-i', '-c']
  if (how.abort) flags.push('-f')
  if (how.lazy || how.abort) flags.push('-l')
  return [...flags, '--', mountpoint]
}

/** Runs a command without a shell; `message` is what it wrote to stderr, on one line. */
export function run(
  command: string,
  argv: readonly string[],
  stdio: StdioOptions,
): Promise<{ status: number | null; message: string }> {
  return new Promise(resolve => {
    const child = spawn(command, argv, { stdio })
    let text = ''
    child.stderr?.on('data', chunk => {
      text += chunk
    })
    child.on('error', error => resolve({ status: null, message: error.message }))
    child.on('close', status => resolve({ status, message: text.trim().replaceAll(/\s*\n\s*/g, ' ') }))
  })
}

function fail(message: string, cause?: unknown): HoltError {
  return new HoltError('HOLT_MOUNT', message, { cause })
}
