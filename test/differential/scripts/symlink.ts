/** Symbolic links: targets of any bytes and lengths, loops, and what follows them. */
import { constants } from 'node:fs'
import { chmod, chown, lchown, mkdir, open, readlink, symlink, truncate, unlink } from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    mkdir('d')
    scene.write('d/f', 'content')
    scene.moment('made')
    scene.see('symlink', symlink('d/f', 'link'))
    scene.seeAttributes('it', 'link')
    scene.see('its target', readlink('link'))
    scene.seeAttributes('its directory', '.')
    scene.seeContent('through it', 'link')
    scene.see('over a name', symlink('x', 'link'))
    scene.see('over a directory', symlink('x', 'd'))
    scene.see('below a file', symlink('x', 'd/f/x'))
    scene.see('with a slash', symlink('x', 'slash/'))
    scene.see('to nothing', symlink('', 'empty'))
    const bytes = Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1))
    scene.see('any bytes', symlink(bytes, 'bytes'))
    scene.see('read back', readlink('bytes'))
    for (const length of [59, 60, 61, 255, 4094, 4095, 4096]) {
      const name = `long ${length}`
      scene.see(name, symlink('x'.repeat(length), name))
      scene.seeAttributes(`${name} attributes`, name)
      scene.see(`${name} target`, readlink(name))
    }
    scene.see('readlink of a file', readlink('d/f'))
    scene.see('readlink of a directory', readlink('d'))
    scene.see('readlink of nothing', readlink('nothing'))

    symlink('loop', 'loop')
    scene.seeOpened('a loop', open('loop', constants.O_RDONLY))
    symlink('pong', 'ping')
    symlink('ping', 'pong')
    scene.see('two links', truncate('ping', 0))
    symlink('d', 'chain0')
    for (let i = 1; i <= 41; i++) symlink(`chain${i - 1}`, `chain${i}`)
    scene.seeContent('a chain of 40', 'chain39/f')
    scene.seeContent('a chain of 41', 'chain40/f')

    scene.moment('changed')
    scene.see('chmod through', chmod('link', 0o600))
    scene.see('chown through', chown('link', 5, 6))
    scene.seeAttributes('the file changed', 'd/f')
    scene.seeAttributes('the link did not', 'link')
    scene.see('lchown', lchown('link', 7, 8))
    scene.seeAttributes('now it did', 'link')
    scene.see('chmod of a dangling link', chmod('bytes', 0o600))
    scene.see('truncate through', truncate('link', 3))
    scene.seeContent('truncated', 'd/f')
    symlink('../d/./f', 'd/relative')
    scene.seeContent('a relative link', 'd/relative')
    scene.see('unlink', unlink('link'))
    scene.seeContent('the target stays', 'd/f')
  },
}

export default script
