/** Another user's files are out of reach: every way to them that system calls offer, by users who have no right to it. */
import { constants } from 'node:fs'
import { acl } from '../../support/acl.ts'
import {
  type Answer,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  asUser,
  chdir,
  chmod,
  chown,
  close,
  copyFileRange,
  fallocate,
  fchmod,
  fsetxattr,
  ftruncate,
  getxattr,
  link,
  linkat,
  listxattr,
  lsetxattr,
  mkdir,
  mknod,
  nameToHandle,
  O_PATH,
  O_TMPFILE,
  open,
  openByHandle,
  pread,
  pwrite,
  RENAME_EXCHANGE,
  readlink,
  removexattr,
  rename,
  renameat2,
  rmdir,
  setxattr,
  symlink,
  truncate,
  unlink,
  utimensat,
} from '../../support/syscalls.ts'
import type { Scene, Script } from '../scene.ts'

const { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY, S_IFBLK, S_IFCHR, S_IFIFO } = constants
const OWNER = 1000
const GROUP = 2000
/** By name: uid, gid, further groups. */
const USERS: Record<string, [uid: number, gid: number, groups: number[]]> = {
  owner: [OWNER, GROUP, []],
  member: [1001, GROUP, []],
  'member by a further group': [1002, 1002, [GROUP]],
  stranger: [1003, 1003, []],
  nobody: [65534, 65534, []],
}

/** What users try with a file. Whatever it changes is put right again before the next one tries. */
const ATTEMPTS: [string, (path: string) => unknown][] = [
  ['read', path => opened(path, O_RDONLY, fd => String(pread(fd, 100, 0)))],
  ['write', path => opened(path, O_WRONLY, fd => pwrite(fd, 'changed', 0))],
  ['truncate', path => truncate(path, 1)],
  ['chmod', path => chmod(path, 0o777)],
  ['make it setuid', path => chmod(path, 0o4755)],
  ['make it setgid', path => chmod(path, 0o2755)],
  ['give it away', path => chown(path, 1003, -1)],
  ['take it', path => chown(path, 1001, 1001)],
  ['change its group', path => chown(path, -1, 1002)],
  ['set its times', path => utimensat(path, { atime: [1, 0], mtime: [1, 0] })],
  ['touch it', path => utimensat(path, null)],
  ['set a user attribute', path => setxattr(path, 'user.new', 'x')],
  ['read a user attribute', path => String(getxattr(path, 'user.there'))],
  ['remove a user attribute', path => removexattr(path, 'user.there')],
  ['set a trusted attribute', path => setxattr(path, 'trusted.new', 'x')],
  ['read a trusted attribute', path => String(getxattr(path, 'trusted.there'))],
  ['remove a trusted attribute', path => removexattr(path, 'trusted.there')],
  ['list attributes', path => listxattr(path)],
  ['set a security attribute', path => setxattr(path, 'security.new', 'x')],
  [
    'set an access list',
    path => setxattr(path, 'system.posix_acl_access', acl('u::rwx,u:1003:rwx,g::rwx,m::rwx,o::rwx')),
  ],
  ['through a descriptor of its path', path => opened(path, O_PATH, fd => opened(`/proc/self/fd/${fd}`, O_RDWR, ok))],
  ['change it through /proc', path => opened(path, O_RDONLY, fd => opened(`/proc/self/fd/${fd}`, O_WRONLY, ok))],
  ['cut it through a descriptor to read', path => opened(path, O_RDONLY, fd => ftruncate(fd, 1))],
  ['reserve through a descriptor to read', path => opened(path, O_RDONLY, fd => fallocate(fd, 0, 0, 9000))],
  ['chmod through a descriptor to read', path => opened(path, O_RDONLY, fd => fchmod(fd, 0o777))],
  ['attribute through a descriptor to read', path => opened(path, O_RDONLY, fd => fsetxattr(fd, 'trusted.fd', 'x'))],
  ['copy from it', copyFrom],
  ['unlink', path => unlink(path)],
  ['rename', path => rename(path, `${path}-gone`)],
  ['exchange', path => renameat2(path, 'all/mine', RENAME_EXCHANGE)],
  ['by its handle', byHandle],
]

