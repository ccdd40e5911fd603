/** POSIX access control lists: the mode in step with them, what they allow, what is inherited from a default list. */
import { ACCESS, acl, aclText, DEFAULT } from '../../support/acl.ts'
import {
  asUser,
  chmod,
  chown,
  close,
  getxattr,
  link,
  listxattr,
  lsetxattr,
  mkdir,
  mkfifo,
  mknod,
  open,
  removexattr,
  rename,
  setxattr,
  symlink,
  umask,
} from '../../support/syscalls.ts'
import type { Scene, Script } from '../scene.ts'

const O_WRONLY = 1
const O_CREAT = 0o100

const script: Script = {
  run(scene) {
    scene.write('f', 'bytes')
    scene.mkdir('d')
    modes(scene)
    refused(scene)
    rights(scene)
    inheritance(scene)
    setgid(scene)
    kept(scene)
  },
}

function seeLists(scene: Scene, step: string, path: string): void {
  scene.see(`${step}: access list`, aclText(getxattr(path, ACCESS)))
  scene.see(`${step}: default list`, aclText(getxattr(path, DEFAULT)))
  const names = listxattr(path)
  scene.see(`${step}: names`, Array.isArray(names) ? names.sort() : names)
  scene.seeAttributes(`${step}: attributes`, path)
}

/** Opens and closes; the errno, or that it can be opened. */
function opened(path: string, flags: number, mode?: number): string {
  const fd = open(path, flags, mode)
  if (typeof fd === 'string') return fd
  close(fd)
  return 'opened'
}

function modes(scene: Scene): void {
  seeLists(scene, 'without lists', 'f')
  scene.see('remove what is not there', [removexattr('f', ACCESS), removexattr('d', DEFAULT)])
  scene.moment('set')
  scene.see('set', setxattr('f', ACCESS, acl('u::rwx,u:1000:rw,g::r,m::rw,o::')))
  seeLists(scene, 'set', 'f')
  for (const mode of [0o777, 0o000, 0o640, 0o4751, 0o2607]) {
    scene.moment(`chmod ${mode.toString(8)}`)
    scene.see(`chmod ${mode.toString(8)}`, chmod('f', mode))
    seeLists(scene, `after chmod ${mode.toString(8)}`, 'f')
  }
  scene.moment('minimal')
  scene.see('a minimal list', setxattr('f', ACCESS, acl('u::rw,g::rx,o::x')))
  seeLists(scene, 'minimal', 'f')
  scene.see('a mask alone', setxattr('f', ACCESS, acl('u::rw,g::rwx,m::r,o::x')))
  seeLists(scene, 'a mask alone', 'f')
  scene.see('an empty list', setxattr('f', ACCESS, Buffer.from([2, 0, 0, 0])))
  seeLists(scene, 'empty', 'f')
  scene.see('set once more', setxattr('f', ACCESS, acl('u::rwx,g::r,g:5:rwx,m::rwx,o::')))
  scene.moment('removed')
  scene.see('remove', removexattr('f', ACCESS))
  seeLists(scene, 'removed', 'f')
}

function refused(scene: Scene): void {
  const lists = {
    'no bytes': Buffer.alloc(0),
    'half a head': Buffer.from([2, 0]),
    'another version': Buffer.concat([Buffer.from([1, 0, 0, 0]), acl('u::r,g::r,o::r').subarray(4)]),
    'half an entry': acl('u::r,g::r,o::r').subarray(0, 25),
    'no others': acl('u::r,g::r'),
    'no owner': acl('g::r,o::r'),
    'no mask': acl('u::r,u:5:r,g::r,o::r'),
    'two masks': acl('u::r,u:5:r,g::r,m::r,m::r,o::r'),
    'two owners': acl('u::r,u::r,g::r,o::r'),
    'the wrong order': acl('u::r,g::r,u:5:r,m::r,o::r'),
    'an entry after others': acl('u::r,g::r,m::r,o::r,g:5:r'),
    'nobody named': acl('u::r,u:4294967295:r,g::r,m::r,o::r'),
    'a user twice': acl('u::r,u:5:r,u:5:w,g::r,m::r,o::r'),
  }
  for (const [what, list] of Object.entries(lists)) {
    scene.see(`access: ${what}`, setxattr('f', ACCESS, list))
    scene.see(`default: ${what}`, setxattr('d', DEFAULT, list))
    seeLists(scene, `access after ${what}`, 'f')
    seeLists(scene, `default after ${what}`, 'd')
  }
  scene.see('a default list of a file', [setxattr('f', DEFAULT, acl('u::r,g::r,o::r')), removexattr('f', DEFAULT)])
  symlink('f', 'l')
  scene.see('a list of a symbolic link', lsetxattr('l', ACCESS, acl('u::r,g::r,o::r')))
  const byOther = asUser(1000, 1000, [], () => [setxattr('f', ACCESS, acl('u::r,g::r,o::r')), removexattr('f', ACCESS)])
  scene.see('by another user', byOther)
  removexattr('f', ACCESS)
  removexattr('d', DEFAULT)
}

