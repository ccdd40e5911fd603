/**
 * Mounts and unmounts: as root an open /dev/fuse descriptor is put on a mount point with mount(8) and taken away with
 * umount(8); other users go through fusermount.ts. What can go wrong is told in one line that says what to do.
 */
import { type StdioOptions, spawnSync } from 'node:child_process'
import { accessSync, closeSync, constants, openSync, readlinkSync, statSync } from 'node:fs'
import { HoltError } from '../../errors.ts'
import { trustedPath } from '../trusted-path.ts'
import { run } from './command.ts'
import { abortConnection } from './connection.ts'
import { checkFusermount, fusermountOptions, fusermountUnmount, mountAsUser } from './fusermount.ts'
import { findMount, MOUNT_TYPE } from './mount-table.ts'

const DEVICE = '/dev/fuse'
/** A descriptor of a directory that may be mounted on, and not be read. Linux; Node has no name for it. */
const O_PATH = 0o10000000
/** Options that this program sets itself. */
const RESERVED = new Set([
  'fd',
  'rootmode',
  'user_id',
  'group_id',
  'fsname',
  'subtype',
  'auto_unmount',
  'remount',
  'bind',
  'rbind',
  'move',
])

export interface MountRequest {
  /** Shown as the mount's source in /proc/mounts: the absolute path of the store. */
  name: string
  mountpoint: string
  readOnly: boolean
  /** As given with -o; those that mount(8) or the kernel knows are passed through, in order, after our own. */
  options: readonly string[]
}

/**
 * Where a mount on `path` goes: without symbolic links, none of which may be somebody else's.
 * @throws {HoltError} HOLT_MOUNT when nothing can be mounted there
 */
export function checkMountPoint(path: string): string {
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
  return trustedPath(path, false)
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
      const remedy = isRoot() ? 'a container needs --cap-add SYS_ADMIN' : `root lets users in with chmod 666 ${DEVICE}`
      throw fail(`no permission to open ${DEVICE}; ${remedy}`)
    }
    throw fail(`cannot open ${DEVICE} (${code})`, error)
  }
}

/** @throws {HoltError} HOLT_MOUNT with the remedy when the FUSE device cannot be opened, or mounted by this user */
export function checkDevice(): void {
  closeSync(openDevice())
  if (!isRoot()) checkFusermount()
}

/** Whether mounts are this process's own to make, or fusermount3's. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0
}

/** @throws {HoltError} HOLT_MOUNT for options that would contradict our own */
export function refuseReserved(options: readonly string[]): void {
  for (const option of options) {
    const key = option.split('=', 1)[0]
    if (RESERVED.has(key)) throw fail(`mount option ${key} cannot be given; holtfs sets it itself or has no use for it`)
  }
}

/** The -o argument of mount(8). The user's options come last: mount(8) lets the last of a pair like dev,nodev win. */
function mountOptions(readOnly: boolean, user: readonly string[], fd = 3): string {
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
  refuseReserved(user)
  for (const option of user) {
    if (option !== '' && !own.includes(option)) own.push(option)
  }
  if (readOnly && own.at(-1) !== 'ro') own.push('ro')
  return own.join(',')
}

/**
 * Mounts as a user who is not root, and returns the device. The kernel's first request waits until it is read.
 * @throws {HoltError} HOLT_MOUNT with the remedy
 */
export function attachAsUser({ mountpoint, name, readOnly, options }: MountRequest): Promise<number> {
  refuseReserved(options)
  return mountAsUser(mountpoint, fusermountOptions(name, readOnly, options))
}

/** Holds the mount point, so that nobody can lead its path elsewhere before it is mounted on. */
function openMountPoint(path: string): number {
  const directory = openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  if (readlinkSync(`/proc/self/fd/${directory}`) === path) return directory
  closeSync(directory)
  throw fail(`${path} leads elsewhere than it did a moment ago: choose a mount point that nobody else can move`)
}

/**
 * Mounts the device `fd` as root. Resolves when mount(8) is done, which may need answers from the workers: they must be
 * reading by then.
 * @throws {HoltError} HOLT_MOUNT with what mount(8) said
 */
export async function attach(fd: number, request: MountRequest): Promise<void> {
  const options = mountOptions(request.readOnly, request.options)
  const directory = openMountPoint(request.mountpoint)
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', fd, directory]
  // The directory itself, whatever its path leads to by now. The dot is for mount(8) that does not follow a link at the end.
  const argv = ['-i', '-c', '-t', MOUNT_TYPE, '-o', options, '--', request.name, '/proc/self/fd/4/.']
  const { status, message } = await run('mount', argv, stdio).finally(() => closeSync(directory))
  if (status === 0) return
  const unknown = request.options.join(',')
  if (unknown !== '' && /bad option|unknown parameter|bad value|invalid argument/i.test(message)) {
    throw fail(
      `cannot mount on ${request.mountpoint}: the kernel does not know an option of ${unknown}, or not its value`,
    )
  }
  const hint = /permission denied|not permitted/i.test(message) ? '; a container needs --cap-add SYS_ADMIN' : ''
  throw fail(`cannot mount on ${request.mountpoint}: ${message || `mount(8) ended with ${status}`}${hint}`)
}

export interface UnmountHow {
  /** Detach now, even when files are open; the server goes on until the last one is closed. */
  lazy?: boolean
  /**
   * Also fail every request that is not answered, and end the connection: the server's descriptor answers ENODEV. Users who
   * are not root can do that only where fusectl is mounted; elsewhere it is as `lazy`.
   */
  abort?: boolean
}

/** Unmounts. @throws {HoltError} HOLT_MOUNT with what umount(8) or fusermount3 said */
export async function unmount(mountpoint: string, how: UnmountHow = {}): Promise<void> {
  const [command, argv] = unmountCommand(mountpoint, how)
  const { status, message } = await run(command, argv, ['ignore', 'ignore', 'pipe'])
  if (status !== 0) throw fail(message || `cannot unmount ${mountpoint}: ${command} ended with ${status}`)
}

/** The same without an event loop, for the last moments of a process. */
export function unmountNow(mountpoint: string, how: UnmountHow): void {
  if (how.abort && !isRoot()) abortConnection(mountpoint)
  const [command, argv] = unmountCommand(mountpoint, how)
  spawnSync(command, argv, { stdio: 'ignore', timeout: 10_000 })
}

function unmountCommand(mountpoint: string, how: UnmountHow): [string, string[]] {
  const lazy = how.lazy === true || how.abort === true
  if (!isRoot()) return fusermountUnmount(mountpoint, lazy)
  // -c: do not resolve the path, which would ask the server that may be dead.
  const flags = ['-i', '-c']
  if (how.abort) flags.push('-f')
  if (lazy) flags.push('-l')
  return ['umount', [...flags, '--', mountpoint]]
}

function fail(message: string, cause?: unknown): HoltError {
  return new HoltError('HOLT_MOUNT', message, { cause })
}
