/**
 * A client of the test of bounded memory: `flood-client.ts DIRECTORY KIND` asks the mount for as much of one kind as it can, and leaves
 * nothing behind.
 */
import * as fs from 'node:fs'
import * as sys from '../support/syscalls.ts'

const [, , directory, kind] = process.argv
process.chdir(directory)

const O_DIRECT = 0o40000

/** Bytes, page-aligned enough for O_DIRECT: the middle of a larger buffer would not be. */
function reads(): void {
  fs.writeFileSync('large', Buffer.alloc(4 << 20, 'x'))
  const fd = fs.openSync('large', fs.constants.O_RDONLY | O_DIRECT)
  const target = Buffer.from(new ArrayBuffer(4 << 20))
  for (let i = 0; i < 20; i++) fs.readSync(fd, target, 0, target.length, 0)
  fs.closeSync(fd)
}

function writes(): void {
  const bytes = Buffer.alloc(4 << 20, 'x')
  for (let i = 0; i < 8; i++) fs.writeFileSync('written', bytes)
  for (let i = 0; i < 500; i++) fs.writeFileSync('small', bytes.subarray(0, i * 4))
}

function attributes(): void {
  fs.writeFileSync('f', '')
  const value = Buffer.alloc(60_000, 'v')
  for (let i = 0; i < 100; i++) {
    const name = `user.${'n'.repeat(200)}${i % 80}`
    sys.setxattr('f', name, value)
    sys.getxattr('f', name)
    sys.listxattr('f')
    sys.setxattr('f', `user.${'y'.repeat(251)}`, value)
    sys.setxattr('f', 'system.posix_acl_access', value)
  }
}

/** Names that are not there, as long as names can be and longer, and deep paths. */
function names(): void {
  for (let i = 0; i < 1000; i++) {
    fs.existsSync(`${i}`.padEnd(255, 'n'))
    fs.existsSync(`${i}`.padEnd(300, 'n'))
  }
  let path = '.'
  for (let depth = 0; depth < 18; depth++) {
    path = `${path}/${'d'.repeat(200)}`
    fs.mkdirSync(path)
  }
  for (let i = 0; i < 100; i++) {
    fs.mkdirSync(`${path}/${i}`)
    fs.writeFileSync(`${path}/${i}/file`, '')
  }
}

function directories(): void {
  fs.mkdirSync('many')
  for (let i = 0; i < 700; i++) fs.writeFileSync(`many/${'n'.repeat(100)}${i}`, '')
  for (let i = 0; i < 30; i++) fs.readdirSync('many', { withFileTypes: true })
  const fd = sys.open('many', fs.constants.O_RDONLY | fs.constants.O_DIRECTORY) as number
  // Places that no entry has.
  for (let i = 0; i < 500; i++) sys.lseek(fd, i * 2 ** 40 + 7, 0)
  sys.close(fd)
}

/** Open files, with locks on them and without names, on the host and in the tree. */
function openFiles(): void {
  const fds: number[] = []
  for (let i = 0; i < 400; i++) {
    const fd = fs.openSync(`open${i}`, 'wx+')
    fs.writeSync(fd, Buffer.alloc(i % 2 === 0 ? 10 : 9000))
    sys.flock(fd, sys.LOCK_EX)
    for (let at = 0; at < 20; at++) sys.fcntlLock(fd, sys.F_SETLK, sys.F_WRLCK, at * 2, 1)
    fs.unlinkSync(`open${i}`)
    fds.push(fd)
  }
  for (const fd of fds) fs.closeSync(fd)
}

/** Everything is forgotten at once. */
function forgotten(): void {
  for (let round = 0; round < 2; round++) {
    fs.mkdirSync('forget')
    for (let i = 0; i < 800; i++) fs.writeFileSync(`forget/${i}`, 'x')
    fs.rmSync('forget', { recursive: true })
  }
}

const KINDS: Record<string, () => void> = { reads, writes, attributes, names, directories, openFiles, forgotten }

KINDS[kind]()
for (const name of fs.readdirSync('.')) fs.rmSync(name, { recursive: true })
