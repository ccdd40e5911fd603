/** rename of files: over nothing, over files, over other names of the same inode, and every refusal. */
import { constants } from 'node:fs'
import { asUser, chmod, close, link, mkdir, open, pread, rename, symlink } from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    mkdir('a')
    mkdir('b')
    for (const name of ['a/f', 'b/g', 'h']) scene.write(name, `content of ${name}`)
    for (const name of ['a/f', 'b/g', 'h']) scene.seeAttributes(`before ${name}`, name)
    scene.moment('renamed')
    scene.see('within a directory', rename('a/f', 'a/f2'))
    scene.seeAttributes('the renamed file', 'a/f2')
    scene.seeAttributes('its directory', 'a')
    scene.see('the old name', rename('a/f', 'x'))
    scene.moment('moved')
    scene.see('to another directory', rename('a/f2', 'b/f3'))
    scene.seeAttributes('the moved file', 'b/f3')
    scene.seeAttributes('where it was', 'a')
    scene.seeAttributes('where it is', 'b')
    const fd = open('b/g', constants.O_RDONLY) as number
    scene.moment('replaced')
    scene.see('over a file', rename('b/f3', 'b/g'))
    scene.seeAttributes('the replaced file', fd)
    scene.see('is still there', pread(fd, 100, 0))
    close(fd)
    scene.seeAttributes('the new one', 'b/g')
    scene.seeAttributes('their directory', 'b')
    scene.seeContent('with its content', 'b/g')

    link('b/g', 'b/same')
    scene.moment('the same')
    scene.see('over its own other name', rename('b/g', 'b/same'))
    scene.see('to itself', rename('b/g', 'b/g'))
    scene.seeNames('both stay', 'b')
    scene.seeAttributes('unchanged', 'b/same')
    scene.seeAttributes('as is the directory', 'b')
    link('h', 'h2')
    scene.moment('one of two')
    scene.see('over one of two names', rename('b/g', 'h2'))
    scene.seeAttributes('the other name', 'h')
    scene.seeAttributes('two names', 'h2')

    symlink('h', 'link')
    scene.see('a link', rename('link', 'link2'))
    scene.seeAttributes('the link moved', 'link2')
    scene.see('over a link', rename('h', 'link2'))
    scene.seeAttributes('the link is gone', 'link2')
    symlink('b', 'to-b')
    scene.see('over a link to a directory', rename('link2', 'to-b'))
    scene.see('a file over a directory', rename('to-b', 'a'))
    scene.see('a file with a slash', rename('to-b', 'new/'))
    scene.see('from nothing', rename('nothing', 'x'))
    scene.see('into nothing', rename('to-b', 'nothing/x'))
    scene.see('into a file', rename('h2', 'to-b/x'))
    scene.see('empty', rename('', 'x'))
    scene.see('to empty', rename('h2', ''))
    scene.see('.', rename('.', 'x'))
    scene.see('to ..', rename('h2', 'a/..'))
    scene.see(
      'without permission',
      asUser(1000, 1000, [], () => rename('h2', 'h3')),
    )
    chmod('.', 0o777)
    scene.see(
      'with permission',
      asUser(1000, 1000, [], () => rename('h2', 'h3')),
    )
    scene.seeNames('names', '.')
  },
}

export default script
