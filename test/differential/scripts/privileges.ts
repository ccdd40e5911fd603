/** What writing, truncating and changing the owner take from a file: setuid, setgid and file capabilities. */
import { spawnSync } from 'node:child_process'
import { cpSync, realpathSync } from 'node:fs'
import {
  asUser,
  chmod,
  chown,
  close,
  getxattr,
  open,
  pwrite,
  removexattr,
  setxattr,
  truncate,
} from '../../support/syscalls.ts'
import type { Scene, Script } from '../scene.ts'

const USER = 1000
const GROUP = 1000
const O_WRONLY = 1
const O_TRUNC = 0o1000
const CAPABILITY = 'security.capability'
/** `struct vfs_cap_data`, revision 2: cap_net_raw, permitted and effective. */
const NET_RAW = Buffer.from('0100000200200000000000000000000000000000', 'hex')

const script: Script = {
  run(scene) {
    const actions: [string, (path: string) => unknown][] = [
      ['write', path => rewrite(path, 0)],
      ['open with O_TRUNC', path => rewrite(path, O_TRUNC)],
      ['truncate to shorter', path => truncate(path, 1)],
      ['truncate to longer', path => truncate(path, 100_000)],
      ['chown to oneself', path => chown(path, -1, GROUP)],
      ['chmod', path => chmod(path, 0o6711)],
    ]
    for (const mode of [0o6777, 0o4755, 0o2755, 0o2745, 0o6644]) {
      for (const [what, action] of actions) {
        const path = `${mode.toString(8)}-${what}`
        scene.write(path, 'some bytes')
        own(path, mode)
        scene.see(
          `${path} by the owner`,
          asUser(USER, GROUP, [], () => action(path)),
        )
        scene.seeAttributes(`${path}: the mode`, path)
        own(path, mode)
        scene.see(`${path} by root`, action(path))
        scene.seeAttributes(`${path}: the mode after root`, path)
      }
    }
    executed(scene)
    for (const [what, action] of actions) capability(scene, `capability-${what}`, action)
    capability(scene, 'capability-write of no bytes', path => pwriteTo(path, 0))
    scene.write('plain', 'x')
    scene.see('remove a capability', [setxattr('plain', CAPABILITY, NET_RAW), removexattr('plain', CAPABILITY)])
    scene.see('no capability any more', getxattr('plain', CAPABILITY))
    scene.see('no capability at all', setxattr('plain', CAPABILITY, 'nonsense'))
  },
}

function own(path: string, mode: number): void {
  chown(path, USER, GROUP)
  chmod(path, mode)
}

function rewrite(path: string, flags: number): unknown {
  return pwriteTo(path, flags, 'other')
}

function pwriteTo(path: string, flags: number, bytes = ''): unknown {
  const fd = open(path, O_WRONLY | flags)
  if (typeof fd !== 'number') return fd
  const result = pwrite(fd, bytes, 0)
  close(fd)
  return result
}

/** What counts is not only the mode that is shown: the kernel must know it when it executes the file. */
function executed(scene: Scene): void {
  cpSync(realpathSync('/usr/bin/id'), 'program')
  for (const how of ['notrunc', 'notrunc oflag=direct']) {
    chmod('program', 0o4777)
    scene.see(`a setuid program, ${how}`, asOther('./program -u'))
    const write = `dd if=/usr/bin/id of=program bs=4096 count=1 status=none conv=${how}`
    scene.see(`written by another user and executed at once, ${how}`, asOther(`${write} && exec ./program -u`))
  }
}

/** Output of a shell command of another user. */
function asOther(command: string): string {
  return spawnSync('/bin/sh', ['-c', command], { uid: USER, gid: GROUP, encoding: 'utf8' }).stdout
}

function capability(scene: Scene, path: string, action: (path: string) => unknown): void {
  scene.write(path, 'a program')
  scene.see(`${path}: set`, setxattr(path, CAPABILITY, NET_RAW))
  scene.see(`${path}: there`, getxattr(path, CAPABILITY))
  scene.see(`${path}: done`, action(path))
  scene.see(`${path}: afterwards`, getxattr(path, CAPABILITY))
  // The kernel looks only once whether there is one to be taken.
  scene.see(`${path}: set again`, setxattr(path, CAPABILITY, NET_RAW))
  scene.see(`${path}: done again`, action(path))
  scene.see(`${path}: afterwards again`, getxattr(path, CAPABILITY))
}

export default script
