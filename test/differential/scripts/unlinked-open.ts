/** Files and directories that are open, or somebody’s working directory, when they lose their last name. */
import { constants, readdirSync } from 'node:fs'
import * as sys from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR } = constants

const script: Script = {
  run(scene) {
    for (const size of [10, 100_000]) {
      const content = Buffer.alloc(size, `${size} `)
      const fd = sys.open('f', O_CREAT | O_RDWR) as number
      sys.write(fd, content)
      const second = sys.open('f', O_RDONLY) as number
      scene.moment(`unlinked ${size}`)
      scene.see(`unlink ${size}`, sys.unlink('f'))
      scene.seeAttributes(`${size}: no name`, fd)
      scene.see(`${size}: read`, sys.pread(fd, size, 0))
      scene.moment(`changed ${size}`)
      scene.see(`${size}: change`, [
        sys.pwrite(fd, 'changed', 3),
        sys.fchmod(fd, 0o640),
        sys.fchown(fd, 5, 6),
        sys.ftruncate(fd, size + 1000),
        sys.fsync(fd),
      ])
      scene.seeAttributes(`${size}: changed`, fd)
      scene.write('f', 'another')
      scene.seeAttributes(`${size}: another of that name`, 'f')
      scene.see(`${size}: read by the second`, sys.pread(second, 100, 0))
      scene.see(`${size}: close the first`, sys.close(fd))
      scene.see(`${size}: read on`, sys.pread(second, 100, size))
      const again = scene.seeOpened(`${size}: open again`, sys.open(`/proc/self/fd/${second}`, O_RDWR))
      scene.see(`${size}: close the second`, sys.close(second))
      scene.see(`${size}: write by the third`, sys.pwrite(again, 'third', 0))
      scene.see(`${size}: read by the third`, sys.pread(again, 20, 0))
      sys.close(again)
      sys.unlink('f')
    }

    sys.mkdir('d')
    const directory = sys.open('d', O_RDONLY | O_DIRECTORY) as number
    sys.chdir('d')
    scene.moment('rmdir')
    scene.see('rmdir of the working directory', sys.rmdir('../d'))
    scene.seeAttributes('it', directory)
    scene.seeAttributes('by .', '.')
    scene.see('create in it', typeof sys.open('x', O_CREAT | O_RDWR))
    scene.see('operations in it', [
      sys.mkdir('x'),
      sys.symlink('x', 'y'),
      sys.rename('../f', 'x'),
      sys.chmod('.', 0o700),
      sys.mkdir('../d'),
    ])
    scene.seeAttributes('a new one of that name', '../d')
    scene.seeAttributes('is another', directory)
    let names: unknown
    try {
      names = readdirSync('.')
    } catch (error) {
      names = (error as NodeJS.ErrnoException).code
    }
    scene.see('list it', names)
    scene.see('its parent', sys.chdir('..'))
    scene.seeNames('which is', '.')
    scene.see('openat in it', typeof sys.openat(directory, 'x', O_CREAT | O_RDWR))
    sys.close(directory)

    sys.mkdir('replaced')
    const replaced = sys.open('replaced', O_RDONLY) as number
    sys.mkdir('new')
    scene.see('rename over an open directory', sys.rename('new', 'replaced'))
    scene.seeAttributes('the replaced one', replaced)
    scene.seeAttributes('the new one', 'replaced')
    scene.see('create in the replaced one', typeof sys.openat(replaced, 'x', O_CREAT | O_RDWR))
    sys.close(replaced)
  },
}

export default script
