/** truncate and ftruncate: sizes, zeros, times also when nothing changes, refusals. */
import { constants } from 'node:fs'
import {
  asUser,
  chmod,
  close,
  ftruncate,
  mkdir,
  mkfifo,
  open,
  pread,
  pwrite,
  truncate,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const SIZES = [5, 0, 1, 8192, 8193, 4096, 3, 100_000, 10_000, 8192, 0, 20_000]

const script: Script = {
  run(scene) {
    scene.write('f', 'hello world')
    let step = 0
    for (const size of SIZES) {
      scene.moment(`truncated ${++step}`)
      scene.see(`${step}: truncate to ${size}`, truncate('f', size))
      scene.seeAttributes(`${step}: attributes`, 'f')
      scene.seeContent(`${step}: content`, 'f')
    }
    scene.moment('to the same size')
    scene.see('to the same size', truncate('f', 20_000))
    scene.seeAttributes('which is a change', 'f')
    const fd = open('f', constants.O_RDWR) as number
    scene.see('write', pwrite(fd, 'marked', 9000))
    scene.moment('ftruncate')
    scene.see('ftruncate', ftruncate(fd, 9003))
    scene.see('ftruncate up', ftruncate(fd, 9100))
    scene.see('zeros', pread(fd, 200, 8990))
    scene.seeAttributes('by descriptor', fd)
    scene.moment('ftruncate to the same size')
    scene.see('ftruncate to the same size', ftruncate(fd, 9100))
    scene.seeAttributes('which is one too', fd)
    scene.see('ftruncate to a negative size', ftruncate(fd, -1))
    close(fd)
    scene.see('to a negative size', truncate('f', -1))
    mkdir('d')
    mkfifo('fifo')
    scene.see('a directory', truncate('d', 0))
    scene.see('a fifo', truncate('fifo', 0))
    scene.see('nothing', truncate('nothing', 0))
    scene.see('below a file', truncate('f/x', 0))
    scene.see('far', truncate('f', 2 ** 40))
    scene.seeAttributes('a far end', 'f')
    scene.see(
      'not mine',
      asUser(1000, 1000, [], () => truncate('f', 0)),
    )
    chmod('f', 0o666)
    scene.see(
      'but writable',
      asUser(1000, 1000, [], () => truncate('f', 0)),
    )
    chmod('f', 0o444)
    scene.see(
      'not writable',
      asUser(1000, 1000, [], () => truncate('f', 1)),
    )
  },
}

export default script
