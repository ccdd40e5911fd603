/** A thread of contention.test.ts: random operations over few names, without a kernel in front; posts what came of them. */
import { parentPort, workerData } from 'node:worker_threads'
import { attachStore } from '../../src/engine/attach.ts'
import { type FileSystemHandle, makeFileSystem } from '../../src/fs/attach.ts'
import { NS_INODE } from '../../src/fs/keys.ts'
import { type DirectorySink, SET_MODE, SET_SIZE } from '../../src/fs/operations.ts'
import { join } from '../support/interleave.ts'
import { seededRandom } from '../support/random.ts'
import {
  type ContentionInput,
  DIRECTORIES,
  EXCHANGE,
  INODES,
  KINDS,
  type Kind,
  MODES,
  NAMES,
  NOREPLACE,
  type Seen,
  type Step,
  W_READY,
  W_SECTIONS,
} from './contention-step.ts'

const input = workerData as ContentionInput
const words = new Int32Array(input.words)
const inodes = new Float64Array(input.inodes)
const handle = input.handle as FileSystemHandle
const tree = attachStore(handle.store)
const fs = makeFileSystem(handle, tree)
const random = seededRandom(input.seed)
const below = (n: number) => Math.floor(random() * n)
const pick = <T>(list: readonly T[]) => list[below(list.length)]

/** The section that this thread is in or was in last, and the first of this step that changed an inode. */
let section = 0
let effect = 0
const begin = tree.begin.bind(tree)
const stagePut = tree.stagePut.bind(tree)
const stageDelete = tree.stageDelete.bind(tree)
tree.begin = () => {
  begin()
  section = Atomics.add(words, W_SECTIONS, 1) + 1
}
tree.stagePut = (key, keyLength, value, at, length) => {
  if (key[0] === NS_INODE && effect === 0) effect = section
  stagePut(key, keyLength, value, at, length)
}
tree.stageDelete = (key, keyLength) => {
  if (key[0] === NS_INODE && effect === 0) effect = section
  stageDelete(key, keyLength)
}

const caller = { uid: 0, gid: 0, pid: 1, umask: 0, killsPrivileges: false }
const attr = Buffer.alloc(88)
const byte = new Uint8Array(1)
const nothing = { uid: 0, gid: 0, atime: 0, atimeNs: 0, mtime: 0, mtimeNs: 0, ctime: 0, ctimeNs: 0 }
/** Most bytes of a file, and of one write: to both sides of what fits into the tree. */
const FILE = 24_000
const WRITE = 9000

function seen(): Seen {
  const ino = Number(attr.readBigUInt64LE(0))
  return { ino, mode: attr.readUInt32LE(60), nlink: attr.readUInt32LE(64), size: Number(attr.readBigUInt64LE(8)) }
}

/** The whole directory, three entries at a time. */
function list(step: Step): number {
  let offset = 0
  for (let added = 1; added > 0; ) {
    added = 0
    const sink: DirectorySink = {
      plus: false,
      add(ino, _type, cookie, name, nameLength) {
        if (added === 3) return false
        added++
        if (offset >= 2) step.entries.push({ name: Buffer.from(name.subarray(0, nameLength)).toString(), ino })
        offset = cookie
        return true
      },
    }
    const rc = fs.readdir(step.ino, offset, sink)
    if (rc < 0) return rc
  }
  return 0
}

function run(step: Step): number {
  const { ino, ino2, number } = step
  const name = Buffer.from(step.name)
  const name2 = Buffer.from(step.name2)
  switch (step.kind) {
    case 'mknod':
      return fs.mknod(caller, ino, name, 0o100644, 0, attr, 0)
    case 'mkdir':
      return fs.mkdir(caller, ino, name, 0o755, attr, 0)
    case 'symlink':
      return fs.symlink(caller, ino, name, Buffer.from('target'), attr, 0)
    case 'link':
      return fs.link(caller, ino2, ino, name, attr, 0)
    case 'unlink':
      return fs.unlink(caller, ino, name)
    case 'rmdir':
      return fs.rmdir(caller, ino, name)
    case 'rename':
      return fs.rename(caller, ino, name, ino2, name2, number)
    case 'chmod':
      return fs.setattr(caller, ino2, { ...nothing, valid: SET_MODE, mode: number, size: 0 }, attr, 0)
    case 'truncate':
      return fs.setattr(caller, ino2, { ...nothing, valid: SET_SIZE, mode: 0, size: number }, attr, 0)
    case 'write':
      return fs.write(caller, ino2, number, new Uint8Array(step.length).fill(step.fill))
    case 'forget':
      fs.forget(ino2)
      return 0
    case 'lookup':
      return fs.lookup(caller, ino, name, attr, 0)
    case 'getattr':
      return fs.getattr(ino2, attr, 0)
    case 'readdir':
      return list(step)
    case 'read': {
      const rc = fs.read(ino2, number, 1, byte, 0)
      step.fill = byte[0]
      return rc
    }
  }
}

const ATTRIBUTES: readonly Kind[] = ['mknod', 'mkdir', 'symlink', 'link', 'chmod', 'truncate', 'lookup', 'getattr']
const WEIGHTED: readonly Kind[] = [
  ...KINDS,
  'mknod',
  'mkdir',
  'rmdir',
  'rmdir',
  'rename',
  'rename',
  'write',
  'lookup',
  'readdir',
]

function next(): Step {
  const kind = pick(WEIGHTED)
  const number = {
    rename: pick([0, 0, 0, NOREPLACE, EXCHANGE]),
    chmod: pick(MODES),
    truncate: pick([0, 1, below(FILE)]),
    write: pick([0, below(FILE - WRITE)]),
    read: below(FILE),
  }[kind as string]
  const step: Step = {
    thread: input.thread,
    kind,
    ino: inodes[below(DIRECTORIES)],
    name: pick(NAMES),
    ino2: kind === 'rename' ? inodes[below(DIRECTORIES)] : inodes[DIRECTORIES + below(INODES)],
    name2: pick(NAMES),
    number: number ?? 0,
    length: 1 + below(pick([100, WRITE])),
    fill: 1 + below(255),
    result: 0,
    seen: undefined,
    entries: [],
    before: Atomics.load(words, W_SECTIONS),
    after: 0,
    effect: 0,
  }
  effect = 0
  step.result = run(step)
  step.after = Atomics.load(words, W_SECTIONS)
  step.effect = effect
  if (step.result === 0 && ATTRIBUTES.includes(kind)) {
    step.seen = seen()
    if (kind === 'mkdir') inodes[1 + below(DIRECTORIES - 1)] = step.seen.ino
    else inodes[DIRECTORIES + below(INODES)] = step.seen.ino
  }
  return step
}

const steps: Step[] = []
parentPort?.once('message', () => {
  const turns = input.schedule === undefined ? undefined : join(input.schedule, input.thread)
  for (let i = 0; i < input.steps; i++) steps.push(next())
  turns?.leave()
  parentPort?.postMessage(steps)
})
Atomics.add(words, W_READY, 1)
parentPort?.postMessage('ready')
