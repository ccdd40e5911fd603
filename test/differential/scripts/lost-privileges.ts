/** When setuid and setgid go: written, truncated, given to others; by root, the owner and others, with and without group execute. */
import { constants } from 'node:fs'
import { statx } from '../../support/statx.ts'
import {
  asUser,
  chmod,
  chown,
  close,
  ftruncate,
  mkdir,
  open,
  pwrite,
  truncate,
  utimensat,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const MODES = [0o6777, 0o6767, 0o4777, 0o2777, 0o2767, 0o1777]
const { O_RDWR, O_TRUNC, O_WRONLY } = constants

type Change = () => unknown

/** Opens f, does something with it and closes it. */
function withFile(flags: number, use: (fd: number) => unknown): unknown {
  const fd = open('f', flags)
  if (typeof fd === 'string') return fd
  const result = use(fd)
  close(fd)
  return result
}

const changes: Record<string, Change> = {
  write: () => withFile(O_RDWR, fd => pwrite(fd, 'y', 0)),
  append: () => withFile(O_RDWR, fd => pwrite(fd, 'y', 100)),
  'an empty write': () => withFile(O_RDWR, fd => pwrite(fd, '', 0)),
  'a large write': () => withFile(O_RDWR, fd => pwrite(fd, 'y'.repeat(20_000), 0)),
  truncate: () => truncate('f', 0),
  'truncate up': () => truncate('f', 30_000),
  'truncate to the same size': () => truncate('f', 1),
  ftruncate: () => withFile(O_RDWR, fd => ftruncate(fd, 0)),
  'open with O_TRUNC': () => withFile(O_WRONLY | O_TRUNC, () => 0),
  'chown to oneself': () => chown('f', 1000, -1),
  chgrp: () => chown('f', -1, 2000),
  'chown of nothing': () => chown('f', -1, -1),
  utimensat: () => utimensat('f', null),
}

/** The kernel leaves this to the server and does not tell it that the SETATTR is a chown. Neither id changes, so nothing is gained. */
const differences = ['root', 'the owner', 'another'].flatMap(who =>
  [0o6777, 0o6767, 0o4777, 0o2777].map(mode => ({
    step: `chown of nothing by ${who}, ${mode.toString(8)}`,
    holtfs: [0, `10${mode.toString(8)}`],
    why: 'with HANDLE_KILLPRIV_V2 a chown that leaves both ids is a change of nothing',
  })),
)

const script: Script = {
  differences,
  run(scene) {
    chmod('.', 0o777)
    for (const [who, uid] of [
      ['root', 0],
      ['the owner', 1000],
      ['another', 1001],
    ] as const) {
      for (const [name, change] of Object.entries(changes)) {
        for (const mode of MODES) {
          scene.write('f', 'x')
          chown('f', 1000, 1000)
          chmod('f', mode)
          const act = () => change()
          const result = uid === 0 ? act() : asUser(uid, 1000, [1000, 2000], act)
          const after = statx('f')
          scene.see(`${name} by ${who}, ${mode.toString(8)}`, [
            result,
            typeof after === 'string' ? after : after.mode.toString(8),
          ])
          chmod('f', 0o666)
        }
      }
    }
    mkdir('d')
    chmod('d', 0o6777)
    scene.see('chown of a directory', chown('d', 5, 6))
    scene.seeAttributes('keeps its bits', 'd')
    scene.write('d/in', '')
    scene.seeAttributes('writing in it too', 'd')
  },
}

export default script
