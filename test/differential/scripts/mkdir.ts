/** mkdir and rmdir: link counts, umask, setgid parents, times of the parent, every errno. */
import { asUser, chmod, chown, mkdir, rmdir, umask } from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    scene.moment('made')
    scene.see('mkdir', mkdir('d', 0o777))
    scene.seeAttributes('a new directory', 'd')
    scene.seeAttributes('its parent', '.')
    scene.see('mkdir of what exists', mkdir('d'))
    scene.moment('made inside')
    scene.see('mkdir inside', mkdir('d/e', 0o1700))
    scene.seeAttributes('a directory with a directory', 'd')
    scene.seeAttributes('a sticky directory', 'd/e')
    scene.write('file')
    scene.see('mkdir below a file', mkdir('file/e'))
    scene.see('mkdir below nothing', mkdir('none/e'))
    scene.see('mkdir .', mkdir('.'))
    scene.see('mkdir ..', mkdir('..'))
    scene.see('mkdir with a slash', mkdir('slash/'))

    umask(0o077)
    scene.see('mkdir under a umask', mkdir('masked', 0o7777))
    scene.seeAttributes('the umask applied', 'masked')
    umask(0)
    scene.see('chown', chown('d', 5, 77))
    scene.see('chmod setgid', chmod('d', 0o2777))
    const made = asUser(1000, 1000, [], () => mkdir('d/inherits', 0o700))
    scene.see('mkdir in a setgid directory', made)
    scene.seeAttributes('its group is the parent’s', 'd/inherits')

    scene.see('rmdir of a full directory', rmdir('d'))
    scene.moment('removed')
    scene.see('rmdir', rmdir('d/e'))
    scene.seeAttributes('one directory less', 'd')
    scene.see('rmdir of nothing', rmdir('d/e'))
    scene.see('rmdir of a file', rmdir('file'))
    scene.see('rmdir .', rmdir('d/.'))
    scene.see('rmdir ..', rmdir('d/inherits/..'))
    const denied = asUser(1000, 1000, [], () => [mkdir('denied'), rmdir('masked')])
    scene.see('without permission', denied)
    scene.seeNames('what is left', '.')
  },
}

export default script
