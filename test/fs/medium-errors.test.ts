/**
 * A medium that fails under the data files: every call of a sequence of changes fails once, in turn. The caller gets EIO, the
 * file keeps what it had or what was asked for, and nothing is left behind.
 */
import { constants } from 'node:os'
import test from 'ava'
import { hostStorage } from '../../src/journal/storage.ts'
import { FailingStorage } from '../support/failing-storage.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { MapMetadata } from '../support/map-metadata.ts'

const { EIO } = constants.errno
const PUNCH = 3
const ZERO = 16

interface Step {
  name: string
  run(f: FsFixture, ino: number, other: number): number
  after: Buffer
}

const a = Buffer.alloc(6000, 'a')
const grown = Buffer.concat([a, Buffer.alloc(20_000, 'b')])
const punched = Buffer.from(grown).fill(0, 8192, 16_384)
const longer = Buffer.concat([punched, Buffer.alloc(30_000 - punched.length)])
const copied = Buffer.concat([longer, Buffer.alloc(9000, 'o')])
const answer = (result: number | Attributes) => (typeof result === 'number' ? result : 0)

const STEPS: Step[] = [
  { name: 'write inline', run: (f, ino) => f.write(ino, 0, a), after: a },
  { name: 'write beyond', run: (f, ino) => f.write(ino, 6000, grown.subarray(6000)), after: grown },
  { name: 'punch', run: (f, ino) => f.fallocate(ino, PUNCH, 8192, 8192), after: punched },
  { name: 'zero', run: (f, ino) => f.fallocate(ino, ZERO, 26_000, 4000), after: longer },
  { name: 'copy', run: (f, ino, other) => f.copyRange(other, 0, ino, 30_000, 9000), after: copied },
  { name: 'shorten', run: (f, ino) => answer(f.truncate(ino, 20_000)), after: copied.subarray(0, 20_000) },
  { name: 'to the tree', run: (f, ino) => answer(f.truncate(ino, 100)), after: copied.subarray(0, 100) },
]

/** The bytes of a file; the one call that fails may be this one. */
function bytesOf(f: FsFixture, ino: number): Buffer {
  const found = f.read(ino, 0, 100_000)
  return typeof found === 'number' && found === -EIO ? (f.read(ino, 0, 100_000) as Buffer) : (found as Buffer)
}

test('an error of the medium is EIO, and the file is as it was or as it was to be', t => {
  let failures = 0
  for (let n = 1; ; n++) {
    const storage = new FailingStorage(hostStorage)
    const f = new FsFixture(new MapMetadata(), storage)
    const ino = (f.mknod(ROOT, 'f') as Attributes).ino
    const other = (f.mknod(ROOT, 'other') as Attributes).ino
    f.write(other, 0, Buffer.alloc(9000, 'o'))
    storage.failAt = storage.calls + n
    let before: Buffer = Buffer.alloc(0)
    for (const { name, run, after } of STEPS) {
      const result = run(f, ino, other)
      if (result < 0) {
        t.is(result, -EIO, `${name}, call ${n}`)
        // What the failed call has done in place may be seen, as after a crash; a new size may not.
        t.is(bytesOf(f, ino).length, before.length, `${name}, call ${n}: the size`)
        t.true(run(f, ino, other) >= 0, `${name} again, call ${n}`)
      }
      t.true(bytesOf(f, ino).equals(after), `${name}, call ${n}`)
      before = after
    }
    t.is(answer(f.unlink(ROOT, 'f')), 0)
    f.fs.forget(ino)
    const { hasFailed } = storage
    storage.heal()
    f.fs.collectRetired()
    const problems = f.check().filter(({ code }) => code !== 'DATA_UNREFERENCED')
    t.deepEqual(problems, [], `call ${n}`)
    f.dispose()
    if (!hasFailed) break
    failures++
  }
  t.true(failures > 15, `${failures} calls have failed`)
})
