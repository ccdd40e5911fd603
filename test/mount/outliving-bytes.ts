/**
 * A client of the test of mounts that outlive their servers: `outliving-bytes.ts DIRECTORY STOP SEED`, until the file STOP exists.
 * Two files of the same size change places, are copied onto each other, written through a mapping and around the page cache, and
 * compared with memory after each step. Any error of any call ends it with exit code 1.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { seededRandom } from '../support/random.ts'
import * as sys from '../support/syscalls.ts'

const [, , directory, stop, seed] = process.argv
const random = seededRandom(Number(seed))
const below = (n: number) => Math.floor(random() * n)
process.chdir(directory)

const PAGE = 4096
const PAGES = 64
const SIZE = PAGES * PAGE
const MAP_ANONYMOUS = 0x22
/** Memory that is aligned as O_DIRECT wants it. */
const aligned = map(-1, MAP_ANONYMOUS).bytes

interface Version {
  path: string
  bytes: Buffer
}

function map(fd: number, flags: number): { bytes: Buffer; mapping: sys.Mapping } {
  const mapping = sys.mmap(fd, SIZE, sys.PROT_READ | sys.PROT_WRITE, flags) as sys.Mapping
  const { buffer, byteOffset, length } = mapping.bytes
  return { bytes: Buffer.from(buffer, byteOffset, length), mapping }
}

const files: Version[] = ['one', 'two'].map(path => ({ path, bytes: Buffer.alloc(SIZE, path) }))
for (const { path, bytes } of files) fs.writeFileSync(path, bytes)

function throughMapping({ path, bytes }: Version): void {
  const fd = fs.openSync(path, 'r+')
  const { bytes: mapped, mapping } = map(fd, sys.MAP_SHARED)
  for (let i = 0; i < 8; i++) {
    const at = below(SIZE - 100)
    mapped.fill(below(256), at, at + 100)
    mapped.copy(bytes, at, at, at + 100)
  }
  if (below(2) === 0) assert.equal(mapping.sync(), 0)
  assert.equal(mapping.unmap(), 0)
  fs.closeSync(fd)
}

function aroundTheCache({ path, bytes }: Version): void {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_DIRECT)
  const at = PAGE * below(PAGES - 8)
  const memory = aligned.subarray(0, PAGE * (1 + below(8)))
  memory.fill(below(256))
  assert.equal(sys.pwrite(fd, memory, at), memory.length)
  memory.copy(bytes, at)
  fs.closeSync(fd)
}

function copied(from: Version, to: Version): void {
  const source = fs.openSync(from.path, 'r')
  const target = fs.openSync(to.path, 'r+')
  const length = PAGE * (1 + below(PAGES / 2))
  const [read, write] = [PAGE * below(PAGES / 2), PAGE * below(PAGES / 2)]
  assert.equal(sys.copyFileRange(source, read, target, write, length), length)
  from.bytes.copy(to.bytes, write, read, read + length)
  fs.closeSync(source)
  fs.closeSync(target)
}

function exchanged([one, two]: Version[]): void {
  assert.equal(sys.renameat2(one.path, two.path, sys.RENAME_EXCHANGE), 0)
  ;[one.bytes, two.bytes] = [two.bytes, one.bytes]
}

let rounds = 0
for (; !fs.existsSync(stop); rounds++) {
  const [one, two] = below(2) === 0 ? files : [files[1], files[0]]
  throughMapping(one)
  aroundTheCache(two)
  copied(one, two)
  exchanged(files)
  for (const { path, bytes } of files) {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | (below(2) === 0 ? fs.constants.O_DIRECT : 0))
    assert.equal(fs.readSync(fd, aligned, 0, SIZE, 0), SIZE)
    assert.ok(aligned.equals(bytes), `the bytes of ${path} in round ${rounds}`)
    fs.closeSync(fd)
  }
}
process.stdout.write(`${rounds} rounds of two files\n`)
