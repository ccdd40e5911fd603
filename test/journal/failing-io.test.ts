import test from 'ava'
import { HoltError } from '../../src/errors.ts'
import type { Durability } from '../../src/journal/durability.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { FailingStorage, type StorageCall } from '../support/failing-storage.ts'
import { appendNext, appendRecords, LOGS, openLog, readAll, upTo } from './fixture.ts'

for (const { log, isMapped, emptyStore } of LOGS) {
  const KINDS: readonly StorageCall[] = ['open', 'write', 'datasync', 'syncDirectory', 'mkdir', 'map']
  const COUNT = 60

  function codeOf(error: unknown): string {
    if (error instanceof HoltError) return error.code
    throw error
  }

  for (const durability of ['process', 'sync', 'async'] as const) {
    test(`an I/O error at every call: nothing is acknowledged after it, nothing before it is lost, ${durability}, ${log}`, t => {
      let failures = 0
      for (let n = 1; ; n++) {
        const store = emptyStore()
        const storage = new FailingStorage(store, { failAt: n, kinds: KINDS, partialWrites: n % 2 === 0 })
        const acknowledged = runUntilError(storage, durability, code => t.is(code, 'HOLT_IO'))
        const left = durability === 'sync' ? store.crash() : store
        const { journal, seqs } = openLog(left)
        t.deepEqual(seqs, upTo(seqs.length))
        t.true(seqs.length >= acknowledged, `call ${n}: ${acknowledged} acknowledged, ${seqs.length} there`)
        appendRecords(journal, 2)
        t.deepEqual(readAll(left).seqs, upTo(seqs.length + 2))
        if (!storage.hasFailed) break
        failures++
      }
      t.true(failures > 20, `${failures} calls`)
    })
  }

  /** Returns the last seq whose bytes must be there: acknowledged, with `async` by sync only. */
  function runUntilError(storage: FailingStorage, durability: Durability, onError: (code: string) => void): number {
    let acknowledged = 0
    try {
      const { journal } = openLog(storage, { durability, segmentBytes: 1500, bufferBytes: 2048 })
      try {
        for (let i = 1; i <= COUNT; i++) {
          const seq = appendNext(journal)
          journal.commit(seq)
          if (durability !== 'async') acknowledged = seq
          else if (i % 20 === 0) acknowledged = journal.sync()
        }
      } catch (error) {
        if (!journal.failed()) throw error
        const last = journal.lastSeq()
        for (const call of [() => journal.append(1, new Uint8Array(1), 1), () => journal.commit(last + 1)]) {
          try {
            call()
            onError('acknowledged after a failure')
          } catch (later) {
            if (codeOf(later) !== 'HOLT_FAILED') onError(codeOf(later))
          }
        }
        throw error
      } finally {
        journal.close()
      }
    } catch (error) {
      onError(codeOf(error))
    }
    return acknowledged
  }

  /** Appends the next record, at a second try when the first one is refused with `code`. */
  function appendDespite(code: string, journal: Journal): number {
    try {
      return appendNext(journal)
    } catch (error) {
      if (codeOf(error) !== code) throw error
      return appendNext(journal)
    }
  }

  test(`a failed fsync is never believed, however often it is asked again, ${log}`, t => {
    const storage = new FailingStorage(emptyStore(), { kinds: ['datasync'] })
    const { journal } = openLog(storage)
    appendRecords(journal, 3)
    storage.failAt = storage.calls + 1
    t.throws(() => journal.sync(), { code: 'HOLT_IO' })
    t.true(journal.failed())
    const error = t.throws(() => journal.sync(), { code: 'HOLT_FAILED' }) as HoltError
    t.is(error.applied, 'unknown')
    t.throws(() => journal.flush(), { code: 'HOLT_FAILED' })
    t.is(journal.durableSeq(), 0)
    journal.close()
  })

  for (const partialWrites of [false, true]) {
    for (const code of ['ENOSPC', 'EDQUOT']) {
      test(`${code} at every write passes: the records stay and a later commit writes them, partial ${partialWrites}, ${log}`, t => {
        for (let n = 1; ; n++) {
          const store = emptyStore()
          const storage = new FailingStorage(store, { kinds: ['write', 'open'], code, partialWrites })
          const { journal } = openLog(storage, { segmentBytes: 1500 })
          storage.failAt = storage.calls + n
          for (let i = 1; i <= 30; i++) {
            const seq = appendDespite('HOLT_FULL', journal)
            try {
              journal.commit(seq)
            } catch (error) {
              t.is(codeOf(error), 'HOLT_IO')
              t.false(journal.failed())
              journal.commit(seq)
            }
          }
          journal.close()
          t.deepEqual(readAll(store).seqs, upTo(30), `call ${n}`)
          if (!storage.hasFailed) break
        }
      })
    }
  }

  test(`on a full disk the buffer fills, then appends are refused before anything is taken, until there is room, ${log}`, t => {
    const store = emptyStore()
    const storage = new FailingStorage(store, { kinds: ['write'], code: 'ENOSPC', sticky: true })
    const { journal } = openLog(storage, { bufferBytes: 4096 })
    appendRecords(journal, 5)
    storage.failAt = storage.calls + 1
    let refused = 0
    for (let i = 0; i < 1000 && refused < 5; i++) {
      const last = journal.lastSeq()
      const bytes = journal.appendedBytes()
      try {
        appendNext(journal)
      } catch (error) {
        t.is(codeOf(error), 'HOLT_FULL')
        t.is((error as HoltError).applied, 'not-applied')
        t.is(journal.lastSeq(), last)
        t.is(journal.appendedBytes(), bytes)
        refused++
        continue
      }
      if (!isMapped) t.throws(() => journal.commit(journal.lastSeq()), { code: 'HOLT_IO' })
    }
    t.is(refused, 5)
    storage.heal()
    const last = journal.lastSeq()
    appendRecords(journal, 10)
    journal.close()
    t.deepEqual(readAll(store), { seqs: upTo(last + 10) })
  })

  test(`a segment that cannot be deleted is reported and the log goes on, ${log}`, t => {
    const store = emptyStore()
    const storage = new FailingStorage(store, { kinds: ['unlink'], failAt: 2 })
    const { journal } = openLog(storage, { segmentBytes: 500 })
    appendRecords(journal, 40)
    t.throws(() => journal.trim(40), { code: 'HOLT_IO' })
    t.false(journal.failed())
    journal.trim(40)
    appendRecords(journal, 5)
    t.deepEqual(readAll(store, 40).seqs, upTo(45, 40))
  })
}