function rights(scene: Scene): void {
  const users: [string, number, number, number[]][] = [
    ['owner', 100, 100, []],
    ['named user', 1000, 1000, []],
    ['in the group', 3000, 200, []],
    ['in a named group', 3000, 3000, [5]],
    ['in both groups', 3000, 200, [5]],
    ['anybody', 4000, 4000, []],
  ]
  scene.write('guarded')
  chown('guarded', 100, 200)
  const lists = ['u::,u:1000:rw,g::r,g:5:w,m::rw,o::r', 'u::rw,u:1000:rw,g::rw,g:5:rw,m::r,o::', 'u::r,g::w,m::,o::rw']
  for (const list of lists) {
    scene.see(`guarded by ${list}`, setxattr('guarded', ACCESS, acl(list)))
    for (const [who, uid, gid, groups] of users) {
      const tried = asUser(uid, gid, groups, () => [0, 1, 2].map(flags => opened('guarded', flags)))
      scene.see(`${who} opens what ${list} guards`, tried)
    }
  }
}

function inheritance(scene: Scene): void {
  const lists = ['u::rwx,u:1000:rwx,g::rx,m::rwx,o::', 'u::rw,g::r,o::rx', 'u::r,g::rwx,g:7:rx,m::rx,o::rwx']
  for (const [i, list] of lists.entries()) {
    for (const mask of [0o000, 0o077]) {
      const directory = `inherits-${i}-${mask}`
      mkdir(directory)
      scene.see(`${directory}: set`, setxattr(directory, DEFAULT, acl(list)))
      umask(mask)
      scene.see(`${directory}: mkdir`, mkdir(`${directory}/d`, 0o751))
      scene.see(`${directory}: mkdir inside`, mkdir(`${directory}/d/e`, 0o777))
      scene.see(`${directory}: create`, opened(`${directory}/f`, O_WRONLY | O_CREAT, 0o664))
      scene.see(`${directory}: create for all`, opened(`${directory}/all`, O_WRONLY | O_CREAT, 0o6777))
      scene.see(`${directory}: mkfifo`, mkfifo(`${directory}/p`, 0o622))
      scene.see(`${directory}: socket`, mknod(`${directory}/s`, 0o140755))
      scene.see(`${directory}: symlink`, symlink('f', `${directory}/l`))
      umask(0o022)
      seeLists(scene, directory, directory)
      for (const name of ['d', 'd/e', 'f', 'all', 'p', 's']) {
        seeLists(scene, `${directory}/${name}`, `${directory}/${name}`)
      }
      scene.seeAttributes(`${directory}/l`, `${directory}/l`)
    }
  }
}

function setgid(scene: Scene): void {
  scene.write('shared')
  for (const list of ['u::rwx,g::rx,o::x', 'u::rwx,u:5:r,g::rx,m::rx,o::x']) {
    for (const [who, gid] of [
      ['in the group', 1000],
      ['not in the group', 77],
    ] as const) {
      chown('shared', 1000, gid)
      chmod('shared', 0o6755)
      scene.see(
        `${list} set by the owner, ${who}`,
        asUser(1000, 1000, [], () => setxattr('shared', ACCESS, acl(list))),
      )
      seeLists(scene, `${list}, ${who}`, 'shared')
    }
  }
  mkdir('group')
  chown('group', 1000, 77)
  chmod('group', 0o2777)
  const list = acl('u::rwx,g::rwx,g:9:r,m::rwx,o::rx')
  scene.see(
    'a default list of a setgid directory',
    asUser(1000, 1000, [], () => setxattr('group', DEFAULT, list)),
  )
  scene.see(
    'what is made there',
    asUser(1000, 1000, [], () => [opened('group/f', O_WRONLY | O_CREAT, 0o2775), mkdir('group/d', 0o775)]),
  )
  for (const path of ['group', 'group/f', 'group/d']) seeLists(scene, path, path)
}

function kept(scene: Scene): void {
  scene.see('set before rename', setxattr('f', ACCESS, acl('u::rw,u:9:r,g::r,m::r,o::')))
  rename('f', 'g')
  link('g', 'h')
  seeLists(scene, 'under another name', 'h')
  chown('h', 9, 9)
  seeLists(scene, 'of another owner', 'h')
}

export default script
