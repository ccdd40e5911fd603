/**
 * Stores made to attack: every record of a small filesystem is replaced by what it should never be (cut, stretched, each number of it at
 * its extremes, under keys of other lengths), one at a time, and every operation is called on it. Each must end, with a result
 * or with a failure that the caller is told: an exception of another kind would end the server.
 * Each run tries one in HOLTFS_STRIDE of them (default 9); which ones, HOLTFS_SEED says.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openStore } from '../../src/engine/store.ts'
import type { Tree } from '../../src/engine/tree.ts'
import { HoltError } from '../../src/errors.ts'
import { acl, DEFAULT } from '../support/acl.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)

type Records = Map<string, Buffer>

/** A file in the tree, one on the host, a directory with entries, a link, attributes, lists, and something without a name. */
function build(f: FsFixture): void {
  const small = f.mknod(ROOT, 'small') as Attributes
  f.write(small.ino, 0, 'small bytes')
  f.setxattr(small.ino, 'user.a', 'first')
  f.setxattr(small.ino, 'user.b', 'second')
  const large = f.mknod(ROOT, 'large') as Attributes
  f.write(large.ino, 0, Buffer.alloc(20_000, 'x'))
  const directory = f.mkdir(ROOT, 'dir') as Attributes
  f.setxattr(directory.ino, DEFAULT, acl('u::rwx,u:7:rw,g::rx,m::rwx,o::'))
  const below = f.mkdir(directory.ino, 'below') as Attributes
  f.mknod(below.ino, 'deep')
  f.symlink(ROOT, 'link', 'small')
  f.link(small.ino, directory.ino, 'other')
  const gone = f.mknod(ROOT, 'gone') as Attributes
  f.unlink(ROOT, 'gone')
  f.write(gone.ino, 0, Buffer.alloc(9000, 'g'))
  const retired = f.mknod(ROOT, 'retired') as Attributes
  f.write(retired.ino, 0, Buffer.alloc(9000, 'g'))
  f.truncate(retired.ino, 0)
}

const NUMBERS = [
  0,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  255,
  4096,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  2 ** 64 - 2048,
]

function* mutations(key: Buffer, value: Buffer): Generator<[what: string, key: Buffer, value: Buffer | undefined]> {
  yield ['removed', key, undefined]
  for (const length of [
    0,
    1,
    8,
    9,
    16,
    40,
    111,
    112,
    119,
    120,
    value.length - 1,
    value.length + 1,
    256,
    8193,
    65_536,
  ]) {
    const other = Buffer.alloc(Math.max(0, length), 0xff)
    value.copy(other)
    yield [`of ${length} bytes`, key, other]
  }
  for (const byte of [0, 1, 0x2e, 0x2f, 0x7f, 0x80, 0xff]) yield [`all ${byte}`, key, Buffer.alloc(value.length, byte)]
  for (let at = 0; at < value.length; at++) {
    if (at >= 130) break
    for (const byte of [0, 0x2f, 0xff]) {
      const other = Buffer.from(value)
      other[at] = byte
      if (other[at] !== value[at]) yield [`byte ${at} is ${byte}`, key, other]
    }
  }
  for (let at = 0; at + 8 <= Math.min(value.length, 120); at += 8) {
    for (const number of NUMBERS) {
      const other = Buffer.from(value)
      other.writeBigUInt64LE(BigInt(number), at)
      yield [`${number} at ${at}`, key, other]
    }
  }
  for (const length of [1, 3, 8, 10, 16, 18, 300]) {
    const other = Buffer.alloc(length, 0x01)
    key.copy(other)
    yield [`also under a key of ${length} bytes`, other, value]
  }
}

function readAll(tree: Tree): Records {
  const records: Records = new Map()
  for (const entry of tree.range()) {
    if (entry.key !== undefined) records.set(Buffer.from(entry.key).toString('hex'), Buffer.from(entry.value))
  }
  return records
}

function writeAll(tree: Tree, records: Records): void {
  for (const key of readAll(tree).keys()) tree.delete(Buffer.from(key, 'hex'))
  for (const [key, value] of records) tree.put(Buffer.from(key, 'hex'), value)
}

