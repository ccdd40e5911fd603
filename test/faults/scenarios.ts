/**
 * What is done while host calls fail: every operation of the filesystem and every piece of work of the store under it, in
 * steps. A step may be carried out again after it has failed, and then leads to the same picture.
 */
import { ACCESS, acl, DEFAULT } from '../support/acl.ts'
import { allowed, type Volume } from './volume.ts'

export interface Step {
  name: string
  /** Carries it out; what it answers must be what it answers without a fault. */
  run(volume: Volume): unknown
  /** It may leave a part of what it does when it fails: it works in place on the host, or has several commits. */
  isTorn?: boolean
  /** When it succeeds everything before it survives a power cut, but for the bytes of files in data files. */
  isDurable?: boolean
  /** When it succeeds the bytes of these files do too. */
  syncs?: readonly string[]
}

export interface Scenario {
  name: string
  /** So many calls that a part of them will do. */
  isLong?: boolean
  /** Done before calls are counted. */
  prepare: readonly Step[]
  steps: readonly Step[]
}

const RENAME_NOREPLACE = 1
const RENAME_EXCHANGE = 2
const KEEP_SIZE = 1
const PUNCH_HOLE = 3
const ZERO_RANGE = 16
const SET_MODE = 1
const SET_UID = 2
const SET_GID = 4
const SET_TIMES = 0x30
const SEEK_DATA = 3
const SEEK_HOLE = 4

const of = (letter: string, length: number) => Buffer.alloc(length, letter)
const step = (name: string, run: Step['run'], more: Partial<Step> = {}): Step => ({ name, run, ...more })

const create = (path: string, mode = 0o100644) =>
  step(`create ${path}`, v => void allowed(v.fixture.mknod(...v.place(path), mode, 0x103)))
const mkdir = (path: string) => step(`mkdir ${path}`, v => void allowed(v.fixture.mkdir(...v.place(path))))
const unlink = (path: string) => step(`unlink ${path}`, v => allowed(v.fixture.unlink(...v.place(path))))
const rmdir = (path: string) => step(`rmdir ${path}`, v => allowed(v.fixture.rmdir(...v.place(path))))
const link = (from: string, to: string) =>
  step(`link ${from} ${to}`, v => void allowed(v.fixture.link(v.ino(from), ...v.place(to))))
const symlink = (path: string, target: string) =>
  step(`symlink ${path}`, v => void allowed(v.fixture.symlink(...v.place(path), target)))
const rename = (from: string, to: string, flags = 0) =>
  step(`rename ${from} ${to} flags ${flags}`, v => allowed(v.fixture.rename(...v.place(from), ...v.place(to), flags)))
const write = (path: string, at: number, bytes: Buffer) =>
  step(`write ${path} at ${at}, ${bytes.length}`, v => allowed(v.fixture.write(v.ino(path), at, bytes)), {
    isTorn: true,
  })
const read = (path: string, at: number, length: number) =>
  step(`read ${path} at ${at}`, v => allowed(v.fixture.read(v.ino(path), at, length)).toString('latin1'))
const truncate = (path: string, size: number) =>
  step(`truncate ${path} to ${size}`, v => allowed(v.fixture.truncate(v.ino(path), size)).size)
const fallocate = (path: string, mode: number, at: number, length: number) =>
  step(`fallocate ${path} mode ${mode} at ${at}`, v => allowed(v.fixture.fallocate(v.ino(path), mode, at, length)), {
    isTorn: true,
  })
const seek = (path: string, at: number, whence: number) =>
  step(`seek ${path} from ${at}`, v => allowed(v.fixture.fs.seek(v.ino(path), at, whence)))
const copy = (from: string, at: number, to: string, toAt: number, length: number) =>
  step(`copy ${from} to ${to}`, v => allowed(v.fixture.copyRange(v.ino(from), at, v.ino(to), toAt, length)), {
    isTorn: true,
  })
const fsync = (path: string) =>
  step(`fsync ${path}`, v => allowed(v.fixture.fs.fsync(v.ino(path), false)), { isDurable: true, syncs: [path] })
const setxattr = (path: string, name: string, value: string | Buffer, flags = 0) =>
  step(`setxattr ${path} ${name}`, v => allowed(v.fixture.setxattr(v.ino(path), name, value, flags)))
const removexattr = (path: string, name: string) =>
  step(`removexattr ${path} ${name}`, v => allowed(v.fixture.removexattr(v.ino(path), name)))
