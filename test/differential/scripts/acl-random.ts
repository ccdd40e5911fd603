/**
 * Access control lists, modes, owners, creations and renames at random in a small tree, with what several users may do there.
 * HOLTFS_TEST_SEED repeats a run, HOLTFS_TEST_STEPS (default 250) makes it longer.
 */
import { ACCESS, acl, aclText, DEFAULT } from '../../support/acl.ts'
import { type Random, seededRandom } from '../../support/random.ts'
import {
  asUser,
  chmod,
  chown,
  close,
  getxattr,
  link,
  mkdir,
  mkfifo,
  open,
  removexattr,
  rename,
  rmdir,
  setxattr,
  truncate,
  umask,
  unlink,
} from '../../support/syscalls.ts'
import type { Scene, Script } from '../scene.ts'

const SEED = Number(process.env.HOLTFS_TEST_SEED ?? Date.now() % 1e6)
const STEPS = Number(process.env.HOLTFS_TEST_STEPS ?? 250)

const IDS = [1000, 2000, 3000]
const USERS: [uid: number, gid: number, groups: number[]][] = [
  [0, 0, []],
  [1000, 1000, []],
  [2000, 1000, [3000]],
  [3000, 2000, [1000, 2000]],
]
const DIRECTORIES = ['.', 'a', 'b', 'a/a', 'a/b', 'b/a']
/** Names of directories, and of the rest; one in ten is of the other kind. */
const DIRECTORY_NAMES = ['a', 'b']
const FILE_NAMES = ['f', 'g', 'h']
const O_CREAT = 0o100
const O_RDWR = 2

const script: Script = {
  run(scene) {
    const random = seededRandom(SEED)
    // The root of the mount and what is above it let everybody pass.
    chmod('.', 0o777)
    for (let i = 0; i < STEPS; i++) step(scene, random, `seed ${SEED}, step ${i}`)
  },
}

function step(scene: Scene, random: Random, name: string): void {
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]
  const place = (isDirectory: boolean) =>
    `${pick(DIRECTORIES)}/${pick(isDirectory === below(10) > 0 ? DIRECTORY_NAMES : FILE_NAMES)}`
  const isDirectory = below(3) === 0
  const path = place(isDirectory)
  const other = place(isDirectory)
  const mode = below(0o10000) & (below(3) === 0 ? 0o7777 : 0o777)
  const list = randomList(below)
  const [uid, gid, groups] = USERS[below(2) * below(USERS.length)]
  const mask = pick([0, 0o022, 0o077, below(0o777)])
  const create = (of: number) => (isDirectory ? mkdir(path, of) : opened(path, O_CREAT | O_RDWR, of))
  const actions: [string, () => unknown][] = [
    ['set access list', () => setxattr(path, ACCESS, list)],
    ['set access list', () => setxattr(path, ACCESS, list)],
    ['set default list', () => setxattr(isDirectory ? path : pick(DIRECTORIES), DEFAULT, list)],
    ['remove list', () => removexattr(path, pick([ACCESS, DEFAULT]))],
    ['chmod', () => chmod(path, mode)],
    ['chown', () => chown(path, pick([-1, ...IDS]), pick([-1, ...IDS]))],
    ['mkdir', () => mkdir(path, mode | 0o700)],
    ['create', () => create(mode)],
    ['create', () => create(0o666)],
    ['mkfifo', () => mkfifo(path, mode)],
    ['truncate', () => truncate(path, below(10))],
    ['link', () => link(path, other)],
    ['rename', () => rename(path, other)],
    ['unlink', () => unlink(path)],
    ['rmdir', () => rmdir(path)],
    ['set attribute', () => setxattr(path, 'user.a', String(below(100)))],
  ]
  const [what, action] = pick(actions)
  umask(mask)
  const result = asUser(uid, gid, groups, action)
  umask(0o022)
  scene.see(`${name}: ${what} ${path} ${other} ${mode.toString(8)} ${aclText(list)} by ${uid}`, result)
  for (const [i, at] of [path, other].entries()) {
    scene.seeAttributes(`${name}: ${i}: attributes`, at)
    scene.see(`${name}: ${i}: lists`, [aclText(getxattr(at, ACCESS)), aclText(getxattr(at, DEFAULT))])
    const may = USERS.map(([user, group, more]) => asUser(user, group, more, () => [0, 1].map(f => opened(at, f))))
    scene.see(`${name}: ${i}: who may open it`, may)
  }
}

/** Mostly a good one. */
function randomList(below: (limit: number) => number): Buffer {
  const permissions = () => ['', 'r', 'w', 'x', 'rw', 'rx', 'wx', 'rwx', 'rwx', 'rx'][below(10)]
  const named = (kind: string) => IDS.filter(() => below(3) === 0).map(id => `${kind}:${id}:${permissions()}`)
  const users = named('u')
  const groups = named('g')
  const masks = users.length + groups.length > 0 || below(4) === 0 ? [`m::${permissions()}`] : []
  const entries = [`u::${permissions()}`, ...users, `g::${permissions()}`, ...groups, ...masks, `o::${permissions()}`]
  if (below(15) === 0) entries.splice(below(entries.length), 1)
  return acl(entries.join(','))
}

/** Opens without waiting for the other end of a fifo, and closes; the errno, or that it can be opened. */
function opened(path: string, flags: number, mode?: number): string {
  const fd = open(path, flags | 0o4000, mode)
  if (typeof fd === 'string') return fd
  close(fd)
  return 'opened'
}

export default script
