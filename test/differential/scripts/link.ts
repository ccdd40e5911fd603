/** link and unlink: the count and ctime by all names, what cannot be linked, what cannot be unlinked. */
import { constants } from 'node:fs'
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  asUser,
  chmod,
  close,
  link,
  linkat,
  mkdir,
  mkfifo,
  open,
  symlink,
  unlink,
  unlinkat,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    mkdir('d')
    scene.write('f', 'content')
    scene.seeAttributes('one name', 'f')
    scene.moment('linked')
    scene.see('link', link('f', 'd/g'))
    scene.seeAttributes('by its old name', 'f')
    scene.seeAttributes('by its new name', 'd/g')
    scene.seeAttributes('the directory', 'd')
    scene.seeAttributes('the directory of the old name', '.')
    scene.see('over a name', link('f', 'd/g'))
    scene.see('over a directory', link('f', 'd'))
    scene.see('over itself', link('f', 'f'))
    scene.see('of a directory', link('d', 'd2'))
    scene.see('of nothing', link('nothing', 'x'))
    scene.see('into nothing', link('f', 'nothing/x'))
    scene.see('below a file', link('f', 'f/x'))
    scene.see('with a slash', link('f', 'x/'))
    symlink('f', 'link')
    scene.see('of a link', link('link', 'link2'))
    scene.seeAttributes('two names of the link', 'link')
    scene.see('through a link', linkat(AT_FDCWD, 'link', AT_FDCWD, 'f2', AT_SYMLINK_FOLLOW))
    scene.seeAttributes('three names', 'f2')
    mkfifo('fifo')
    scene.see('of a fifo', link('fifo', 'fifo2'))
    scene.seeAttributes('two names of the fifo', 'fifo2')

    scene.moment('unlinked')
    scene.see('unlink', unlink('d/g'))
    scene.seeAttributes('two left', 'f')
    scene.seeAttributes('the directory has changed', 'd')
    scene.see('again', unlink('d/g'))
    scene.see('unlink a directory', unlink('d'))
    scene.see('unlink with a slash', unlink('f/'))
    scene.see('unlink .', unlink('.'))
    scene.see('unlink below a file', unlink('f/x'))
    scene.see('unlink a link', unlink('link'))
    scene.seeAttributes('not what it points to', 'f2')
    scene.see('unlinkat as rmdir', unlinkat(AT_FDCWD, 'd', AT_REMOVEDIR))
    scene.see('of a file', unlinkat(AT_FDCWD, 'f', AT_REMOVEDIR))
    const fd = open('f2', constants.O_RDONLY) as number
    unlink('f')
    scene.moment('last name')
    scene.see('unlink the last name', unlink('f2'))
    scene.seeAttributes('no name', fd)
    scene.see('link by descriptor', linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, 'back', AT_SYMLINK_FOLLOW))
    close(fd)

    scene.write('root-file')
    const user = <T>(action: () => T) => asUser(1000, 1000, [], action)
    scene.see(
      'unlink without permission',
      user(() => unlink('root-file')),
    )
    scene.see(
      'link without permission',
      user(() => link('root-file', 'x')),
    )
    chmod('.', 0o777)
    scene.see(
      'unlink what is not mine',
      user(() => unlink('root-file')),
    )
    scene.seeNames('names', '.')
  },
}

export default script
