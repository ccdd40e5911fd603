/** Which times of which inodes every operation changes: of the file, of its directory, of what it replaces. */
import { constants } from 'node:fs'
import * as sys from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const { O_RDONLY, O_RDWR, O_CREAT, O_TRUNC, S_IFIFO } = constants

const script: Script = {
  run(scene) {
    for (const name of ['d', 'e', 'd/sub']) sys.mkdir(name)
    for (const name of ['d/f', 'd/g', 'e/h']) scene.write(name, 'content')
    sys.symlink('f', 'd/l')
    const file = sys.open('d/f', O_RDWR) as number
    const directory = sys.open('d', O_RDONLY) as number
    const operations: Record<string, () => unknown> = {
      read: () => sys.pread(file, 3, 0),
      'read nothing': () => sys.pread(file, 3, 1000),
      write: () => sys.pwrite(file, 'x', 0),
      'write nothing': () => sys.pwrite(file, '', 0),
      'write far': () => sys.pwrite(file, 'x', 50_000),
      ftruncate: () => sys.ftruncate(file, 3),
      fsync: () => sys.fsync(file),
      lookup: () => typeof sys.open('d/nothing', O_RDONLY),
      'open and close': () => sys.close(sys.open('d/g', O_RDWR) as number),
      'open O_TRUNC': () => sys.close(sys.open('d/g', O_RDWR | O_TRUNC) as number),
      chmod: () => sys.chmod('d/g', 0o600),
      'chmod directory': () => sys.chmod('d', 0o700),
      chown: () => sys.chown('d/g', 1, 1),
      'chown to nobody': () => sys.chown('d/g', -1, -1),
      create: () => sys.close(sys.open('d/new', O_CREAT | O_RDWR) as number),
      mknod: () => sys.mknod('d/fifo', S_IFIFO | 0o600),
      mkdir: () => sys.mkdir('d/sub/inner'),
      rmdir: () => sys.rmdir('d/sub/inner'),
      symlink: () => sys.symlink('x', 'd/l2'),
      readlink: () => sys.readlink('d/l'),
      link: () => sys.link('d/f', 'e/f2'),
      unlink: () => sys.unlink('e/f2'),
      'rename within': () => sys.rename('d/g', 'd/g2'),
      'rename across': () => sys.rename('d/g2', 'e/g3'),
      'rename over': () => sys.rename('e/g3', 'e/h'),
      'rename directory': () => sys.rename('d/sub', 'e/sub'),
      'rename back': () => sys.rename('e/sub', 'd/sub'),
      'refused mkdir': () => sys.mkdir('d/sub'),
      'refused rmdir': () => sys.rmdir('d'),
      'refused rename': () => sys.rename('d', 'd/sub/d'),
      'refused link': () => sys.link('d/f', 'e/h'),
    }
    for (const [name, operate] of Object.entries(operations)) {
      scene.moment(name)
      scene.see(name, operate())
      scene.seeAttributes(`${name}: file`, file)
      scene.seeAttributes(`${name}: directory`, directory)
      for (const path of ['e', 'd/g', 'd/sub', 'd/l', 'e/h', '.']) scene.seeAttributes(`${name}: ${path}`, path)
    }
    sys.close(file)
    sys.close(directory)
  },
}

export default script
