/**
 * A client of the test of mounts that outlive their servers: `outliving-client.ts DIRECTORY STOP SEED`, until the file STOP exists. Appends to files and
 * compares them with a model; keeps files open, with and without a name, locked, and listed directories half-read. Any error of
 * any call ends it with exit code 1.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { seededRandom } from '../support/random.ts'
import * as sys from '../support/syscalls.ts'

const [, , directory, stop, seed] = process.argv
const random = seededRandom(Number(seed))
const below = (n: number) => Math.floor(random() * n)
process.chdir(directory)

const LOG_FILES = 4
const SMALL_FILES = 40

interface Open {
  fd: number
  bytes: Buffer
}

function openNew(path: string): Open {
  return { fd: fs.openSync(path, 'ax+'), bytes: Buffer.alloc(0) }
}

function append(file: Open): void {
  const piece = Buffer.alloc(1 + below(3000), below(256))
  assert.equal(fs.writeSync(file.fd, piece), piece.length)
  file.bytes = Buffer.concat([file.bytes, piece])
}

function verify(file: Open, nlink: number): void {
  const stats = fs.fstatSync(file.fd)
  assert.equal(stats.size, file.bytes.length)
  assert.equal(stats.nlink, nlink)
  const found = Buffer.alloc(file.bytes.length)
  for (let at = 0; at < found.length; ) at += fs.readSync(file.fd, found, at, found.length - at, at)
  assert.ok(found.equals(file.bytes), 'the bytes of an open file')
}

const logs = Array.from({ length: LOG_FILES }, (_, i) => openNew(`log-${i}`))
const nameless = Array.from({ length: LOG_FILES }, (_, i) => openNew(`nameless-${i}`))
for (let i = 0; i < LOG_FILES; i++) fs.unlinkSync(`nameless-${i}`)
assert.equal(sys.flock(logs[0].fd, sys.LOCK_EX), 0)

let rounds = 0
let longest = 0
while (!fs.existsSync(stop)) {
  const begin = performance.now()
  const name = `round-${rounds % 3}`
  fs.mkdirSync(name)
  const listing = fs.opendirSync(name)
  for (let i = 0; i < SMALL_FILES; i++) {
    const path = `${name}/file ${i}`
    fs.writeFileSync(path, `${rounds} ${i}`, { flag: 'wx' })
    if (i % 3 === 0) fs.renameSync(path, `${path}.renamed`)
    if (i % 5 === 0) fs.linkSync(i % 3 === 0 ? `${path}.renamed` : path, `${path}.linked`)
  }
  for (const file of [...logs, ...nameless]) append(file)
  fs.fsyncSync(logs[below(LOG_FILES)].fd)
  const there = fs.readdirSync(name)
  assert.equal(new Set(there).size, there.length)
  assert.equal(there.length, SMALL_FILES + Math.ceil(SMALL_FILES / 5))
  for (let i = 0; i < SMALL_FILES; i++) {
    assert.equal(fs.readFileSync(`${name}/file ${i}${i % 3 === 0 ? '.renamed' : ''}`, 'utf8'), `${rounds} ${i}`)
  }
  let listed = 0
  while (listing.readSync() !== null) listed++
  assert.ok(listed <= there.length)
  listing.closeSync()
  for (const entry of there) fs.unlinkSync(`${name}/${entry}`)
  fs.rmdirSync(name)
  // Another description of the locked file must not get the lock, whichever process serves the mount.
  const other = fs.openSync('log-0', 'r')
  assert.equal(sys.flock(other, sys.LOCK_EX | sys.LOCK_NB), 'EAGAIN')
  fs.closeSync(other)
  const file = rounds % LOG_FILES
  verify(logs[file], 1)
  verify(nameless[file], 0)
  rounds++
  longest = Math.max(longest, performance.now() - begin)
}
for (const file of logs) verify(file, 1)
for (const file of nameless) verify(file, 0)
process.stdout.write(`${rounds} rounds, the longest ${longest.toFixed(0)} ms\n`)
