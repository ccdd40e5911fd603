/** Refusals that no other script comes across: EXDEV, ENOTDIR in the middle of a path, ELOOP, EBUSY, search permission. */
import { constants } from 'node:fs'
import { statx } from '../../support/statx.ts'
import * as sys from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    scene.write('f', 'x')
    sys.mkdir('d')
    sys.mkdir('d/closed')
    scene.write('d/closed/in')
    scene.see('link to another filesystem', sys.link('f', '/dev/shm/holtfs-elsewhere'))
    scene.see('rename to another filesystem', sys.rename('f', '/dev/shm/holtfs-elsewhere'))
    scene.see('link from another filesystem', sys.link('/etc/hostname', 'g'))
    scene.see('rename from another filesystem', sys.rename('/proc/self/stat', 'g'))
    for (const path of ['f/x', 'f/.', 'f/..', 'f/', 'nothing/x', 'd/../nothing', '']) {
      scene.see(`operations on '${path}'`, [
        typeof statx(path) === 'string' ? statx(path) : 'there',
        sys.chmod(path, 0o600),
        sys.unlink(path),
        sys.rmdir(path),
        sys.mkdir(path),
        sys.rename(path, 'g'),
        sys.rename('f', path),
        sys.link(path, 'g'),
        sys.symlink('x', path),
        sys.truncate(path, 0),
        sys.chdir(path),
        sys.readlink(path),
      ])
    }
    sys.symlink('loop', 'loop')
    scene.see('through a loop', [
      sys.mkdir('loop/x'),
      sys.chmod('loop', 0),
      sys.rename('loop/x', 'g'),
      sys.link('loop/x', 'g'),
      sys.chdir('loop'),
      sys.unlink('loop/x'),
    ])
    sys.chmod('d/closed', 0o600)
    const closed = sys.asUser(1000, 1000, [], () => [
      statx('d/closed/in'),
      sys.open('d/closed/in', constants.O_RDONLY),
      sys.open('d/closed', constants.O_RDONLY),
      sys.chdir('d/closed'),
      sys.mkdir('d/closed/x'),
      sys.rename('d/closed/in', 'd/x'),
    ])
    scene.see('a directory that may not be searched', closed)
    sys.chmod('d/closed', 0o711)
    const searched = sys.asUser(1000, 1000, [], () => [
      typeof statx('d/closed/in'),
      sys.open('d/closed', constants.O_RDONLY),
      sys.chdir('d/closed'),
      sys.chdir('../..'),
    ])
    scene.see('a directory that may be searched and not read', searched)
    scene.seeNames('names', '.')
  },
}

export default script
