import test from 'ava'
import { HoltError } from '../../src/errors.ts'
import type { Durability } from '../../src/journal/durability.ts'
import type { Journal } from '../../src/journal/journal.ts'
import type { PowerCutStorage } from '../support/power-cut-storage.ts'
import { seededRandom } from '../support/random.ts'
import { appendNext, appendRecords, LOGS, openLog, readAll, upTo } from './fixture.ts'

for (const { log, emptyStore } of LOGS) {
  const SEED = Number(process.env.SEED ?? 20260)

  /** What the run had been promised when the power went. */
  interface Promised {
    /** Last seq whose sync or commit returned with the promise to survive a power cut. */
    durable: number
    appended: number
  }

  /** Appends, syncs now and then, trims and reopens, until done or frozen. The checkpoint is always `after`. */
  function work(storage: PowerCutStorage, durability: Durability, promised: Promised): void {
    for (let round = 0; round < 3; round++) {
      const { journal } = openLog(storage, { durability, segmentBytes: 1500, bufferBytes: 4096 })
      for (let i = 0; i < 12; i++) {
        const seq = appendNext(journal)
        promised.appended = Math.max(promised.appended, seq)
        journal.commit(seq)
        if (durability === 'sync') promised.durable = seq
        else if (i % 5 === 4) promised.durable = journal.sync()
      }
      if (round === 1) continue // as after SIGKILL: never closed
      journal.close()
      promised.durable = journal.durableSeq()
    }
  }

  for (const durability of ['process', 'sync', 'async'] as const) {
    test(`a power cut at every call keeps a prefix with all that was durable, ${durability}, ${log}`, t => {
      t.log(`SEED=${SEED}`)
      for (let n = 1; ; n++) {
        const storage = emptyStore()
        storage.freezeAt = storage.calls + n
        const promised: Promised = { durable: 0, appended: 0 }
        try {
          work(storage, durability, promised)
        } catch (error) {
          if (!storage.isFrozen) throw error
        }
        for (let variant = 0; variant < 6; variant++) {
          const random = seededRandom(SEED + n * 16 + variant)
          const after = variant === 0 ? storage.crash() : storage.crash({ random })
          checkAndContinue(after, promised, random, message => t.fail(`call ${n}, variant ${variant}: ${message}`))
        }
        if (!storage.isFrozen) break
      }
      t.pass()
    })
  }

  /** The log opens, is a long enough prefix, takes records again, and survives the next power cut as well. */
  function checkAndContinue(
    storage: PowerCutStorage,
    promised: Promised,
    random: () => number,
    fail: (message: string) => void,
  ): void {
    const { journal, seqs } = openLog(storage, { segmentBytes: 1500, durability: 'sync' })
    const last = seqs.at(-1) ?? 0
    if (JSON.stringify(seqs) !== JSON.stringify(upTo(last))) fail(`not a prefix: ${seqs}`)
    if (last < promised.durable) fail(`${promised.durable} was durable, ${last} is there`)
    if (last > promised.appended) fail(`${last} was never appended`)
    appendRecords(journal, 5)
    const again = readAll(storage.crash({ random })).seqs
    if (again.length !== last + 5) fail(`after the second cut ${again.length} of ${last + 5}`)
  }

  test(`with sync, a committed record is there after a power cut, and only then, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage, { durability: 'sync', segmentBytes: 1000 })
    for (let i = 1; i <= 40; i++) {
      const seq = appendNext(journal)
      t.deepEqual(readAll(storage.crash()).seqs, upTo(i - 1))
      journal.commit(seq)
      t.is(journal.durableSeq(), i)
      t.deepEqual(readAll(storage.crash()).seqs, upTo(i))
    }
  })

  test(`with process, a power cut may take what no sync covered, and a sync covers it, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage)
    appendRecords(journal, 9)
    t.deepEqual(readAll(storage.crash()).seqs, [])
    t.deepEqual(readAll(storage).seqs, upTo(9))
    t.is(journal.sync(), 9)
    t.deepEqual(readAll(storage.crash()).seqs, upTo(9))
  })

  test(`records of a killed process become durable before the next process writes others, ${log}`, t => {
    const storage = emptyStore()
    appendRecords(openLog(storage).journal, 9)
    const { journal, seqs } = openLog(storage, { durability: 'sync' })
    t.deepEqual(seqs, upTo(9))
    appendRecords(journal, 1)
    t.deepEqual(readAll(storage.crash()).seqs, upTo(10))
  })

  test(`after a power cut in the middle of a start the same start succeeds, ${log}`, t => {
    const storage = emptyStore()
    openLog(storage).journal.close()
    for (let n = 1; ; n++) {
      const cut = storage.crash()
      cut.freezeAt = n
      let journal: Journal | undefined
      try {
        journal = openLog(cut).journal
      } catch (error) {
        t.true(cut.isFrozen && error instanceof HoltError && error.code === 'HOLT_IO')
      }
      for (let seed = 0; seed < 10; seed++) {
        const after = cut.crash({ random: seededRandom(SEED + seed) })
        appendRecords(openLog(after).journal, 2)
        t.deepEqual(readAll(after).seqs, upTo(2), `call ${n}, SEED=${SEED} + ${seed}`)
      }
      if (journal !== undefined) break
    }
  })
}
