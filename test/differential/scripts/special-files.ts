/** Fifos, sockets, device nodes: made with mknod, used, changed, renamed; what a user may not make. */
import { constants, createReadStream } from 'node:fs'
import { createServer } from 'node:net'
import {
  asUser,
  chmod,
  close,
  link,
  makedev,
  mkdir,
  mkfifo,
  mknod,
  open,
  rename,
  truncate,
  umask,
  unlink,
  write,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

const script: Script = {
  async run(scene) {
    scene.moment('made')
    umask(0o027)
    const made: [string, number, number][] = [
      ['file', S_IFREG | 0o666, 0],
      ['typeless', 0o666, 0],
      ['fifo', S_IFIFO | 0o6777, 0],
      ['socket', S_IFSOCK | 0o777, 0],
      ['character', S_IFCHR | 0o600, makedev(1, 3)],
      ['block', S_IFBLK | 0o660, makedev(7, 255)],
      ['large minor', S_IFCHR | 0o600, 0xabc * 256 + 0x9a + 0xfff * 2 ** 20],
      ['directory', S_IFDIR | 0o755, 0],
      ['link', S_IFLNK | 0o777, 0],
    ]
    for (const [name, mode, dev] of made) {
      scene.see(`mknod ${name}`, mknod(name, mode, dev))
      scene.seeAttributes(name, name)
    }
    scene.see('mknod of what exists', mknod('fifo', S_IFIFO | 0o666))
    scene.see('mkfifo', mkfifo('fifo2', 0o666))
    scene.see('mkfifo of what exists', mkfifo('fifo2'))
    scene.see('mkfifo below a file', mkfifo('file/x'))

    const reader = open('fifo2', O_RDONLY | O_NONBLOCK) as number
    const writer = open('fifo2', O_WRONLY) as number
    scene.see('write to the fifo', write(writer, 'through'))
    close(writer)
    const stream = createReadStream('', { fd: reader })
    let read = ''
    for await (const piece of stream) read += piece
    scene.see('read from the fifo', read)

    scene.moment('changed')
    scene.see('chmod', chmod('fifo', 0o600))
    scene.seeAttributes('a changed fifo', 'fifo')
    scene.see('truncate', truncate('fifo', 0))
    scene.see('link a device', link('block', 'block2'))
    scene.see('rename', rename('block2', 'socket'))
    scene.seeAttributes('a renamed device', 'socket')
    scene.see('unlink', unlink('character'))

    const server = createServer()
    const listening = await new Promise(resolve => {
      server.on('error', error => resolve((error as NodeJS.ErrnoException).code))
      server.listen('bound', () => resolve('listening'))
    })
    scene.see('bind a socket', listening)
    scene.seeAttributes('a bound socket', 'bound')
    await new Promise(resolve => server.close(resolve))

    mkdir('open')
    chmod('open', 0o777)
    const user = asUser(1000, 1000, [], () => [
      mknod('open/fifo', S_IFIFO | 0o644),
      mknod('open/socket', S_IFSOCK | 0o644),
      mknod('open/file', S_IFREG | 0o644),
      mknod('open/null', S_IFCHR | 0o644, makedev(1, 3)),
      mknod('open/block', S_IFBLK | 0o644, makedev(7, 0)),
      // Character device 0:0 is a whiteout, which anybody may make.
      mknod('open/whiteout', S_IFCHR | 0o644, 0),
    ])
    scene.see('by a user', user)
    scene.seeNames('names', 'open')
  },
}

export default script
