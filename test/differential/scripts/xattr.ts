/** Extended attributes: namespaces, CREATE and REPLACE, sizes up to 64 KB, lists, on every type of file, times. */
import {
  asUser,
  chmod,
  close,
  fgetxattr,
  flistxattr,
  fremovexattr,
  fsetxattr,
  getxattr,
  lgetxattr,
  link,
  listxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
  mkfifo,
  open,
  removexattr,
  rename,
  setxattr,
  symlink,
  unlink,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../support/syscalls.ts'
import type { Scene, Script } from '../scene.ts'

const sorted = (names: unknown) => (Array.isArray(names) ? names.sort() : names)
const MOST = 65536

const script: Script = {
  run(scene) {
    scene.write('f', 'bytes')
    scene.mkdir('d')
    symlink('f', 'l')
    mkfifo('p')
    flags(scene)
    values(scene)
    names(scene)
    types(scene)
    rights(scene)
    names64k(scene)
    staysWithTheInode(scene)
  },
}

function flags(scene: Scene): void {
  scene.see('get what is not there', getxattr('f', 'user.a'))
  scene.see('remove what is not there', removexattr('f', 'user.a'))
  scene.see('replace what is not there', setxattr('f', 'user.a', '0', XATTR_REPLACE))
  scene.moment('set')
  scene.see('create', setxattr('f', 'user.a', '1', XATTR_CREATE))
  scene.seeAttributes('ctime alone has changed', 'f')
  scene.see('create what is there', setxattr('f', 'user.a', '2', XATTR_CREATE))
  scene.see('it stays', getxattr('f', 'user.a'))
  scene.moment('replaced')
  scene.see('replace', setxattr('f', 'user.a', '3', XATTR_REPLACE))
  scene.seeAttributes('ctime has changed again', 'f')
  scene.see('either', setxattr('f', 'user.a', 'four'))
  scene.see('get', getxattr('f', 'user.a'))
  scene.see('both flags, there', setxattr('f', 'user.a', '5', XATTR_CREATE | XATTR_REPLACE))
  scene.see('both flags, not there', setxattr('f', 'user.b', '5', XATTR_CREATE | XATTR_REPLACE))
  scene.see('a flag of no meaning', setxattr('f', 'user.a', '6', 4))
  scene.moment('removed')
  scene.see('remove', removexattr('f', 'user.a'))
  scene.seeAttributes('ctime has changed by the removal', 'f')
  scene.see('it is gone', getxattr('f', 'user.a'))
  scene.see('the list is empty', listxattr('f'))
  scene.see('so is its length', listxattr('f', 0))
}

function values(scene: Scene): void {
  scene.see('no bytes', setxattr('f', 'user.none', ''))
  scene.see('no bytes are a value', getxattr('f', 'user.none'))
  scene.see('of length', getxattr('f', 'user.none', 0))
  for (const length of [1, 100, 4000, 4096, 20000, MOST - 1, MOST]) {
    const value = Buffer.alloc(length, `${length} bytes. `)
    scene.see(`set ${length} bytes`, setxattr('d', 'user.large', value))
    scene.see(`get ${length} bytes`, getxattr('d', 'user.large'))
    scene.see(`ask for the length of ${length}`, getxattr('d', 'user.large', 0))
    scene.see(`room for one byte less than ${length}`, getxattr('d', 'user.large', length - 1))
  }
  scene.see('more than 64 KB', setxattr('d', 'user.large', Buffer.alloc(MOST + 1)))
  scene.see('shorter again', setxattr('d', 'user.large', 'short'))
  scene.see('short', getxattr('d', 'user.large'))
  scene.see(
    'every byte',
    setxattr(
      'f',
      'user.bytes',
      Uint8Array.from({ length: 256 }, (_, i) => i),
    ),
  )
  scene.see('every byte is there', getxattr('f', 'user.bytes'))
}

function names(scene: Scene): void {
  const longest = `user.${'n'.repeat(250)}`
  scene.see('the longest name', setxattr('f', longest, 'long'))
  scene.see('get the longest name', getxattr('f', longest))
  scene.see('a name too long', setxattr('f', `${longest}n`, 'long'))
  scene.see('get a name too long', getxattr('f', `${longest}n`))
  scene.see('a name of bytes', setxattr('f', Buffer.from('user.\xff\x01/ \xfe', 'latin1'), 'odd'))
  scene.see('a value by bytes', getxattr('f', Buffer.from('user.\xff\x01/ \xfe', 'latin1')))
  for (const name of ['', 'a', 'user', 'user.', 'trusted.', 'security.', 'system.', 'system.a', 'other.a', 'User.a']) {
    scene.see(`set '${name}'`, setxattr('f', name, 'x'))
    scene.see(`get '${name}'`, getxattr('f', name))
    scene.see(`remove '${name}'`, removexattr('f', name))
  }
  for (const name of ['trusted.a', 'security.a', 'user.a']) scene.see(`set ${name}`, setxattr('f', name, name))
  scene.see('all names', sorted(listxattr('f')))
  scene.see('how long they are', listxattr('f', 0))
  scene.see('exactly enough room', sorted(listxattr('f', Number(listxattr('f', 0)))))
  scene.see('too little room', listxattr('f', Number(listxattr('f', 0)) - 1))
}

function types(scene: Scene): void {
  for (const path of ['d', 'l', 'p']) {
    for (const name of ['user.t', 'trusted.t', 'security.t']) {
      scene.see(`set ${name} of ${path} itself`, lsetxattr(path, name, path))
      scene.see(`get ${name} of ${path} itself`, lgetxattr(path, name))
    }
    scene.see(`names of ${path} itself`, sorted(llistxattr(path)))
    scene.see(`remove from ${path} itself`, lremovexattr(path, 'trusted.t'))
  }
  scene.see('through a symbolic link', getxattr('l', 'user.a'))
  const fd = open('f', 0)
  scene.see('by descriptor, set', fsetxattr(Number(fd), 'user.fd', 'v'))
  scene.see('by descriptor, get', fgetxattr(Number(fd), 'user.fd'))
  scene.see('by descriptor, list', sorted(flistxattr(Number(fd))))
  scene.see('by descriptor, remove', fremovexattr(Number(fd), 'user.fd'))
  close(Number(fd))
  scene.see('of nothing', getxattr('none', 'user.a'))
}

function rights(scene: Scene): void {
  const asOther = <T>(action: () => T): T => asUser(1000, 1000, [], action)
  chmod('f', 0o644)
  for (const name of ['user.a', 'trusted.a', 'security.a']) {
    const tried = asOther(() => [getxattr('f', name), setxattr('f', name, 'x'), removexattr('f', name)])
    scene.see(`${name} by another user`, tried)
  }
  scene.see(
    'names that another user sees',
    asOther(() => sorted(listxattr('f'))),
  )
  scene.see(
    'length that another user sees',
    asOther(() => listxattr('f', 0)),
  )
  chmod('f', 0o600)
  scene.see(
    'without read permission',
    asOther(() => [getxattr('f', 'user.a'), getxattr('f', 'security.a')]),
  )
  chmod('d', 0o1777)
  scene.see(
    'user.* of a sticky directory of another',
    asOther(() => [setxattr('d', 'user.a', 'x'), getxattr('d', 'user.large')]),
  )
}

/** As many as ext4 lets an inode have are few: names that together reach what a list may have are for the other test. */
function names64k(scene: Scene): void {
  scene.write('many')
  const made = Array.from({ length: 60 }, (_, i) => setxattr('many', `user.${'x'.repeat(i)}${i}`, `${i}`))
  scene.see('many names', made)
  scene.see('all of them', sorted(listxattr('many')))
  const removed = Array.from({ length: 60 }, (_, i) => removexattr('many', `user.${'x'.repeat(i)}${i}`))
  scene.see('all removed', removed)
  scene.see('none of them', listxattr('many'))
}

function staysWithTheInode(scene: Scene): void {
  rename('f', 'g')
  link('g', 'h')
  scene.see('after rename and link', getxattr('h', 'user.a'))
  unlink('g')
  scene.see('after the first name is gone', getxattr('h', 'user.a'))
  const fd = Number(open('h', 0))
  unlink('h')
  scene.see('of a file without name', fgetxattr(fd, 'user.a'))
  scene.see('set on a file without name', fsetxattr(fd, 'user.z', 'z'))
  scene.see('names of a file without name', sorted(flistxattr(fd)))
  close(fd)
}

export default script
