/**
 * The client of the test of unanswered requests: `unanswered-client.ts DIRECTORY TRAP`. Does every operation twice, its server
 * being killed once before it is carried out and once before it is answered, and sees to it that it was done exactly once and
 * answered right. Prints one line of JSON for each: what, moment, milliseconds it took, problems.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import * as wire from '../../src/fs/fuse/wire.ts'
import * as sys from '../support/syscalls.ts'

const [, , directory, trap] = process.argv
process.chdir(directory)
process.umask(0o022)

/** Milliseconds that every second server lives at least: else they would seem to die of what they begin with. */
const LIFE = 300
const BIG = Buffer.alloc(20_000, 'b')
let case_ = 0

/** One operation: prepares in an empty directory of its own, acts while the trap is set, looks at what came of it. */
function operation(
  what: string,
  opcode: number,
  prepare: () => void,
  act: () => unknown,
  expected: unknown,
  look: () => void,
): void {
  for (const moment of ['read', 'reply']) {
    fs.mkdirSync(`${directory}/case-${case_}`)
    process.chdir(`${directory}/case-${case_++}`)
    const problems: string[] = []
    let took = 0
    try {
      prepare()
      fs.writeFileSync(`${trap}.new`, `${moment} ${opcode}`)
      fs.renameSync(`${trap}.new`, trap)
      const begin = performance.now()
      const answer = act()
      took = performance.now() - begin
      if (fs.existsSync(trap)) {
        fs.rmSync(trap)
        problems.push('the server was not killed')
      }
      assert.deepEqual(answer, expected)
      look()
    } catch (error) {
      problems.push((error as Error).message)
    }
    fs.rmSync(`${trap}.sprung`, { force: true })
    if (moment === 'reply') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LIFE)
    process.stdout.write(`${JSON.stringify({ what, moment, took, problems })}\n`)
  }
}

function names(...expected: string[]): void {
  assert.deepEqual(fs.readdirSync('.').sort(), expected.sort())
}

function holds(path: string, text: string | Buffer): void {
  assert.ok(fs.readFileSync(path).equals(Buffer.from(text)), `the bytes of ${path}`)
  assert.equal(fs.statSync(path).size, text.length)
}

const nothing = () => {}
const file = (name: string, text: string | Buffer = '') => fs.writeFileSync(name, text)
let fd: number

