/**
 * Mounting and unmounting by a user who is not root, through the setuid program fusermount3: it opens /dev/fuse, mounts, and
 * sends the descriptor back over a socket pair. What it refuses is told in one line that says what to do.
 */
import { spawnSync } from 'node:child_process'
import { HoltError } from '../../errors.ts'
import { run } from './command.ts'
import { DescriptorChannel } from './received-descriptor.ts'

const PROGRAM = 'fusermount3'
/** Options of a mount by root that a user cannot have. */
const FOR_ROOT = new Set(['dev', 'suid'])

/** @throws {HoltError} HOLT_MOUNT with the remedy when there is no fusermount3 */
export function checkFusermount(): void {
  const { error } = spawnSync(PROGRAM, ['-V'], { stdio: 'ignore' })
  if (error !== undefined) {
    throw fail(`mounting without being root needs ${PROGRAM}: install it (apt-get install fuse3), or mount as root`)
  }
}

/** The -o argument of fusermount3, with the user's options behind our own. */
export function fusermountOptions(name: string, readOnly: boolean, user: readonly string[]): string {
  // A backslash keeps a comma from ending the name.
  const own = [`fsname=${name.replaceAll(/[\\,]/g, '\\$&')}`, 'subtype=holtfs', 'default_permissions']
  for (const option of user) {
    if (FOR_ROOT.has(option)) throw fail(`mount option ${option} is for root; leave it out, or mount as root`)
    // What the kernel does anyway, and fusermount3 does not know.
    if (option !== 'relatime' && !own.includes(option)) own.push(option)
  }
  if (readOnly) own.push('ro')
  return own.join(',')
}

/** Mounts; returns the open device. @throws {HoltError} HOLT_MOUNT with the remedy */
export async function mountAsUser(mountpoint: string, options: string): Promise<number> {
  const channel = new DescriptorChannel()
  try {
    const env = { ...process.env, _FUSE_COMMFD: '3' }
    const stdio = ['ignore', 'ignore', 'pipe', channel.theirs] as const
    const { status, message } = await run(PROGRAM, ['-o', options, '--', mountpoint], [...stdio], env)
    if (status !== 0) throw fail(remedy(mountpoint, message || `${PROGRAM} ended with ${status}`))
    return channel.receive()
  } finally {
    channel.close()
  }
}

/** The command that unmounts; `lazy` detaches also when files are open. */
export function fusermountUnmount(mountpoint: string, lazy: boolean): [string, string[]] {
  return [PROGRAM, [lazy ? '-uz' : '-u', '--', mountpoint]]
}

function remedy(mountpoint: string, said: string): string {
  const words = said.replaceAll(`${PROGRAM}: `, '')
  const unknown = /unknown option '(.*)'/.exec(words)
  if (unknown !== null) return `${PROGRAM} knows no mount option ${unknown[1]}; leave it out, or mount as root`
  if (/user_allow_other/.test(words)) {
    return 'allow_other is not permitted to users of this machine: root permits it with a line user_allow_other in /etc/fuse.conf; or leave it out'
  }
  if (/no write access to mountpoint|not owned by user/.test(words)) {
    return `${mountpoint} is not yours to mount on: choose a directory that you own and may write to`
  }
  if (/too many FUSE filesystems/.test(words)) {
    return `${words}; unmount one, or let root raise mount_max in /etc/fuse.conf`
  }
  if (/could not determine username/.test(words)) {
    return `${PROGRAM} mounts only for users with a name: user ${process.getuid?.()} has no entry in /etc/passwd`
  }
  if (/not permitted/i.test(words)) {
    return `cannot mount on ${mountpoint}: ${words}; ${PROGRAM} must be setuid root, and a container needs --cap-add SYS_ADMIN`
  }
  return `cannot mount on ${mountpoint}: ${words}`
}

function fail(message: string): HoltError {
  return new HoltError('HOLT_MOUNT', message)
}
