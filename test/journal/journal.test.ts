import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Journal } from '../../src/journal/journal.ts'
import { replay } from '../../src/journal/replay.ts'
import { createJournalShared } from '../../src/journal/shared.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { MAX_RECORD } from '../../src/limits.ts'
import { seededRandom } from '../support/random.ts'
import { appendNext, appendRecords, bodyOf, DIRECTORY, LOGS, openLog, readAll, typeOf, upTo } from './fixture.ts'

for (const { log, isMapped, emptyStore } of LOGS) {
  test(`records come back in order with type, body and seq, on the host filesystem, ${log}`, t => {
    const directory = join(mkdtempSync(join(tmpdir(), 'holtfs-wal-')), 'wal')
    t.teardown(() => rmSync(join(directory, '..'), { recursive: true }))
    const { journal } = openLog(hostStorage, { directory })
    appendRecords(journal, 1000)
    t.deepEqual(readAll(hostStorage, 0, directory).seqs, upTo(1000))
    journal.close()
    t.deepEqual(readAll(hostStorage, 0, directory), { seqs: upTo(1000) })
    t.deepEqual(readAll(hostStorage, 700, directory), { seqs: upTo(1000, 700) })
    t.deepEqual(readAll(hostStorage, 1000, directory), { seqs: [] })
  })

  test(`only the first \`length\` bytes of a body are taken, also of a buffer used again, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage)
    const buffer = new Uint8Array(512)
    for (let seq = 1; seq <= 100; seq++) {
      const body = bodyOf(seq)
      buffer.fill(255).set(body)
      journal.commit(journal.append(typeOf(seq), buffer, body.length))
    }
    t.deepEqual(readAll(storage).seqs, upTo(100))
  })

  test(`a log opened and closed again and again continues its seqs, ${log}`, t => {
    const storage = emptyStore()
    for (let round = 0; round < 10; round++) {
      const { journal, seqs, torn } = openLog(storage)
      t.deepEqual(seqs, upTo(round * 7))
      t.is(torn, undefined)
      if (round % 3 === 2) appendRecords(journal, 0)
      appendRecords(journal, 7)
      journal.close()
      openLog(storage).journal.close()
    }
    t.deepEqual(readAll(storage), { seqs: upTo(70) })
  })

  test(`seqs beyond 2^32 keep all their bits, ${log}`, t => {
    const storage = emptyStore()
    const before = 2 ** 32 - 3
    const shared = createJournalShared()
    const found = { lastSeq: before, durableSeq: before }
    const journal = Journal.start(storage, DIRECTORY, shared, found, { durability: 'process', segmentBytes: 300 })
    appendRecords(journal, 20)
    journal.close()
    t.deepEqual(readAll(storage, before), { seqs: upTo(before + 20, before) })
  })

  test(`segments rotate at their size and trim deletes exactly those wholly at or below a seq, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage, { segmentBytes: 2000 })
    appendRecords(journal, 200)
    const names = () => storage.list(DIRECTORY).sort()
    const firsts = () => names().map(name => Number.parseInt(name, 16))
    t.true(firsts().length > 10)
    for (const seq of [0, 1, 40, 41, 90, 200, 1000]) {
      const before = firsts()
      journal.trim(seq)
      const expected = before.filter((_, i) => i === before.length - 1 || before[i + 1] > seq + 1)
      t.deepEqual(firsts(), expected, `trim(${seq})`)
      if (seq <= 200) t.deepEqual(readAll(storage, seq).seqs, upTo(200, seq))
    }
    appendRecords(journal, 10)
    t.deepEqual(readAll(storage, 200).seqs, upTo(210, 200))
    journal.close()
  })

  test(`a trim of which a power cut keeps any part leaves a log that opens, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage, { segmentBytes: 500 })
    appendRecords(journal, 60)
    journal.sync()
    journal.trim(50)
    for (let seed = 1; seed <= 50; seed++) {
      t.deepEqual(readAll(storage.crash({ random: seededRandom(seed) }), 50).seqs, upTo(60, 50), `seed ${seed}`)
    }
  })

  test(`records that do not fit the ring in one piece wrap and are whole in the file, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage, { durability: 'async', bufferBytes: 1000 })
    appendRecords(journal, 500)
    journal.flush()
    t.deepEqual(readAll(storage).seqs, upTo(500))
    t.is(journal.writtenSeq(), 500)
    t.true(journal.counters().writes < 500)
  })

  test(`the largest record is taken and one byte more is refused, with nothing changed, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage)
    const body = new Uint8Array(MAX_RECORD + 1).fill(5)
    const bytes = journal.appendedBytes()
    t.throws(() => journal.append(1, body, MAX_RECORD + 1), { code: 'HOLT_BATCH_TOO_LARGE' })
    t.throws(() => journal.append(0, body, 1), { code: 'HOLT_INVALID' })
    t.is(journal.lastSeq(), 0)
    t.is(journal.appendedBytes(), bytes)
    for (let i = 0; i < 5; i++) journal.commit(journal.append(1, body, MAX_RECORD))
    journal.close()
    const lengths: number[] = []
    replay(storage, DIRECTORY, 0, true, (_, read, length) => lengths.push(read.every(byte => byte === 5) ? length : -1))
    t.deepEqual(lengths, Array(5).fill(MAX_RECORD))
  })

  test(`async acknowledges at once and writes when 64 KB wait, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage, { durability: 'async' })
    appendRecords(journal, 10)
    t.is(journal.writtenSeq(), isMapped ? 10 : 0)
    if (isMapped) return
    while (journal.writtenSeq() === 0) journal.commit(appendNext(journal))
    t.true(journal.appendedBytes() >= 64 * 1024 && journal.appendedBytes() < 65 * 1024)
    t.deepEqual(readAll(storage).seqs, upTo(journal.writtenSeq()))
  })

  test(`sync with nothing pending makes no call, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage)
    appendRecords(journal, 3)
    t.is(journal.durableSeq(), 0)
    t.is(journal.sync(), 3)
    t.is(journal.durableSeq(), 3)
    const calls = storage.calls
    t.is(journal.sync(), 3)
    journal.flush()
    journal.commit(3)
    t.is(storage.calls, calls)
  })

  test(`a closed journal refuses, and a start before records that exist, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage)
    appendRecords(journal, 3)
    journal.close()
    journal.close()
    t.throws(() => journal.append(1, bodyOf(1), 1), { code: 'HOLT_CLOSED' })
    t.throws(() => journal.commit(3000), { code: 'HOLT_CLOSED' })
    const second = openLog(storage).journal
    appendRecords(second, 1)
    second.close()
    const options = { durability: 'process', segmentBytes: 1000 } as const
    const found = { lastSeq: 2, durableSeq: 2 }
    const wrong = Journal.start(storage, DIRECTORY, createJournalShared(), found, options)
    t.throws(
      () => {
        wrong.append(1, bodyOf(3), 1)
        wrong.flush()
      },
      { code: 'HOLT_INVALID' },
    )
  })
}
