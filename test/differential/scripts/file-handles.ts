/** name_to_handle_at and open_by_handle_at: an inode by its handle, whatever its names are; ESTALE when it is gone. */
import { constants } from 'node:fs'
import * as sys from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR } = constants

const script: Script = {
  run(scene) {
    const root = sys.open('.', O_RDONLY | O_DIRECTORY) as number
    sys.mkdir('d')
    scene.write('d/f', 'content')
    sys.symlink('f', 'd/l')
    const handles = new Map<string, sys.FileHandle>()
    for (const name of ['.', 'd', 'd/f', 'd/l']) {
      const handle = sys.nameToHandle(name)
      scene.see(`handle of ${name}`, typeof handle === 'string' ? handle : 'a handle')
      if (typeof handle !== 'string') handles.set(name, handle)
    }
    const open = (step: string, name: string, flags: number) => {
      const handle = handles.get(name)
      if (handle === undefined) return -1
      const fd = scene.seeOpened(step, sys.openByHandle(root, handle, flags))
      if (fd >= 0) scene.seeAttributes(`${step}: attributes`, fd)
      return fd
    }
    const close = (fd: number) => fd >= 0 && sys.close(fd)
    close(open('the root', '.', O_RDONLY))
    close(open('a directory', 'd', O_RDONLY))
    close(open('a link', 'd/l', sys.O_PATH))
    const fd = open('a file', 'd/f', O_RDWR)
    scene.see('read', sys.pread(fd, 100, 0))
    scene.see('write', sys.pwrite(fd, 'C', 0))
    close(fd)
    sys.rename('d', 'e')
    sys.rename('e/f', 'g')
    close(open('a renamed file', 'd/f', O_RDONLY))
    const directory = open('a renamed directory', 'd', O_RDONLY)
    scene.see('create in it', typeof sys.openat(directory, 'new', O_CREAT | O_RDWR))
    close(directory)
    sys.unlink('g')
    close(open('an unlinked file', 'd/f', O_RDONLY))
    scene.see(
      'by a user',
      sys.asUser(1000, 1000, [], () => sys.openByHandle(root, handles.get('.') as sys.FileHandle, O_RDONLY)),
    )
    scene.seeNames('names', 'e')
    sys.close(root)
  },
}

export default script
