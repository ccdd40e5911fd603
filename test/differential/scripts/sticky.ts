/** A sticky directory: only the owner of an entry, of the directory, or root removes or renames it. */
import { constants } from 'node:fs'
import {
  asUser,
  chmod,
  chown,
  close,
  mkdir,
  open,
  RENAME_EXCHANGE,
  rename,
  renameat2,
  rmdir,
  unlink,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    chmod('.', 0o777)
    mkdir('tmp')
    chmod('tmp', 0o1777)
    scene.seeAttributes('sticky', 'tmp')
    const by = <T>(uid: number, action: () => T) => asUser(uid, uid, [], action)
    const make = (uid: number, name: string) => {
      by(uid, () => close(open(`tmp/${name}`, constants.O_CREAT | constants.O_RDWR, 0o666) as number))
    }
    for (const uid of [1000, 1001]) {
      make(uid, `${uid}`)
      make(uid, `${uid} b`)
      by(uid, () => mkdir(`tmp/${uid} d`, 0o777))
    }
    scene.see(
      'unlink another’s',
      by(1001, () => unlink('tmp/1000')),
    )
    scene.see(
      'rmdir another’s',
      by(1001, () => rmdir('tmp/1000 d')),
    )
    scene.see(
      'rename another’s',
      by(1001, () => rename('tmp/1000', 'tmp/x')),
    )
    scene.see(
      'rename over another’s',
      by(1001, () => rename('tmp/1001', 'tmp/1000')),
    )
    scene.see(
      'move another’s out',
      by(1001, () => rename('tmp/1000', 'x')),
    )
    scene.see(
      'exchange with another’s',
      by(1001, () => renameat2('tmp/1001', 'tmp/1000', RENAME_EXCHANGE)),
    )
    scene.see(
      'create over another’s',
      by(1001, () => typeof open('tmp/1000', constants.O_CREAT | constants.O_RDWR)),
    )
    scene.see(
      'rename one’s own',
      by(1001, () => rename('tmp/1001', 'tmp/1001 c')),
    )
    scene.see(
      'over one’s own',
      by(1001, () => rename('tmp/1001 c', 'tmp/1001 b')),
    )
    scene.see(
      'unlink one’s own',
      by(1001, () => unlink('tmp/1001 b')),
    )
    scene.see(
      'rmdir one’s own',
      by(1001, () => rmdir('tmp/1001 d')),
    )
    scene.see('root unlinks', unlink('tmp/1000 b'))
    chown('tmp', 1001, 1001)
    scene.see(
      'the directory’s owner unlinks',
      by(1001, () => unlink('tmp/1000')),
    )
    scene.see(
      'and removes',
      by(1001, () => rmdir('tmp/1000 d')),
    )
    scene.seeNames('what is left', 'tmp')
    scene.seeAttributes('chown keeps it sticky', 'tmp')
  },
}

export default script