/** All that a kernel might ask about the inodes there are, reads before changes. */
function* operations(f: FsFixture): Generator<() => unknown> {
  const names = ['small', 'large', 'dir', 'link', 'retired', 'below', 'other', 'deep', '.', '..']
  const inos = [ROOT, 2, 3, 4, 5, 6, 7, 8, 9]
  for (const ino of inos) {
    for (const name of names) yield () => f.lookup(ino, name)
    yield () => f.getattr(ino)
    yield () => f.fs.statx(ino, new Uint8Array(400), 0)
    for (const offset of [0, 1, 5, 1000, 2 ** 60]) {
      yield () => f.readdir(ino, offset, 100)
      yield () => f.readdir(ino, offset, 100, true)
    }
    yield () => f.readlink(ino)
    for (const offset of [0, 5, 8000, 19_999, 2 ** 40]) yield () => f.read(ino, offset, 100_000)
    yield () => f.fs.getxattr(ino, Buffer.from('user.a'), 65_536, new Uint8Array(70_000), 10)
    yield () => f.getxattr(ino, DEFAULT)
    f.caller = { ...f.caller, uid: 0 }
    yield () => f.listxattr(ino)
    yield () => f.fs.listxattr({ ...f.caller, uid: 7 }, ino, 65_536, new Uint8Array(70_000), 10)
    for (const hole of [3, 4]) yield () => f.fs.seek(ino, 0, hole)
  }
  for (const ino of inos) {
    yield () => f.write(ino, 3, 'changed')
    yield () => f.write(ino, 8190, 'changed')
    yield () => f.truncate(ino, 4)
    yield () => f.truncate(ino, 30_000)
    yield () => f.fallocate(ino, 3, 2, 9000)
    yield () => f.fallocate(ino, 0, 0, 9000)
    yield () => f.copyRange(ino, 0, 3, 100, 5000)
    yield () => f.copyRange(3, 0, ino, 0, 5000)
    yield () => f.setattr(ino, 1, { mode: 0o700 })
    yield () => f.setxattr(ino, 'user.c', 'third')
    yield () => f.removexattr(ino, 'user.a')
    yield () => f.fs.fsync(ino, false)
    yield () => f.link(ino, 4, `linked ${ino}`)
    yield () => f.mknod(ino, 'made')
    yield () => f.mkdir(ino, 'directory')
    yield () => f.rename(ROOT, 'dir', ino, 'moved')
    yield () => f.rename(ino, 'moved', ROOT, 'dir')
    yield () => f.fs.forget(ino)
  }
  for (const ino of [ROOT, 4, 5]) {
    for (const name of names.slice(0, 8)) {
      yield () => f.unlink(ino, name)
      yield () => f.rmdir(ino, name)
    }
  }
  yield () => f.fs.collectForgotten(() => false)
  yield () => f.fs.collectRetired(100)
  yield () => f.fs.collectOrphans()
  yield () => f.check()
}

function isToldToCaller(error: unknown): boolean {
  return (
    error instanceof HoltError ||
    (error instanceof Error && 'syscall' in error) ||
    /^errno \d+$/.test(String((error as Error)?.message))
  )
}

test('every operation on every record that is not what it should be', t => {
  t.timeout(300_000)
  const directory = mkdtempSync(join(tmpdir(), 'holtfs-hostile-'))
  const bystander = join(directory, 'bystander')
  writeFileSync(bystander, 'untouched')
  const store = openStore(undefined, { poolBytes: 8 << 20 })
  const home = join(directory, 'store')
  const image = new FsFixture(store.tree, undefined, home)
  build(image)
  const records = readAll(store.tree)
  const failures: string[] = []
  let cases = 0
  const stride = Number(process.env.HOLTFS_STRIDE ?? 40)
  let next = SEED % stride
  for (const [hex, value] of records) {
    for (const [what, key, mutated] of mutations(Buffer.from(hex, 'hex'), value)) {
      if (next-- > 0) continue
      next = stride - 1
      cases++
      writeAll(store.tree, records)
      if (mutated === undefined) store.tree.delete(key)
      else store.tree.put(key, mutated)
      const attempt = (run: () => unknown, name: string) => {
        try {
          run()
        } catch (error) {
          if (!isToldToCaller(error)) failures.push(`${hex} ${what}: ${name}: ${(error as Error).stack?.slice(0, 400)}`)
        }
      }
      image.data.close()
      rmSync(join(home, 'data'), { recursive: true, force: true })
      attempt(() => image.restart(), 'restart')
      for (const operation of operations(image)) attempt(operation, String(operation))
    }
  }
  t.log(`${cases} records, seed ${SEED}`)
  t.deepEqual(failures.slice(0, 5), [])
  t.is(failures.length, 0)
  t.is(readFileSync(bystander, 'utf8'), 'untouched')
  t.deepEqual(readdirSync(directory).sort(), existsSync(home) ? ['bystander', 'store'] : ['bystander'])
  image.data.close()
  store.close()
  rmSync(directory, { recursive: true })
})
