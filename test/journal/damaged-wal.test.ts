import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import test from 'ava'
import { recordBytes } from '../../src/journal/record.ts'
import { SEGMENT_HEADER } from '../../src/journal/segments.ts'
import type { PowerCutStorage } from '../support/power-cut-storage.ts'
import { appendRecords, DIRECTORY, LOGS, openLog, readAll, readFile, upTo, writeFile } from './fixture.ts'

for (const { log, emptyStore } of LOGS) {
  /** A closed log of `count` records in segments of `segmentBytes`. */
  function closedLog(count: number, segmentBytes: number): PowerCutStorage {
    const storage = emptyStore()
    const { journal } = openLog(storage, { segmentBytes })
    appendRecords(journal, count)
    journal.close()
    return storage
  }

  const pathsOf = (storage: PowerCutStorage) =>
    storage
      .list(DIRECTORY)
      .sort()
      .map(name => join(DIRECTORY, name))

  test(`any flipped byte of a closed log refuses to open and says where, ${log}`, t => {
    const storage = closedLog(6, 1 << 20)
    const [path] = pathsOf(storage)
    const bytes = readFile(storage, path)
    const sealAt = bytes.length - recordBytes(0)
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice()
      flipped[at] ^= 1 << (at % 8)
      writeFile(storage, path, flipped)
      if (at >= sealAt) {
        t.deepEqual(readAll(storage).seqs, upTo(6), `byte ${at}`)
        continue
      }
      const error = t.throws(() => readAll(storage), { code: 'HOLT_CORRUPT_WAL' }, `byte ${at}`)
      const offset = Number(/^0000000000000001\.wal: .* byte (\d+): /.exec(error?.message ?? '')?.[1])
      t.true(offset <= at && at - offset < 330, `byte ${at}: ${error?.message}`)
    }
  })

  test(`a bad record that was durable refuses although the log was never closed, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage)
    appendRecords(journal, 5)
    journal.sync()
    appendRecords(journal, 1)
    const [path] = pathsOf(storage)
    const bytes = readFile(storage, path)
    bytes[100] ^= 1
    writeFile(storage, path, bytes)
    t.throws(() => readAll(storage), { code: 'HOLT_CORRUPT_WAL' })
  })

  test(`a bad record that was never synced ends the log, whatever reached the disk behind it, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage)
    appendRecords(journal, 5)
    const [path] = pathsOf(storage)
    const bytes = readFile(storage, path)
    bytes[120] ^= 1
    writeFile(storage, path, bytes)
    t.deepEqual(readAll(storage), {
      seqs: [1],
      torn: { segment: '0000000000000001.wal', first: 1, offset: SEGMENT_HEADER + recordBytes(37) },
    })
  })

  test(`a bad record at or below the checkpoint refuses when records follow, ${log}`, t => {
    const storage = emptyStore()
    const { journal } = openLog(storage)
    appendRecords(journal, 5)
    const [path] = pathsOf(storage)
    const bytes = readFile(storage, path)
    bytes[100] ^= 1
    writeFile(storage, path, bytes)
    t.throws(() => readAll(storage, 3), { code: 'HOLT_CORRUPT_WAL' })
  })

  test(`a bad record in any but the last segment refuses, also the last one there, ${log}`, t => {
    const storage = closedLog(60, 1000)
    const paths = pathsOf(storage)
    t.true(paths.length > 5)
    for (const path of paths.slice(0, -1)) {
      const bytes = readFile(storage, path)
      const flipped = bytes.slice()
      flipped[bytes.length - 2] ^= 1
      for (const damaged of [flipped, bytes.subarray(0, bytes.length - 3), bytes.subarray(0, 20)]) {
        writeFile(storage, path, damaged)
        t.throws(() => readAll(storage), { code: 'HOLT_CORRUPT_WAL' }, path)
      }
      writeFile(storage, path, bytes)
    }
    t.deepEqual(readAll(storage), { seqs: upTo(60) })
  })

  test(`a missing segment refuses: the first, one in between, all of them, ${log}`, t => {
    const count = pathsOf(closedLog(60, 1000)).length
    for (let missing = 0; missing < count - 1; missing++) {
      const storage = closedLog(60, 1000)
      storage.unlink(pathsOf(storage)[missing])
      t.throws(() => readAll(storage), { code: 'HOLT_MISSING_WAL' }, `segment ${missing}`)
    }
    const storage = closedLog(60, 1000)
    for (const path of pathsOf(storage)) storage.unlink(path)
    t.throws(() => readAll(storage, 1), { code: 'HOLT_MISSING_WAL' })
    t.deepEqual(readAll(storage, 0), { seqs: [] })
  })

  test(`segments swapped under each other’s names refuse, ${log}`, t => {
    const storage = closedLog(60, 1000)
    const [first, second] = pathsOf(storage)
    const bytes = readFile(storage, first)
    writeFile(storage, first, readFile(storage, second))
    writeFile(storage, second, bytes)
    t.throws(() => readAll(storage), { code: 'HOLT_CORRUPT_WAL' })
  })

  test(`a newer format version is refused as such, ${log}`, t => {
    const storage = closedLog(3, 1000)
    const [path] = pathsOf(storage)
    const bytes = readFile(storage, path)
    const view = new DataView(bytes.buffer)
    view.setUint32(8, 2, true)
    view.setUint32(28, crc32(bytes.subarray(0, 28)), true)
    writeFile(storage, path, bytes)
    t.throws(() => readAll(storage), { code: 'HOLT_FORMAT' })
  })

  test(`files of other names in the directory are left alone, ${log}`, t => {
    const storage = closedLog(3, 1000)
    writeFile(storage, join(DIRECTORY, 'notes.txt'), new Uint8Array(3))
    writeFile(storage, join(DIRECTORY, '1.wal'), new Uint8Array(3))
    t.deepEqual(readAll(storage), { seqs: upTo(3) })
  })
}