const ok = () => 'opened'

const script: Script = {
  run(scene) {
    mkdir('all')
    chmod('all', 0o777)
    for (const mode of [0o600, 0o640, 0o602, 0o4755]) {
      for (const [name, user] of Object.entries(USERS)) {
        for (const [what, attempt] of ATTEMPTS) {
          prepare(mode)
          const outcome = asUser(...user, () => attempt('tree/file'))
          scene.see(`${mode.toString(8)}: ${name} would ${what}`, outcome)
        }
        prepare(mode)
        scene.seeAttributes(`${mode.toString(8)}: after ${name}`, 'tree/file')
      }
    }
    directories(scene)
    links(scene)
    lists(scene)
    devices(scene)
    inherited(scene)
  },
}

/** A file with these permissions in a directory where only the owner may change names. */
function prepare(mode: number): void {
  for (const path of ['tree/file', 'tree/file-gone', 'all/mine', 'all/copy']) unlink(path)
  mkdir('tree')
  chown('tree', OWNER, GROUP)
  chmod('tree', 0o755)
  for (const path of ['tree/file', 'all/mine']) close(open(path, O_CREAT | O_RDWR, 0o644) as number)
  opened('tree/file', O_WRONLY, fd => pwrite(fd, 'secret bytes', 0))
  setxattr('tree/file', 'user.there', 'user')
  setxattr('tree/file', 'trusted.there', 'trusted')
  chown('tree/file', OWNER, GROUP)
  chmod('tree/file', mode)
}

function opened(path: string, flags: number, use: (fd: number) => unknown): unknown {
  const fd = open(path, flags)
  if (typeof fd !== 'number') return fd
  const outcome = use(fd)
  close(fd)
  return outcome
}

function copyFrom(path: string): unknown {
  const to = open('all/copy', O_CREAT | O_RDWR, 0o644)
  if (typeof to !== 'number') return to
  const outcome = opened(path, O_RDONLY, from => copyFileRange(from, 0, to, 0, 100))
  close(to)
  return outcome
}

function byHandle(path: string): Answer {
  const handle = nameToHandle(path)
  const mount = open('all', O_RDONLY | O_DIRECTORY)
  if (typeof handle === 'string' || typeof mount === 'string') return 'no handle'
  const fd = openByHandle(mount, handle, O_RDONLY)
  close(mount)
  return typeof fd === 'string' ? fd : close(fd)
}

/** Names in directories that let one in, or see, or neither. */
function directories(scene: Scene): void {
  for (const mode of [0o700, 0o711, 0o744, 0o755, 0o733, 0o1777, 0o3770, 0o2750]) {
    const name = `dir-${mode.toString(8)}`
    mkdir(name)
    mkdir(`${name}/below`)
    close(open(`${name}/file`, O_CREAT | O_RDWR, 0o666) as number)
    for (const path of [name, `${name}/below`, `${name}/file`]) chown(path, OWNER, GROUP)
    chmod(name, mode)
    chmod(`${name}/file`, 0o666)
    for (const [who, user] of Object.entries(USERS)) {
      const see = (what: string, action: () => unknown) =>
        scene.see(`${name}: ${who}: ${what}`, asUser(...user, action))
      see('list', () => opened(name, O_RDONLY | O_DIRECTORY, ok))
      see('enter', () => {
        const entered = chdir(name)
        if (entered === 0) chdir('..')
        return entered
      })
      see('reach', () => opened(`${name}/file`, O_RDWR, ok))
      see('look behind', () => opened(`${name}/below/..`, O_RDONLY, ok))
      see('make', () => opened(`${name}/new`, O_RDWR | O_CREAT, ok))
      see('make nameless', () => opened(name, O_TMPFILE | O_RDWR, ok))
      see('mkdir', () => mkdir(`${name}/newdir`))
      see('bring in', () => link(`${name}/file`, `${name}/linked`))
      see('remove', () => unlink(`${name}/file`))
      see('remove its directory', () => rmdir(`${name}/below`))
      see('move the directory', () => rename(name, `all/${name}`))
      for (const made of ['new', 'linked']) unlink(`${name}/${made}`)
      rmdir(`${name}/newdir`)
      mkdir(`${name}/below`)
      close(open(`${name}/file`, O_CREAT | O_RDWR, 0o666) as number)
      for (const path of [`${name}/below`, `${name}/file`]) chown(path, OWNER, GROUP)
    }
  }
}

