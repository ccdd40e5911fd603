/** O_TMPFILE: a file without a name, which linkat may give one. */
import { constants } from 'node:fs'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  asUser,
  chmod,
  close,
  link,
  linkat,
  mkdir,
  O_TMPFILE,
  open,
  pread,
  pwrite,
  rmdir,
  unlink,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const { O_EXCL, O_RDONLY, O_RDWR, O_WRONLY, O_CREAT } = constants

const script: Script = {
  run(scene) {
    mkdir('d')
    scene.moment('made')
    let fd = scene.seeOpened('a file without a name', open('d', O_TMPFILE | O_RDWR, 0o4666))
    scene.seeAttributes('it', fd)
    scene.seeAttributes('the directory is as before', 'd')
    scene.seeNames('and empty', 'd')
    scene.see('write', pwrite(fd, 'content', 0))
    scene.see('read', pread(fd, 100, 0))
    scene.moment('linked')
    scene.see('link', linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, 'd/named', AT_SYMLINK_FOLLOW))
    scene.seeAttributes('it has a name', fd)
    scene.seeAttributes('the directory has an entry', 'd')
    scene.seeAttributes('the same by name', 'd/named')
    scene.seeContent('its content', 'd/named')
    scene.see('link again', link('d/named', 'second'))
    scene.see('link over a name', linkat(fd, '', AT_FDCWD, 'second', AT_EMPTY_PATH))
    scene.see('link by descriptor', linkat(fd, '', AT_FDCWD, 'third', AT_EMPTY_PATH))
    scene.seeAttributes('three names', fd)
    for (const name of ['d/named', 'second', 'third']) scene.see(`unlink ${name}`, unlink(name))
    scene.seeAttributes('none', fd)
    scene.see('a name after all were lost', linkat(fd, '', AT_FDCWD, 'fourth', AT_EMPTY_PATH))
    scene.see('still there', pread(fd, 100, 0))
    close(fd)

    scene.moment('exclusive')
    fd = scene.seeOpened('one that may have no name', open('d', O_TMPFILE | O_EXCL | O_RDWR, 0o600))
    scene.see('link it', linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, 'd/no', AT_SYMLINK_FOLLOW))
    scene.seeAttributes('without a name', fd)
    close(fd)
    scene.moment('elsewhere')
    fd = scene.seeOpened('in a directory that goes', open('d', O_TMPFILE | O_WRONLY, 0o600))
    scene.see('the directory goes', rmdir('d'))
    scene.see('and it is linked elsewhere', linkat(fd, '', AT_FDCWD, 'elsewhere', AT_EMPTY_PATH))
    scene.seeAttributes('elsewhere', 'elsewhere')
    close(fd)

    scene.seeOpened('read-only', open('.', O_TMPFILE | O_RDONLY))
    scene.seeOpened('in a file', open('elsewhere', O_TMPFILE | O_RDWR))
    scene.seeOpened('in nothing', open('nothing', O_TMPFILE | O_RDWR))
    scene.seeOpened('with O_CREAT', open('.', O_TMPFILE | O_CREAT | O_RDWR))
    scene.seeOpened(
      'not allowed',
      asUser(1000, 1000, [], () => open('.', O_TMPFILE | O_RDWR)),
    )
    scene.moment('by a user')
    mkdir('open')
    chmod('open', 0o2777)
    fd = scene.seeOpened(
      'by a user',
      asUser(1000, 1001, [], () => open('open', O_TMPFILE | O_RDWR, 0o2770)),
    )
    scene.seeAttributes('the group of the directory', fd)
    close(fd)
    scene.seeNames('names', '.')
  },
}

export default script
