import { constants } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { recordBytes } from '../../src/journal/record.ts'
import { SEGMENT_HEADER } from '../../src/journal/segments.ts'
import { appendRecords, bodyOf, DIRECTORY, LOGS, openLog, readAll, readFile, upTo, writeFile } from './fixture.ts'

const [{ emptyStore }] = LOGS
const PATH = join(DIRECTORY, '0000000000000001.wal')

/** Sizes of the only segment after 0, 1, … records. */
function sizesAfterEach(count: number): { bytes: Uint8Array; sizes: number[] } {
  const storage = emptyStore()
  const { journal } = openLog(storage)
  const sizes = [SEGMENT_HEADER]
  for (let i = 0; i < count; i++) {
    appendRecords(journal, 1)
    sizes.push(readFile(storage, PATH).length)
  }
  return { bytes: readFile(storage, PATH), sizes }
}

test('cut at every byte, the log keeps all whole records, appends after the tear and reopens', t => {
  const { bytes, sizes } = sizesAfterEach(6)
  for (let length = 0; length <= bytes.length; length++) {
    const storage = emptyStore()
    storage.mkdir(DIRECTORY)
    writeFile(storage, PATH, bytes, length)
    const whole = Math.max(
      0,
      sizes.findLastIndex(size => size <= length),
    )
    const first = openLog(storage)
    t.deepEqual(first.seqs, upTo(whole), `cut at ${length}`)
    t.is(first.torn === undefined, length === sizes[whole], `cut at ${length}`)
    appendRecords(first.journal, 3)
    first.journal.close()
    t.deepEqual(readAll(storage), { seqs: upTo(whole + 3) }, `cut at ${length}`)
  }
})

test('a tail of zeros or of noise is cut like a short one', t => {
  const { bytes, sizes } = sizesAfterEach(5)
  for (const fill of [0, 0x57, 255]) {
    for (let at = sizes[3]; at < sizes[4]; at++) {
      const storage = emptyStore()
      storage.mkdir(DIRECTORY)
      const torn = bytes.slice()
      if (torn.subarray(at).every(byte => byte === fill)) continue
      torn.fill(fill, at)
      writeFile(storage, PATH, torn)
      const seqs = openLog(storage).seqs.length
      // Bytes that happen to be what was there change nothing.
      t.true(
        seqs === 3 || (seqs === 4 && Buffer.compare(torn.subarray(0, sizes[4]), bytes.subarray(0, sizes[4])) === 0),
      )
    }
  }
})

test('zeros in place of any 512 bytes, as pages that did not reach the disk leave them, cut the log or refuse it', t => {
  const durable = 30
  const storage = emptyStore()
  const { journal } = openLog(storage)
  const ends = [SEGMENT_HEADER]
  for (let seq = 1; seq <= 60; seq++) {
    appendRecords(journal, 1)
    ends.push(ends[seq - 1] + recordBytes(bodyOf(seq).length))
    if (seq === durable) journal.sync()
  }
  const bytes = new Uint8Array(64 * 1024)
  bytes.set(readFile(storage, PATH))
  writeFile(storage, PATH, bytes)
  t.deepEqual(readAll(storage), { seqs: upTo(60) })
  let refused = 0
  for (let at = 512; at < ends[60]; at += 512) {
    writeFile(storage, PATH, bytes.slice().fill(0, at, at + 512))
    const first = ends.findIndex(end => end > at)
    if (first <= durable) {
      t.throws(() => readAll(storage), { code: 'HOLT_CORRUPT_WAL' }, `zeros at ${at}`)
      refused++
      continue
    }
    const { seqs, torn } = readAll(storage)
    t.deepEqual(seqs, upTo(first - 1), `zeros at ${at}`)
    t.is(torn?.offset, at + 512 >= ends[60] && at === ends[first - 1] ? undefined : ends[first - 1], `zeros at ${at}`)
  }
  t.true(refused > 3)
})

test('zeros behind the last record of a segment that another one follows are no damage, in place of it they are', t => {
  const storage = emptyStore()
  const { journal } = openLog(storage, { segmentBytes: 1000 })
  appendRecords(journal, 30)
  const paths = storage
    .list(DIRECTORY)
    .sort()
    .map(name => join(DIRECTORY, name))
  t.true(paths.length > 3)
  for (const path of paths) {
    const bytes = readFile(storage, path)
    const longer = new Uint8Array(bytes.length + 3000)
    longer.set(bytes)
    writeFile(storage, path, longer)
  }
  t.deepEqual(readAll(storage), { seqs: upTo(30) })
  const bytes = readFile(storage, paths[1])
  const nextFirst = Number.parseInt(paths[2].slice(-20), 16)
  const lastBytes = recordBytes(bodyOf(nextFirst - 1).length)
  writeFile(storage, paths[1], bytes.fill(0, bytes.length - 3000 - lastBytes))
  t.throws(() => readAll(storage), { code: 'HOLT_CORRUPT_WAL' })
})

test('reading a torn log changes nothing', t => {
  const { bytes } = sizesAfterEach(4)
  const storage = emptyStore()
  storage.mkdir(DIRECTORY)
  writeFile(storage, PATH, bytes, bytes.length - 5)
  const calls = storage.calls
  t.deepEqual(readAll(storage).seqs, upTo(3))
  t.deepEqual(readAll(storage).seqs, upTo(3))
  t.is(storage.calls, calls)
})

test('a tear is cut durably before a later segment follows it', t => {
  const { bytes } = sizesAfterEach(4)
  const storage = emptyStore()
  storage.mkdir(DIRECTORY)
  storage.syncDirectory('/store')
  writeFile(storage, PATH, bytes, bytes.length - 5)
  const { journal } = openLog(storage)
  appendRecords(journal, 5)
  journal.sync()
  t.deepEqual(readAll(storage.crash()), { seqs: upTo(8) })
})

test('a tail that opening found stays until something is appended, and is cut durably then', t => {
  const { bytes } = sizesAfterEach(4)
  const storage = emptyStore()
  storage.mkdir(DIRECTORY)
  storage.syncDirectory('/store')
  writeFile(storage, PATH, bytes, bytes.length - 5)
  storage.syncDirectory(DIRECTORY)
  const fd = storage.open(PATH, constants.O_RDWR)
  storage.datasync(fd)
  storage.close(fd)
  const { calls } = storage
  openLog(storage).journal.flush()
  t.is(storage.calls, calls)
  t.is(readAll(storage).torn?.first, 1)
  appendRecords(openLog(storage).journal, 1)
  t.deepEqual(readAll(storage.crash()), { seqs: upTo(3) })
})