/** Links to what one cannot reach do not make it reachable. */
function links(scene: Scene): void {
  mkdir('locked')
  close(open('locked/file', O_CREAT | O_RDWR, 0o600) as number)
  for (const path of ['locked', 'locked/file']) chown(path, OWNER, GROUP)
  chmod('locked', 0o700)
  symlink('../locked/file', 'all/symlink')
  for (const [who, user] of Object.entries(USERS)) {
    const see = (what: string, action: () => unknown) => scene.see(`links: ${who}: ${what}`, asUser(...user, action))
    see('through a symbolic link', () => opened('all/symlink', O_RDONLY, ok))
    see('where it leads', () => String(readlink('all/symlink')))
    see('an attribute of the link', () => lsetxattr('all/symlink', 'trusted.x', 'x'))
    see('a hard link', () => link('locked/file', `all/hard-${who}`))
    see('a hard link of a descriptor', () => {
      return opened('locked', O_PATH, fd => linkat(fd, '', AT_FDCWD, `all/hard-${who}`, AT_EMPTY_PATH))
    })
    see('a hard link through /proc', () =>
      opened('all/symlink', O_PATH, fd =>
        linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, `all/proc-${who}`, AT_SYMLINK_FOLLOW),
      ),
    )
  }
}

/** Users and groups that a list names get what it says, and no more than its mask. */
function lists(scene: Scene): void {
  const rules = [
    'u::rwx,u:1003:rw,g::,m::rwx,o::',
    'u::rwx,u:1003:rw,g::r,m::r,o::',
    'u::rwx,u:1001:,g::rw,m::rwx,o::rw',
    'u::r,g::,g:1002:rw,m::rw,o::rw',
  ]
  for (const rule of rules) {
    close(open('listed', O_CREAT | O_RDWR, 0o600) as number)
    chown('listed', OWNER, GROUP)
    scene.see(`${rule}: set`, setxattr('listed', 'system.posix_acl_access', acl(rule)))
    for (const [who, user] of Object.entries(USERS)) {
      for (const [what, flags] of [
        ['read', O_RDONLY],
        ['write', O_WRONLY],
      ] as const) {
        scene.see(
          `${rule}: ${who} would ${what}`,
          asUser(...user, () => opened('listed', flags, ok)),
        )
      }
    }
    unlink('listed')
  }
}

function devices(scene: Scene): void {
  for (const [what, type] of [
    ['character', S_IFCHR],
    ['block', S_IFBLK],
    ['fifo', S_IFIFO],
  ] as const) {
    scene.see(
      `a stranger makes a device: ${what}`,
      asUser(...USERS.stranger, () => mknod(`all/${what}`, type | 0o666, 0x103)),
    )
  }
}

/** What is made in a setgid directory has its group, and nobody gets setgid of a group that he is not in. */
function inherited(scene: Scene): void {
  mkdir('team')
  chown('team', OWNER, GROUP)
  chmod('team', 0o2777)
  for (const [who, user] of Object.entries(USERS)) {
    asUser(...user, () => {
      close(open(`team/${who}`, O_CREAT | O_RDWR, 0o2755) as number)
      mkdir(`team/${who} d`, 0o755)
      return chmod(`team/${who}`, 0o2755)
    })
    scene.seeAttributes(`team: a file of ${who}`, `team/${who}`)
    scene.seeAttributes(`team: a directory of ${who}`, `team/${who} d`)
  }
}

export default script