operation(
  'create, exclusively, and write',
  wire.FUSE_CREATE,
  nothing,
  () => {
    fd = fs.openSync('a', 'wx')
    return fs.writeSync(fd, 'text')
  },
  4,
  () => {
    fs.closeSync(fd)
    names('a')
    holds('a', 'text')
  },
)
operation(
  'mkdir',
  wire.FUSE_MKDIR,
  nothing,
  () => sys.mkdir('d'),
  0,
  () => {
    names('d')
    assert.equal(fs.statSync('.').nlink, 3)
  },
)
operation(
  'mknod',
  wire.FUSE_MKNOD,
  nothing,
  () => sys.mkfifo('f'),
  0,
  () => assert.ok(fs.statSync('f').isFIFO()),
)
operation(
  'symlink',
  wire.FUSE_SYMLINK,
  nothing,
  () => sys.symlink('to', 'l'),
  0,
  () => assert.equal(fs.readlinkSync('l'), 'to'),
)
operation(
  'link',
  wire.FUSE_LINK,
  () => file('a', 'x'),
  () => sys.link('a', 'b'),
  0,
  () => {
    names('a', 'b')
    assert.equal(fs.statSync('a').nlink, 2)
  },
)
operation(
  'unlink',
  wire.FUSE_UNLINK,
  () => file('a', 'x'),
  () => sys.unlink('a'),
  0,
  () => names(),
)
operation(
  'unlink of an open file',
  wire.FUSE_UNLINK,
  () => {
    file('a', 'still here')
    fd = fs.openSync('a', 'r+')
  },
  () => sys.unlink('a'),
  0,
  () => {
    names()
    fs.writeSync(fd, 'STILL', 0)
    assert.equal(fs.readFileSync(fd, 'utf8'), 'STILL here')
    assert.equal(fs.fstatSync(fd).nlink, 0)
    fs.closeSync(fd)
  },
)
operation(
  'rmdir',
  wire.FUSE_RMDIR,
  () => fs.mkdirSync('d'),
  () => sys.rmdir('d'),
  0,
  () => {
    names()
    assert.equal(fs.statSync('.').nlink, 2)
  },
)
operation(
  'rename',
  wire.FUSE_RENAME,
  () => file('a', 'x'),
  () => sys.rename('a', 'b'),
  0,
  () => {
    names('b')
    holds('b', 'x')
  },
)
operation(
  'rename over a file',
  wire.FUSE_RENAME,
  () => {
    file('a', 'new')
    file('b', BIG)
  },
  () => sys.rename('a', 'b'),
  0,
  () => {
    names('b')
    holds('b', 'new')
  },
)
operation(
  'rename of a directory',
  wire.FUSE_RENAME,
  () => {
    fs.mkdirSync('d')
    file('d/x', 'deep')
  },
  () => sys.rename('d', 'e'),
  0,
  () => {
    names('e')
    holds('e/x', 'deep')
  },
)
operation(
  'exchange of two names',
  wire.FUSE_RENAME2,
  () => {
    file('a', '1')
    file('b', '2')
  },
  () => sys.renameat2('a', 'b', sys.RENAME_EXCHANGE),
  0,
  () => {
    holds('a', '2')
    holds('b', '1')
  },
)
operation(
  'rename to a name that must be free',
  wire.FUSE_RENAME2,
  () => file('a', '1'),
  () => sys.renameat2('a', 'b', sys.RENAME_NOREPLACE),
  0,
  () => names('b'),
)
operation(
  'chmod',
  wire.FUSE_SETATTR,
  () => file('a'),
  () => sys.chmod('a', 0o640),
  0,
  () => assert.equal(fs.statSync('a').mode & 0o7777, 0o640),
)
for (const size of [3, 5000, 30_000]) {
  operation(
    `truncation to ${size} bytes`,
    wire.FUSE_SETATTR,
    () => file('a', BIG),
    () => sys.truncate('a', size),
    0,
    () => holds('a', Buffer.concat([BIG.subarray(0, size), Buffer.alloc(Math.max(size - BIG.length, 0))])),
  )
}
for (const [what, before, text] of [
  ['a small file', 'abc', 'defg'],
  ['a file that leaves the tree', 'abc', BIG],
  ['a large file', BIG, 'defg'],
] as const) {
  operation(
    `append to ${what}`,
    wire.FUSE_WRITE,
    () => {
      file('a', before)
      fd = fs.openSync('a', 'a')
    },
    () => fs.writeSync(fd, Buffer.from(text)),
    text.length,
    () => {
      fs.closeSync(fd)
      holds('a', Buffer.concat([Buffer.from(before), Buffer.from(text)]))
    },
  )
}
operation(
  'a new attribute',
  wire.FUSE_SETXATTR,
  () => file('a'),
  () => sys.setxattr('a', 'user.x', 'value', sys.XATTR_CREATE),
  0,
  () => assert.deepEqual(sys.getxattr('a', 'user.x'), Buffer.from('value')),
)
operation(
  'removal of an attribute',
  wire.FUSE_REMOVEXATTR,
  () => {
    file('a')
    sys.setxattr('a', 'user.x', 'value', 0)
  },
  () => sys.removexattr('a', 'user.x'),
  0,
  () => assert.equal(sys.getxattr('a', 'user.x'), 'ENODATA'),
)
operation(
  'fallocate',
  wire.FUSE_FALLOCATE,
  () => {
    file('a', BIG)
    fd = fs.openSync('a', 'r+')
  },
  () => sys.fallocate(fd, sys.FALLOC_FL_PUNCH_HOLE | sys.FALLOC_FL_KEEP_SIZE, 4096, 4096),
  0,
  () => {
    fs.closeSync(fd)
    holds('a', Buffer.concat([BIG.subarray(0, 4096), Buffer.alloc(4096), BIG.subarray(8192)]))
  },
)
operation(
  'a file without a name, and its name',
  wire.FUSE_TMPFILE,
  nothing,
  () => {
    fd = sys.open('.', sys.O_TMPFILE | fs.constants.O_RDWR, 0o600) as number
    fs.writeSync(fd, 'nameless')
    return sys.linkat(sys.AT_FDCWD, `/proc/self/fd/${fd}`, sys.AT_FDCWD, 'named', sys.AT_SYMLINK_FOLLOW)
  },
  0,
  () => {
    fs.closeSync(fd)
    holds('named', 'nameless')
    assert.equal(fs.statSync('named').nlink, 1)
  },
)
operation(
  'fsync',
  wire.FUSE_FSYNC,
  () => {
    fd = fs.openSync('a', 'w')
    fs.writeSync(fd, BIG)
  },
  () => sys.fsync(fd),
  0,
  () => {
    fs.closeSync(fd)
    holds('a', BIG)
  },
)
operation(
  'lookup of a name that is not there',
  wire.FUSE_LOOKUP,
  nothing,
  () => sys.unlink('nobody'),
  'ENOENT',
  nothing,
)
operation('statfs', wire.FUSE_STATFS, nothing, () => fs.statfsSync('.').bsize > 0, true, nothing)
