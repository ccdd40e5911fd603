/**
 * No request is applied twice, and none is lost: for every kind of change, the server is killed after it has read the request,
 * and after it has applied it, before it answers. The caller gets the right answer, once it was applied exactly once.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import anyTest from 'ava'
import { PROJECT } from '../support/modules.ts'
import { canMount, cleanUp, KILL_TRAP, program, RealMount } from './real-mount.ts'

const test = canMount ? anyTest.serial : anyTest.serial.skip
anyTest.after.always(cleanUp)

interface Outcome {
  what: string
  moment: string
  took: number
  problems: string[]
}

test('a request whose server dies is carried out once and answered right', async t => {
  t.timeout(300_000)
  const mount = new RealMount('unanswered')
  const trap = join(mount.directory, 'trap')
  await mount.mountWith({ NODE_OPTIONS: `--import=${KILL_TRAP}`, HOLTFS_TRAP: trap }, '--workers', '2')
  const [file, argv] = program('./unanswered-client', mount.path, trap)
  const { stdout } = await promisify(execFile)(file, argv, { cwd: PROJECT, timeout: 240_000, killSignal: 'SIGKILL' })
  const outcomes = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Outcome)
  t.true(outcomes.length > 50)
  for (const { what, moment, problems } of outcomes) t.deepEqual(problems, [], `${what}, killed at ${moment}`)
  const pauses = outcomes.map(({ took }) => took).sort((a, b) => a - b)
  t.log(
    `${pauses.length} kills; pause ${pauses[pauses.length >> 1].toFixed(0)} ms, at most ${pauses.at(-1)?.toFixed(0)} ms`,
  )
  await mount.umount()
  await mount.check()
})
