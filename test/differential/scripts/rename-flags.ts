/** renameat2: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT, and combinations that are refused. */
import {
  asUser,
  link,
  mkdir,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  renameat2,
  symlink,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    for (const name of ['a', 'b', 'a/dir', 'b/dir', 'b/dir/child', 'empty']) mkdir(name)
    scene.write('a/f', 'f')
    scene.write('b/g', 'g')
    scene.write('a/dir/file', 'in a')
    const identify = (when: string) => {
      for (const name of ['a', 'b', 'a/f', 'b/g', 'a/dir', 'b/dir', 'empty'])
        scene.seeAttributes(`${when}: ${name}`, name)
    }
    identify('before')
    scene.moment('NOREPLACE')
    scene.see('no replace over a file', renameat2('a/f', 'b/g', RENAME_NOREPLACE))
    scene.see('no replace over itself', renameat2('a/f', 'a/f', RENAME_NOREPLACE))
    scene.see('no replace over an empty directory', renameat2('a', 'empty', RENAME_NOREPLACE))
    scene.see('no replace', renameat2('a/f', 'a/f2', RENAME_NOREPLACE))
    scene.see('and back', renameat2('a/f2', 'a/f', RENAME_NOREPLACE))
    scene.moment('files')
    scene.see('exchange files', renameat2('a/f', 'b/g', RENAME_EXCHANGE))
    identify('files exchanged')
    scene.moment('directories')
    scene.see('exchange directories', renameat2('a/dir', 'b/dir', RENAME_EXCHANGE))
    identify('directories exchanged')
    scene.seeNames('in a/dir', 'a/dir')
    scene.seeNames('in b/dir', 'b/dir')
    scene.moment('both')
    scene.see('exchange a file and a directory', renameat2('a/f', 'b/dir', RENAME_EXCHANGE))
    identify('both exchanged')
    scene.seeContent('below the exchanged directory', 'a/f/file')
    scene.see('exchange with the parent', renameat2('a/dir', 'a', RENAME_EXCHANGE))
    scene.see('exchange with the child', renameat2('a', 'a/dir', RENAME_EXCHANGE))
    scene.see('exchange with nothing', renameat2('a/dir', 'nothing', RENAME_EXCHANGE))
    scene.see('exchange nothing', renameat2('nothing', 'a/dir', RENAME_EXCHANGE))
    scene.see('exchange with itself', renameat2('b/g', 'b/g', RENAME_EXCHANGE))
    link('b/g', 'b/g2')
    scene.moment('same inode')
    scene.see('exchange two names of one file', renameat2('b/g', 'b/g2', RENAME_EXCHANGE))
    scene.seeAttributes('of which nothing changes', 'b/g2')
    symlink('b/g', 'link')
    scene.see('exchange a link', renameat2('link', 'b/g', RENAME_EXCHANGE))
    scene.seeAttributes('now the file', 'link')

    scene.moment('whiteout')
    scene.see('whiteout', renameat2('b/g2', 'b/moved', RENAME_WHITEOUT))
    scene.seeAttributes('the whiteout', 'b/g2')
    scene.seeAttributes('the file', 'b/moved')
    scene.see('whiteout over a file', renameat2('b/moved', 'link', RENAME_WHITEOUT))
    scene.see('whiteout of a directory', renameat2('empty', 'gone', RENAME_WHITEOUT))
    scene.seeAttributes('the directory’s whiteout', 'empty')
    scene.seeAttributes('the root', '.')
    scene.seeNames('in b', 'b')
    scene.see('whiteout without replacing', renameat2('gone', 'gone2', RENAME_WHITEOUT | RENAME_NOREPLACE))
    scene.see(
      'whiteout by a user',
      asUser(1000, 1000, [], () => renameat2('gone2', 'gone3', RENAME_WHITEOUT)),
    )
    scene.see('exchange and no replace', renameat2('a', 'b', RENAME_EXCHANGE | RENAME_NOREPLACE))
    scene.see('exchange and whiteout', renameat2('a', 'b', RENAME_EXCHANGE | RENAME_WHITEOUT))
    scene.see('an unknown flag', renameat2('a', 'c', 8))
    scene.seeNames('names', '.')
  },
}

export default script