const xattrs = (path: string) =>
  step(`xattrs of ${path}`, v => {
    const ino = v.ino(path)
    return v.fixture.listxattr(ino).map(name => `${name} ${allowed(v.fixture.getxattr(ino, name)).toString('hex')}`)
  })
const list = (path: string) =>
  step(`list ${path}`, v => {
    const entries = allowed(v.fixture.readdir(v.ino(path), 0, 1000, true))
    return entries.map(({ name, type, attributes }) => `${name} ${type} ${attributes!.nlink}`)
  })
const put = (key: string, value: Buffer) => step(`put ${key}`, v => void v.tree.put(key, value))
const drop = (key: string) => step(`delete ${key}`, v => void v.tree.delete(key))
const get = (key: string) => step(`get ${key}`, v => v.tree.get(key)?.toString('latin1'))
const scan = step('scan', v => [...v.tree.range({ prefix: 'z', keysOnly: true })].length)
const CHECKPOINT = step('checkpoint', v => void v.tree.checkpoint(), { isDurable: true })
const SYNC = step('sync', v => void v.tree.sync(), { isDurable: true })
const COLLECT = step('collect what is retired', v => void v.fixture.fs.collectRetired())
const COMPACT = step('compact', v => void v.tree.compact())
const CLOSE = step(
  'close and open',
  v => {
    // It may be tried again after a close that failed: what that left is in the host's memory only, and nobody has said otherwise.
    v.open()
    v.close()
    v.open()
  },
  { isDurable: true },
)
const RESTART = step('kill and open', v => {
  v.kill(v.storage.successor())
  v.open()
})
const READ_ONLY = step('open read-only', v => {
  v.close()
  v.open(true)
  try {
    const entries = allowed(v.fixture.readdir(1, 0, 1000, true))
    return entries.map(({ name, attributes }) => `${name} ${attributes!.size}`)
  } finally {
    v.close()
  }
})
const READ_ONLY_AFTER_KILL = step('kill, open read-only', v => {
  v.kill(v.storage.successor())
  v.open(true)
  try {
    return [...v.tree.range({ prefix: 'z' })].length
  } finally {
    v.close()
  }
})

