import { constants } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { cutLog, replay } from '../../src/journal/replay.ts'
import { appendRecords, DIRECTORY, LOGS, openLog, readAll, readFile, upTo, writeFile } from './fixture.ts'

const [{ emptyStore }] = LOGS
const PATH = join(DIRECTORY, '0000000000000001.wal')

/** Sizes of the only segment after 0, 1, … records. */
function sizesAfterEach(count: number): { bytes: Uint8Array; sizes: number[] } {
  const storage = emptyStore()
  const { journal } = openLog(storage)
  const sizes = [readFile(storage, PATH).length]
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
  writeFile(storage, PATH, bytes, bytes.length - 5)
  const { journal } = openLog(storage)
  appendRecords(journal, 5)
  journal.sync()
  t.deepEqual(readAll(storage.crash()), { seqs: upTo(8) })
})

test('a tail once cut stays cut after a power cut', t => {
  const { bytes } = sizesAfterEach(4)
  const storage = emptyStore()
  storage.mkdir(DIRECTORY)
  storage.syncDirectory('/store')
  writeFile(storage, PATH, bytes, bytes.length - 5)
  storage.syncDirectory(DIRECTORY)
  const fd = storage.open(PATH, constants.O_RDWR)
  storage.datasync(fd)
  storage.close(fd)
  cutLog(
    storage,
    DIRECTORY,
    replay(storage, DIRECTORY, 0, () => {}),
  )
  t.deepEqual(readAll(storage.crash()), { seqs: upTo(3) })
})
