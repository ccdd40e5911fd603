/** open and its flags: creation, exclusion, truncation, appending, what may not be opened how, descriptors that only name a file. */
import { constants } from 'node:fs'
import {
  asUser,
  close,
  fchmod,
  ftruncate,
  mkdir,
  mkfifo,
  mknod,
  O_PATH,
  open,
  pread,
  pwrite,
  symlink,
  umask,
  write,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } =
  constants
const { S_IFSOCK, S_IFCHR } = constants

const script: Script = {
  run(scene) {
    const opened = (step: string, path: string, flags: number, mode?: number) => {
      const fd = scene.seeOpened(step, open(path, flags, mode))
      if (fd >= 0) close(fd)
    }
    scene.moment('created')
    let fd = scene.seeOpened('create', open('f', O_CREAT | O_EXCL | O_RDWR, 0o6777))
    scene.seeAttributes('a new file', fd)
    scene.seeAttributes('its parent', '.')
    scene.see('write', write(fd, 'hello world'))
    close(fd)
    scene.moment('opened')
    opened('create what exists', 'f', O_CREAT | O_RDWR)
    scene.seeAttributes('opening changes nothing', 'f')
    opened('exclusively', 'f', O_CREAT | O_EXCL | O_RDWR)
    fd = scene.seeOpened('without permission for oneself', open('readonly', O_CREAT | O_WRONLY, 0))
    scene.see('write there', write(fd, 'x'))
    close(fd)
    umask(0)
    opened('create without umask', 'all', O_CREAT, 0o7777)
    scene.seeAttributes('all bits', 'all')
    umask(0o777)
    opened('create under a full umask', 'none', O_CREAT, 0o777)
    scene.seeAttributes('no bits', 'none')
    umask(0o022)

    scene.moment('truncated')
    fd = scene.seeOpened('truncate', open('f', O_WRONLY | O_TRUNC))
    scene.seeAttributes('truncated', fd)
    scene.see('read what is open for writing', pread(fd, 1, 0))
    close(fd)
    scene.moment('truncated again')
    opened('truncate what is empty', 'f', O_WRONLY | O_TRUNC)
    scene.seeAttributes('nothing to truncate', 'f')
    scene.moment('truncated read-only')
    scene.write('g', 'content')
    opened('truncate while reading', 'g', O_RDONLY | O_TRUNC)
    scene.seeAttributes('the outcome of O_RDONLY with O_TRUNC', 'g')
    scene.moment('created with O_TRUNC')
    opened('create with O_TRUNC', 'created', O_CREAT | O_TRUNC | O_RDWR)
    scene.seeAttributes('created with it', 'created')

    fd = scene.seeOpened('append', open('log', O_CREAT | O_APPEND | O_RDWR))
    scene.see('first record', write(fd, 'one '))
    scene.see('a truncation between', ftruncate(fd, 2))
    scene.see('second record', write(fd, 'two '))
    scene.see('pwrite appends too', pwrite(fd, 'three', 0))
    close(fd)
    scene.seeContent('the log', 'log')

    fd = scene.seeOpened('read-only', open('log', O_RDONLY))
    scene.see('write to it', write(fd, 'x'))
    scene.see('truncate it', ftruncate(fd, 0))
    scene.see('fchmod works', fchmod(fd, 0o600))
    close(fd)
    fd = scene.seeOpened('a name only', open('log', O_PATH))
    scene.see('reading a name only', pread(fd, 1, 0))
    scene.seeAttributes('its attributes', fd)
    close(fd)

    mkdir('d')
    symlink('f', 'link')
    symlink('missing', 'dangling')
    opened('a directory', 'd', O_RDONLY)
    opened('a directory as one', 'd', O_RDONLY | O_DIRECTORY)
    opened('a directory to write', 'd', O_WRONLY)
    opened('a directory to create', 'd', O_CREAT | O_RDONLY)
    opened('a directory to truncate', 'd', O_RDONLY | O_TRUNC)
    opened('a file as directory', 'f', O_RDONLY | O_DIRECTORY)
    opened('create as directory', 'new', O_CREAT | O_DIRECTORY)
    opened('through a link', 'link', O_RDONLY)
    opened('not through a link', 'link', O_RDONLY | O_NOFOLLOW)
    opened('a link as a name only', 'link', O_PATH | O_NOFOLLOW)
    opened('a dangling link', 'dangling', O_RDONLY)
    opened('exclusively through a dangling link', 'dangling', O_CREAT | O_EXCL)
    opened('create through a dangling link', 'dangling', O_CREAT | O_WRONLY)
    scene.seeAttributes('what the link points to', 'missing')
    opened('below a file', 'f/x', O_CREAT)
    opened('with a slash', 'fresh/', O_CREAT)
    opened('a file with a slash', 'f/', O_RDONLY)
    opened('missing', 'nothing', O_RDONLY)
    opened('empty', '', O_RDONLY)

    mkfifo('fifo')
    mknod('socket', S_IFSOCK | 0o666)
    mknod('null', S_IFCHR | 0o666, 0x103)
    opened('a fifo that nobody reads', 'fifo', O_WRONLY | O_NONBLOCK)
    opened('a fifo', 'fifo', O_RDONLY | O_NONBLOCK)
    opened('a socket', 'socket', O_RDWR)
    fd = scene.seeOpened('a device', open('null', O_RDWR))
    scene.see('write to /dev/null', write(fd, 'gone'))
    scene.see('read from /dev/null', pread(fd, 10, 0))
    close(fd)

    asUser(1000, 1000, [], () => {
      opened('not mine', 'f', O_RDWR)
      opened('not mine to create', 'mine', O_CREAT)
      opened('no bits for me', 'none', O_RDONLY)
    })
    scene.seeNames('all', '.')
  },
}

export default script
