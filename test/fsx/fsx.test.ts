/**
 * fsx on real mounts, short: with one worker and with four, while servers are killed, and its logs played again. Longer runs: `npm
 * run fsx`, docs/testing.md. HOLTFS_SEED repeats a run.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import { canMount, cleanUp, sh } from '../mount/real-mount.ts'
import { type FsxOptions, type FsxResult, runFsx } from './run.ts'

const SEED = Number(process.env.HOLTFS_SEED ?? Date.now() % 1e9)
const test = canMount ? anyTest.serial : anyTest.serial.skip
const scratch = mkdtempSync(join(tmpdir(), 'holtfs fsx-test-'))

anyTest.after.always(async () => {
  await cleanUp()
  rmSync(scratch, { recursive: true, force: true })
})

function run(t: ExecutionContext, given: Partial<FsxOptions> = {}): Promise<FsxResult> {
  t.timeout(300_000)
  t.log(`HOLTFS_SEED=${SEED}`)
  const options = { operations: 800, seed: SEED, workers: 1, clients: 1, shared: false, keepsGoing: false }
  return runFsx({ ...options, shrinkFor: 0, logs: scratch, ...given })
}

test('one worker, and its log played again makes the same files', async t => {
  const logs = [mkdtempSync(join(scratch, 'first-')), mkdtempSync(join(scratch, 'again-'))]
  const first = await run(t, { logs: logs[0] })
  t.deepEqual(first.findings, [])
  t.is(first.operations, 800)
  const again = await run(t, { logs: logs[1], replay: join(logs[0], 'client-0.log') })
  t.deepEqual(again.findings, [])
  t.is(again.operations, 800)
  for (const name of ['a', 'b']) {
    const [made, madeAgain] = logs.map(directory => readFileSync(join(directory, `client-0.log.${name}.expected`)))
    t.true(made.equals(madeAgain), name)
  }
})

test('four workers and clients, with a file that they share', async t => {
  const { findings, operations } = await run(t, { workers: 4, clients: 4, shared: true })
  t.deepEqual(findings, [])
  t.is(operations, 800)
})

test('servers are killed, and nobody sees it', async t => {
  const { findings, kills, pause } = await run(t, { workers: 4, clients: 2, shared: true, killEvery: 200 })
  t.deepEqual(findings, [])
  t.true(kills >= 2)
  t.log(`${kills} kills, the longest pause ${pause!.longest} ms`)
})

test('what fails is reported and shrunk: a filesystem that is full', async t => {
  const directory = mkdtempSync(join(scratch, 'full-'))
  const logs = mkdtempSync(join(scratch, 'logs-'))
  await sh('mount -t tmpfs -o size=128k none .', directory)
  try {
    const { findings, without } = await run(t, { directory, logs, shrinkFor: 60_000 })
    t.true(without.includes('zero'), 'tmpfs zeroes no ranges')
    t.is(findings.length, 1)
    t.regex(findings[0].what, /answered \d+ instead of|answered ENOSPC|SIGBUS/)
    const { operations, log } = findings[0].shrunk!
    // Each that is left takes one of the 32 pages at least, and the last one finds none.
    t.true(operations.length <= 33, operations.join('\n'))
    t.deepEqual(readdirSync(directory), [], 'nothing is left behind')
    const again = await run(t, { directory, logs: scratch, replay: log })
    t.is(again.findings.length, 1)
  } finally {
    await sh(`umount -l '${directory}'`, '/')
  }
})