const bulk = (letter: string, count: number, size: number) =>
  Array.from({ length: count }, (_, i) => put(`z/${letter}/${i % 7}/${i}`, of(letter, size)))

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'names',
    prepare: [mkdir('kept'), create('kept/file'), mkdir('full'), ...[1, 2, 3].map(i => create(`full/${i}`))],
    steps: [
      mkdir('d'),
      create('d/a'),
      create('d/fifo', 0o010644),
      create('d/device', 0o060600),
      symlink('d/link', 'a/long/target'),
      link('d/a', 'b'),
      CHECKPOINT,
      rename('b', 'kept/b'),
      rename('kept/b', 'd/file', RENAME_NOREPLACE),
      create('over'),
      rename('over', 'kept/file'),
      rename('d/file', 'kept/file', RENAME_EXCHANGE),
      rename('full', 'd', RENAME_EXCHANGE),
      list('full'),
      rename('full', 'kept/moved'),
      mkdir('empty'),
      rename('empty', 'emptied'),
      rmdir('emptied'),
      step('a file without a name', v => {
        allowed(v.fixture.fs.tmpfile(v.fixture.caller, v.ino('kept'), 0o100600, new Uint8Array(88), 0))
      }),
      unlink('d/1'),
      step('forget', v => v.fixture.forget(v.ino('d/2'))),
      step('an open file loses its name and ends', v => {
        const ino = v.ino('kept/moved/a')
        allowed(v.fixture.unlink(...v.place('kept/moved/a')))
        v.fixture.forget(ino)
      }),
      step('fsyncdir', v => allowed(v.fixture.fs.fsyncdir(1)), { isDurable: true }),
      list('kept/moved'),
      RESTART,
      SYNC,
      READ_ONLY,
      CLOSE,
    ],
  },
  {
    name: 'bytes',
    prepare: [create('f'), create('source'), write('source', 0, of('s', 20_000)), create('small'), mkdir('d')],
    steps: [
      write('f', 0, of('a', 5000)),
      fsync('f'),
      write('f', 5000, of('b', 20_000)),
      fsync('f'),
      read('f', 4000, 30_000),
      fallocate('f', PUNCH_HOLE, 4096, 8192),
      seek('f', 0, SEEK_HOLE),
      seek('f', 5000, SEEK_DATA),
      fallocate('f', ZERO_RANGE, 24_000, 4000),
      copy('source', 0, 'f', 28_000, 9000),
      copy('source', 0, 'small', 0, 3000),
      fallocate('small', 0, 0, 6000),
      fallocate('small', KEEP_SIZE, 0, 30_000),
      truncate('f', 20_000),
      truncate('f', 40_000),
      write('f', 39_000, of('c', 5000)),
      fsync('f'),
      truncate('f', 3000),
      COLLECT,
      truncate('small', 100),
      CHECKPOINT,
      step('a file without a name grows and gets one', v => {
        const attr = new Uint8Array(88)
        allowed(v.fixture.fs.tmpfile(v.fixture.caller, v.ino('d'), 0o100600, attr, 0))
        const ino = Number(Buffer.from(attr).readBigUInt64LE(0))
        allowed(v.fixture.write(ino, 0, of('t', 9000)))
        allowed(v.fixture.link(ino, ...v.place('d/named')))
      }),
      fsync('d/named'),
      RESTART,
      write('source', 20_000, of('d', 100)),
      truncate('source', 8000),
      write('d/named', 20_000, of('e', 10)),
      unlink('d/named'),
      COLLECT,
      read('f', 0, 5000),
      CLOSE,
      write('f', 2000, of('f', 30_000)),
      fsync('f'),
    ],
  },
  {
    name: 'attributes',
    prepare: [mkdir('d'), create('f', 0o100755), write('f', 0, of('f', 10_000)), create('d/f')],
    steps: [
      step('chmod', v => void allowed(v.fixture.setattr(v.ino('f'), SET_MODE, { mode: 0o104755 }))),
      step('chown', v => void allowed(v.fixture.setattr(v.ino('d'), SET_UID | SET_GID, { uid: 7, gid: 8 }))),
      step('utimens', v => void allowed(v.fixture.setattr(v.ino('d/f'), SET_TIMES, { atime: 5, mtime: 6 }))),
      setxattr('f', 'user.a', 'value'),
      setxattr('f', 'user.large', of('l', 60_000)),
      setxattr('f', 'user.a', 'replaced', 2),
      xattrs('f'),
      removexattr('f', 'user.a'),
      setxattr('f', ACCESS, acl('u::rwx,u:7:rw,g::rx,m::rwx,o::')),
      setxattr('d', DEFAULT, acl('u::rwx,u:7:rw,g::rx,m::rwx,o::')),
      create('d/inherits'),
      mkdir('d/below'),
      CHECKPOINT,
      step('chmod with a list', v => void allowed(v.fixture.setattr(v.ino('f'), SET_MODE, { mode: 0o100700 }))),
      removexattr('d', DEFAULT),
      setxattr('d/f', 'security.capability', of('\x01', 20)),
      write('d/f', 0, of('x', 9000)),
      xattrs('d/inherits'),
      RESTART,
      xattrs('f'),
      unlink('d/inherits'),
      SYNC,
      step('statfs', v => allowed(v.fixture.fs.statfs(STATISTICS))),
      CLOSE,
      xattrs('d/f'),
    ],
  },
  {
    name: 'tree',
    isLong: true,
    prepare: [...bulk('p', 40, 20_000), CHECKPOINT, mkdir('d'), create('d/f')],
    steps: [
      ...bulk('q', 24, 60_000),
      get('z/p/1/1'),
      CHECKPOINT,
      ...bulk('q', 12, 50_000).map((_, i) => drop(`z/q/${i % 7}/${i}`)),
      scan,
      step('rename a prefix', v => void v.tree.renamePrefix('z/p/', 'z/moved/')),
      step('a batch', v =>
        v.tree.atomic(batch => {
          for (let i = 0; i < 20; i++) batch.put(`z/batch/${i}`, of('b', 2000))
          batch.delete('z/batch/none')
        }),
      ),
      step(
        'load',
        v => {
          const entries = Array.from({ length: 60 }, (_, i) => [`zz/${i + 100}`, of('l', 20_000)] as const)
          v.tree.load(entries)
        },
        { isTorn: true },
      ),
      COMPACT,
      CHECKPOINT,
      step('a view', v =>
        v.tree.view(view => {
          v.tree.put('z/q/1/15', of('v', 100))
          return view.get('z/q/1/15')?.toString('latin1')
        }),
      ),
      RESTART,
      rename('d', 'e'),
      scan,
      READ_ONLY_AFTER_KILL,
      ...bulk('r', 6, 60_000),
      COMPACT,
      CLOSE,
      get('zz/120'),
      scan,
    ],
  },
]

const STATISTICS = {
  blockSize: 0,
  blocks: 0,
  blocksFree: 0,
  blocksAvailable: 0,
  files: 0,
  filesFree: 0,
  nameMax: 0,
}
