/** rename of directories: with what is in them, over empty ones, into themselves; link counts and times of all parents. */
import { asUser, chdir, chmod, chown, mkdir, rename, rmdir, symlink } from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    for (const name of ['a', 'a/d', 'a/d/deep', 'b', 'b/empty', 'b/full', 'b/full/x']) mkdir(name)
    scene.write('a/d/deep/file', 'deep')
    scene.write('file')
    scene.seeAttributes('before', 'a/d')
    scene.moment('moved')
    scene.see('to another directory', rename('a/d', 'b/d'))
    scene.seeAttributes('the moved directory', 'b/d')
    scene.seeAttributes('a directory in it', 'b/d/deep')
    scene.seeAttributes('its old parent', 'a')
    scene.seeAttributes('its new parent', 'b')
    scene.seeContent('a file in it', 'b/d/deep/file')
    scene.moment('replaced')
    scene.see('over an empty directory', rename('b/d', 'b/empty'))
    scene.seeAttributes('its parent', 'b')
    scene.seeNames('what it holds', 'b/empty')
    scene.see('over a full directory', rename('b/empty', 'b/full'))
    scene.see('over a full directory elsewhere', rename('a', 'b/full'))
    scene.see('over a file', rename('a', 'file'))
    scene.see('a file over it', rename('file', 'a'))
    scene.see('into itself', rename('b', 'b/b'))
    scene.see('deep into itself', rename('b', 'b/empty/deep/b'))
    scene.see('over its own child', rename('b', 'b/full'))
    scene.see('over its own parent', rename('b/full', 'b'))
    scene.see('to itself', rename('b', 'b'))
    scene.see('with a slash', rename('a/', 'c/'))
    scene.see('..', rename('c/..', 'x'))
    scene.see('.', rename('c/.', 'x'))
    symlink('c', 'link')
    scene.see('a link with a slash', rename('link/', 'x'))
    scene.see('over a link', rename('c', 'link'))

    scene.see('chdir', chdir('b/empty'))
    scene.see('while it is the working directory', rename('../../b', '../../moved'))
    scene.seeNames('from within', '.')
    scene.seeNames('and upwards', '..')
    scene.see('back', chdir('../..'))

    mkdir('mine')
    mkdir('open')
    chmod('open', 0o777)
    chown('mine', 1000, 1000)
    chmod('.', 0o777)
    const user = <T>(action: () => T) => asUser(1000, 1000, [], action)
    scene.see(
      'a directory of mine',
      user(() => rename('mine', 'open/mine')),
    )
    scene.see(
      'one that I may not write changes its parent',
      user(() => rename('c', 'open/c')),
    )
    scene.see(
      'within the same parent I may',
      user(() => rename('c', 'c2')),
    )
    scene.see(
      'over an open one',
      user(() => rename('open/mine', 'open')),
    )
    scene.see('rmdir', rmdir('open/mine'))
    scene.seeNames('names', '.')
  },
}

export default script
