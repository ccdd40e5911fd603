/** Names are bytes: every one but / and NUL, up to 255 of them; paths up to 4,095. */
import { constants, readdirSync } from 'node:fs'
import { statx } from '../../support/statx.ts'
import * as sys from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const { O_CREAT, O_EXCL, O_RDWR, S_IFIFO } = constants

/** The root of a script is `/rXXXXXX`, eight bytes, below which nothing of ours may go beyond 4,095. */
const LONGEST = 4095 - 9
const TOO_DEEP = [...Array(3).fill('ENAMETOOLONG'), 'ENAMETOOLONG', 'ENOENT', 'ENAMETOOLONG', 'ENOENT']
const why = 'a path from the root of our mount is at most 4,095 bytes, however it was reached'

const script: Script = {
  differences: [
    { step: `a path of ${LONGEST + 1}`, holtfs: TOO_DEEP, why },
    { step: 'a path of 4095', holtfs: TOO_DEEP, why },
    { step: 'but not deeper', holtfs: 'ENAMETOOLONG', why },
    { step: 'nor made deeper', holtfs: 'ENAMETOOLONG', why },
  ],

  run(scene) {
    sys.mkdir('bytes')
    for (let byte = 1; byte < 256; byte++) {
      const name = Buffer.concat([Buffer.from('bytes/'), Buffer.of(byte)])
      const fd = sys.open(name, O_CREAT | O_EXCL | O_RDWR)
      if (typeof fd === 'number') sys.close(fd)
      scene.see(`byte ${byte}`, typeof fd === 'number' ? 'made' : fd)
    }
    scene.see(
      'all of them',
      readdirSync('bytes', 'buffer')
        .map(name => name.toString('latin1'))
        .sort(),
    )
    const every = Buffer.from(Array.from({ length: 255 }, (_, i) => (i + 1 === 0x2f ? 0x2e : i + 1)))
    scene.see('mkdir with every byte', sys.mkdir(every))
    scene.see('symlink in it', sys.symlink('x', Buffer.concat([every, Buffer.from('/l')])))
    scene.see('rename', sys.rename(every, Buffer.from(every).reverse()))
    scene.see('rename to invalid UTF-8', sys.rename(Buffer.from(every).reverse(), Buffer.of(0xc3, 0x28, 0xff)))
    const composed = Buffer.from('é')
    const decomposed = Buffer.from('e\u0301')
    scene.see('composed and decomposed', [sys.mkdir(composed), sys.mkdir(decomposed), sys.mkdir('É')])

    for (const length of [1, 254, 255, 256, 300, 4000]) {
      const name = 'n'.repeat(length)
      const other = 'm'.repeat(length)
      const fd = sys.open(name, O_CREAT | O_RDWR)
      if (typeof fd === 'number') sys.close(fd)
      scene.see(`create ${length}`, typeof fd === 'number' ? 'made' : fd)
      scene.see(`operations on ${length}`, [
        sys.chmod(name, 0o600),
        sys.link(name, other),
        sys.unlink(other),
        sys.rename(name, other),
        sys.unlink(other),
        sys.mkdir(name),
        sys.rename(name, other),
        sys.rmdir(other),
        sys.symlink('x', name),
        sys.unlink(name),
        sys.mknod(name, S_IFIFO | 0o600),
        sys.unlink(name),
        sys.truncate(name, 0),
        sys.rename('bytes', `${name}/x`),
        typeof statx(name) === 'string' ? statx(name) : 'there',
      ])
    }

    // 15 directories of 255 bytes and a slash each make 3,840.
    const directory = 'd'.repeat(255)
    let path = ''
    for (let depth = 0; depth < 15; depth++) {
      path += `${directory}/`
      scene.see(`depth ${depth}`, sys.mkdir(path.slice(0, -1)))
    }
    for (const length of [LONGEST, LONGEST + 1, 4095, 4096]) {
      const whole = path + 'f'.repeat(length - path.length)
      const fd = sys.open(whole, O_CREAT | O_RDWR)
      if (typeof fd === 'number') sys.close(fd)
      scene.see(`a path of ${length}`, [
        typeof fd === 'number' ? 'made' : fd,
        typeof statx(whole) === 'string' ? statx(whole) : 'there',
        sys.link(whole, 'short'),
        sys.unlink(whole),
        sys.rename('short', whole),
        sys.rename(whole, 'short'),
        sys.unlink('short'),
      ])
    }
    const longest = path + 'f'.repeat(LONGEST - path.length)
    scene.see('the longest path', sys.mkdir(longest))
    scene.see('moved by renaming its top', sys.rename(directory, 'top'))
    scene.see('and back', sys.rename('top', directory))
    sys.chdir(path)
    scene.see('nor made deeper', sys.mkdir(`${'f'.repeat(LONGEST - path.length)}/x`))
    sys.chdir('../'.repeat(15))
    sys.mkdir('t')
    scene.see('but not deeper', sys.rename(directory, `t/${directory}`))
    sys.rename(`t/${directory}`, directory)
    scene.seeNames('names', '.')
  },
}

export default script
