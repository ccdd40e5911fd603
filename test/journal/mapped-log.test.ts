/** The log on the host's own filesystem, mapped where it can be: what only real files, processes and signals show. */
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { HoltError } from '../../src/errors.ts'
import { replay } from '../../src/journal/replay.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { NODE_ARGUMENTS, pathOf } from '../support/modules.ts'
import { seededRandom } from '../support/random.ts'
import { appendNext, appendRecords, openLog, readAll, upTo } from './fixture.ts'
import { countBody, KILLED_THREADS } from './killed-run.ts'

const SEED = Number(process.env.SEED ?? 77)
const KILLS = Number(process.env.KILLS ?? 5)

function temporary(t: ExecutionContext): string {
  const root = mkdtempSync(join(tmpdir(), 'holtfs-wal-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  return join(root, 'wal')
}

const sizes = (directory: string) =>
  readdirSync(directory)
    .sort()
    .map(name => statSync(join(directory, name)).size)

test('everything that threads had acknowledged when their process was killed is there, in order, and nothing else', async t => {
  t.log(`SEED=${SEED}`)
  const random = seededRandom(SEED)
  const directory = temporary(t)
  const telling = join(directory, '..', 'acknowledged')
  const counts: number[][] = []
  for (let run = 0; run < KILLS; run++) {
    const child = fork(pathOf(import.meta.url, './killed-process'), [directory, telling, String(run)], {
      execArgv: NODE_ARGUMENTS,
    })
    const ended = once(child, 'exit')
    await once(child, 'message')
    setTimeout(() => child.kill('SIGKILL'), random() * 150)
    await ended
    const told = readFileSync(telling)
    counts[run] = Array(KILLED_THREADS).fill(0)
    let wrong = 0
    const seen = counts.map(() => Array(KILLED_THREADS).fill(0))
    const { lastSeq, records } = replay(hostStorage, directory, 0, true, (type, body, length) => {
      const of = Buffer.from(body.buffer, body.byteOffset, length).readUInt32LE(0)
      if (Buffer.compare(body, countBody(of, ++seen[of][type - 1])) !== 0) wrong++
    })
    t.is(wrong, 0)
    t.is(lastSeq, records)
    t.deepEqual(seen.slice(0, run), counts.slice(0, run), 'what an earlier process left stays')
    counts[run] = seen[run]
    for (let i = 0; i < KILLED_THREADS; i++) {
      const acknowledged = told.length >= (i + 1) * 8 ? told.readDoubleLE(i * 8) : 0
      t.true(seen[run][i] >= acknowledged, `run ${run}: ${acknowledged} acknowledged, ${seen[run][i]} there`)
    }
  }
  t.true(counts.flat().reduce((sum, count) => sum + count, 0) >= KILLS * 100)
})

test('a log that takes nothing has no file, one in use has little more than its records, and closed segments have no more', t => {
  const directory = temporary(t)
  const { journal } = openLog(hostStorage, { directory, segmentBytes: 300_000, bufferBytes: 100_000 })
  journal.flush()
  journal.sync()
  t.deepEqual(hostStorage.list(directory), [])
  appendRecords(journal, 100)
  t.true(sizes(directory)[0] <= 64 * 1024)
  appendRecords(journal, 4900)
  const used = journal.appendedBytes()
  const total = () => sizes(directory).reduce((sum, size) => sum + size, 0)
  t.true(total() < used * 1.5 + 64 * 1024, `${used} bytes of records, ${sizes(directory)}`)
  const segments = sizes(directory).length
  t.true(segments > 2)
  journal.close()
  t.is(total(), used + segments * 32 + 24)
  t.deepEqual(readAll(hostStorage, 0, directory), { seqs: upTo(5000) })
})

test('room that a killed process had reserved is no torn tail, and is given back', t => {
  const directory = temporary(t)
  appendRecords(openLog(hostStorage, { directory }).journal, 10)
  const before = sizes(directory)
  const { journal, seqs, torn } = openLog(hostStorage, { directory })
  t.deepEqual(seqs, upTo(10))
  t.is(torn, undefined)
  t.deepEqual(sizes(directory), before)
  appendRecords(journal, 1)
  t.true(sizes(directory)[0] < 4096 && sizes(directory)[0] <= before[0])
  journal.close()
})

test('on a full disk appends are refused before anything is taken, and go on when there is space', t => {
  const mount = mkdtempSync(join(tmpdir(), 'holtfs-full-'))
  t.teardown(() => rmSync(mount, { recursive: true }))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', mount]).status !== 0) {
    t.log('not tested: no right to mount')
    t.pass()
    return
  }
  t.teardown(() => spawnSync('umount', [mount]))
  const directory = join(mount, 'wal')
  const options = { directory, segmentBytes: 200_000, bufferBytes: 64 * 1024 }
  const { journal } = openLog(hostStorage, options)
  for (let round = 0; round < 3; round++) {
    const { bavail, bsize } = statfsSync(mount)
    writeFileSync(join(mount, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - 150_000)))
    for (let refused = 0; refused < 3; ) {
      const last = journal.lastSeq()
      try {
        journal.commit(appendNext(journal))
      } catch (error) {
        t.is((error as HoltError).code, 'HOLT_FULL')
        t.is(journal.lastSeq(), last)
        refused++
      }
    }
    t.false(journal.failed())
    t.deepEqual(readAll(hostStorage, 0, directory).seqs, upTo(journal.lastSeq()))
    truncateSync(join(mount, 'ballast'), 0)
    appendRecords(journal, 100)
  }
  const last = journal.lastSeq()
  t.true(last > 500, `${last} records`)
  journal.close()
  const again = openLog(hostStorage, options)
  t.deepEqual(again.seqs, upTo(last))
  again.journal.close()
})

test('a journal that is closed refuses every record, and its address may serve another one', t => {
  const first = openLog(hostStorage, { directory: temporary(t) }).journal
  appendRecords(first, 5)
  first.close()
  const directory = temporary(t)
  const second = openLog(hostStorage, { directory }).journal
  t.throws(() => first.append(1, new Uint8Array(8), 8), { code: 'HOLT_CLOSED' })
  appendRecords(second, 5)
  second.close()
  t.deepEqual(readAll(hostStorage, 0, directory), { seqs: upTo(5) })
})
