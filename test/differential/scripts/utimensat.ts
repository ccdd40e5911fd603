/** utimensat: now, omitted, nanoseconds, before 1970 and after 2038; who may set which time. */
import { constants } from 'node:fs'
import { statx } from '../../support/statx.ts'
import {
  AT_SYMLINK_NOFOLLOW,
  asUser,
  chmod,
  chown,
  close,
  futimens,
  mkdir,
  open,
  symlink,
  UTIME_NOW,
  UTIME_OMIT,
  utimensat,
} from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const script: Script = {
  run(scene) {
    scene.write('f', 'x')
    mkdir('d')
    symlink('f', 'link')
    const times: [string, number, number][] = [
      ['1970', 0, 0],
      ['with nanoseconds', 1_000_000_000, 123_456_789],
      ['before 1970', -1, 999_999_999],
      ['long before 1970', -2_000_000_000, 1],
      ['2038', 2_147_483_648, 0],
      ['2106', 4_294_967_296, 5],
      ['2400', 13_569_465_600, 999_999_999],
    ]
    for (const [name, seconds, nanoseconds] of times) {
      scene.moment(name)
      scene.see(`set ${name}`, utimensat('f', { atime: [seconds, nanoseconds], mtime: [seconds + 1, nanoseconds] }))
      const found = scene.seeAttributes(name, 'f')
      if (typeof found !== 'string') scene.see(`exactly ${name}`, [found.atime, found.mtime])
    }
    const set = (step: string, path: string, atime: number, mtime: number, flags = 0) => {
      scene.moment(step)
      scene.see(step, utimensat(path, { atime: [7, atime], mtime: [8, mtime] }, flags))
      scene.seeAttributes(`${step}: the file`, 'f')
    }
    set('only atime', 'f', 1, UTIME_OMIT)
    set('only mtime', 'f', UTIME_OMIT, 2)
    set('atime now', 'f', UTIME_NOW, UTIME_OMIT)
    set('mtime now', 'f', UTIME_OMIT, UTIME_NOW)
    set('neither', 'f', UTIME_OMIT, UTIME_OMIT)
    set('both now', 'f', UTIME_NOW, UTIME_NOW)
    set('one now, one given', 'f', UTIME_NOW, 3)
    set('through a link', 'link', 4, 5)
    set('the link itself', 'link', 6, 7, AT_SYMLINK_NOFOLLOW)
    scene.seeAttributes('the link', 'link')
    set('too many nanoseconds', 'f', 1_000_000_000, 0)
    scene.moment('null')
    scene.see('no times', utimensat('f', null))
    scene.seeAttributes('are now', 'f')
    scene.see('a directory', utimensat('d', { atime: [1, 2], mtime: [3, 4] }))
    scene.seeAttributes('its times', 'd')
    scene.see('nothing', utimensat('nothing', null))
    const fd = open('f', constants.O_RDONLY) as number
    scene.see('futimens', futimens(fd, { atime: [11, 12], mtime: [13, 14] }))
    scene.seeAttributes('by descriptor', fd)
    close(fd)

    const user = (step: string, atime: number, mtime: number) => {
      scene.moment(step)
      scene.see(
        step,
        asUser(1000, 1000, [], () => utimensat('f', { atime: [7, atime], mtime: [8, mtime] })),
      )
      scene.seeAttributes(`${step}: then`, 'f')
    }
    user('not mine', UTIME_NOW, UTIME_NOW)
    chmod('f', 0o666)
    user('not mine but writable, now', UTIME_NOW, UTIME_NOW)
    user('not mine but writable, given', 1, 1)
    user('not mine but writable, one now', UTIME_NOW, UTIME_OMIT)
    chown('f', 1000, 1000)
    user('mine, given', 1, 1)
    const before = statx('f')
    chmod('f', 0o600)
    const after = statx('f')
    if (typeof before !== 'string' && typeof after !== 'string') {
      scene.see('chmod leaves them', [before.atime === after.atime, before.mtime === after.mtime])
    }
  },
}

export default script
