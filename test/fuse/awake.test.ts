/** Polling for the next request, on a pipe in the place of the device. What it gains is a matter of benches. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Awake, createPollFlag } from '../../src/fs/fuse/awake.ts'

const directory = mkdtempSync(join(tmpdir(), 'holtfs-awake-'))
const pipe = join(directory, 'pipe')
execFileSync('mkfifo', [pipe])
const fd = openSync(pipe, 'r+')
test.after.always(() => {
  closeSync(fd)
  rmSync(directory, { recursive: true })
})

const byte = Buffer.alloc(1)
/** What the flag says while somebody polls. */
const POLLING = 1

test.serial('polling ends with a request or without one, and the next worker may poll', t => {
  const flag = createPollFlag()
  const awake = new Awake(fd, flag)
  for (let i = 0; i < 100; i++) {
    awake.wait()
    awake.received()
    t.is(flag[0], 0)
    if (i % 2 === 0) {
      writeSync(fd, byte)
      awake.wait()
      t.is(readSync(fd, byte), 1)
      awake.received()
    }
  }
})

test.serial('one worker polls at a time', t => {
  const flag = createPollFlag()
  const awake = new Awake(fd, flag)
  awake.wait()
  awake.received()
  flag[0] = POLLING
  // Another one polls: this one goes to sleep, and leaves the flag to the one whose it is.
  awake.wait()
  t.is(flag[0], POLLING)
})
