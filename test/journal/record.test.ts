import { crc32 } from 'node:zlib'
import test from 'ava'
import { crc32Words, WORTH_ZLIB } from '../../src/journal/crc.ts'
import { RECORD_HEADER, RecordBuilder, RecordReader, recordBytes } from '../../src/journal/record.ts'
import { seededRandom } from '../support/random.ts'

const SEED = Number(process.env.SEED ?? 311)

test('the checksum over words is that of zlib, in one piece or in several', t => {
  t.log(`SEED=${SEED}`)
  const random = seededRandom(SEED)
  const bytes = new Uint8Array(1024)
  const words = new Int32Array(bytes.buffer)
  for (let count = 0; count <= 256; count++) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256
    const start = Math.floor(random() * 2 ** 32)
    const expected = crc32(bytes.subarray(0, count * 4), start)
    t.is(crc32Words(words, 0, count, start) >>> 0, expected, `${count} words`)
    const middle = Math.floor(random() * (count + 1))
    t.is(crc32Words(words, middle, count, crc32Words(words, 0, middle, start)) >>> 0, expected)
  }
})

test('records of every length around the change of the checksum function read back, and no changed bit does', t => {
  const builder = new RecordBuilder()
  const salt = 0x9abcdef0
  const body = new Uint8Array(WORTH_ZLIB + 40).map((_, i) => i * 7 + 1)
  for (let length = 0; length <= body.length; length++) {
    const seq = 2 ** 32 - 20 + length
    builder.begin(255 - (length % 255), body, length, salt | 0)
    const record = builder.finish(seq, seq - length).slice()
    t.is(record.length, recordBytes(length))
    const reader = new RecordReader(record, salt)
    t.is(reader.read(0), record.length)
    t.deepEqual(
      [reader.type, reader.length, reader.seq, reader.durable],
      [255 - (length % 255), length, seq, seq - length],
    )
    t.is(Buffer.compare(record.subarray(RECORD_HEADER, RECORD_HEADER + length), body.subarray(0, length)), 0)
    const at = (length * 13) % record.length
    record[at] ^= 1 << (length % 8)
    t.is(reader.read(0), 0, `length ${length}, byte ${at}`)
  }
})
