/** chmod and chown: who may, what is kept of the mode, ids above 2^31. */
import { constants } from 'node:fs'
import { asUser, chmod, chown, close, fchmod, fchown, lchown, mkdir, open, symlink } from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    scene.write('f', 'x')
    mkdir('d')
    for (const mode of [0, 0o777, 0o4755, 0o2755, 0o2745, 0o1644, 0o7777, 0o644]) {
      scene.moment(`chmod ${mode.toString(8)}`)
      for (const name of ['f', 'd']) {
        scene.see(`chmod ${name} ${mode.toString(8)}`, chmod(name, mode))
        scene.seeAttributes(`${name} with ${mode.toString(8)}`, name)
      }
    }
    scene.moment('without a change')
    scene.see('chmod to the same', chmod('f', 0o644))
    scene.seeAttributes('is a change', 'f')
    const fd = open('f', constants.O_RDONLY) as number
    scene.see('fchmod', fchmod(fd, 0o640))
    scene.moment('chown')
    scene.see('fchown', fchown(fd, 1, 2))
    scene.seeAttributes('by descriptor', fd)
    close(fd)
    for (const [uid, gid] of [
      [-1, 9],
      [9, -1],
      [-1, -1],
      [2 ** 31, 2 ** 31 + 1],
      [2 ** 32 - 2, 2 ** 32 - 2],
      [0, 0],
    ]) {
      scene.moment(`chown to ${uid}:${gid}`)
      scene.see(`chown to ${uid}:${gid}`, chown('f', uid, gid))
      scene.seeAttributes(`owned by ${uid}:${gid}`, 'f')
    }
    symlink('f', 'link')
    scene.see('lchown', lchown('link', 3, 4))
    scene.seeAttributes('the link', 'link')
    scene.seeAttributes('not the file', 'f')
    scene.see('of nothing', [chmod('nothing', 0), chown('nothing', 0, 0)])
    scene.see('below a file', [chmod('f/x', 0), chown('f/x', 0, 0)])

    chmod('.', 0o777)
    const user = <T>(step: string, action: () => T) => {
      scene.see(step, asUser(1000, 1000, [1000, 2000], action))
      scene.seeAttributes(`${step}: then`, 'mine')
    }
    scene.write('mine')
    user('chmod what is not mine', () => chmod('mine', 0o777))
    user('chown what is not mine', () => chown('mine', 1000, 1000))
    chown('mine', 1000, 1000)
    user('chmod what is mine', () => chmod('mine', 0o6775))
    user('give it away', () => chown('mine', 1001, -1))
    user('to a group of mine', () => chown('mine', -1, 2000))
    user('to another group', () => chown('mine', -1, 3000))
    user('to myself', () => chown('mine', 1000, -1))
    user('setgid again', () => chmod('mine', 0o2775))
    chown('mine', 1000, 3000)
    user('setgid of a group that is not mine', () => chmod('mine', 0o2775))
    const large = asUser(2 ** 31 + 5, 2 ** 31 + 6, [], () => {
      const made = open('large', constants.O_CREAT | constants.O_RDWR, 0o600)
      if (typeof made === 'number') close(made)
      return [typeof made, mkdir('large dir')]
    })
    scene.see('made by a large uid', large)
    scene.seeAttributes('a file of a large uid', 'large')
    scene.seeAttributes('a directory of a large uid', 'large dir')
  },
}

export default script
