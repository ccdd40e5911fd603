/**
 * The manifest damaged in every way: a last record that is cut off was never committed, so the checkpoint before it and
 * the log give the same tree; where the log was trimmed since, the store says so. Damage before the end is refused.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { HoltError, openStore, type StoreOptions } from '../../src/index.ts'
import { assertHolds, contents, copyOf, emptyDirectory, SMALL, withStore } from './store-fixture.ts'

const HEADER = 32

interface Prepared {
  directory: string
  expected: Map<string, Buffer>
  manifest: Buffer
  /** Offsets of the records of the manifest. */
  records: number[]
}

/** A killed store with four checkpoints and changes after the last one. */
function prepare(t: ExecutionContext, options: StoreOptions): Prepared {
  const original = emptyDirectory(t)
  const store = openStore(original, { ...SMALL, ...options })
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 30; i++) store.tree.put(`key/${i % 7}/${round % 2}/${i}`, Buffer.alloc(500, round))
    store.tree.renamePrefix('key/3', `moved/${round}`)
    store.tree.checkpoint()
  }
  store.tree.put('after', 'the last checkpoint')
  const expected = contents(store.tree)
  const directory = copyOf(t, original)
  store.close()
  const manifest = readFileSync(join(directory, 'manifest'))
  const records: number[] = []
  for (let at = HEADER; at < manifest.length; at += manifest.readUInt32LE(at + 4)) records.push(at)
  return { directory, expected, manifest, records }
}

/** Code of the error with which the store does not open, or `same` when it holds what it should. */
function outcome(prepared: Prepared, manifest: Buffer): string {
  const { directory, expected } = prepared
  writeFileSync(join(directory, 'manifest'), manifest)
  // Read-only: what the next outcome starts from is unchanged.
  try {
    return withStore(directory, { ...SMALL, readOnly: true }, ({ tree }) => {
      assertHolds(tree, expected)
      return 'same'
    })
  } catch (error) {
    if (error instanceof HoltError) return error.code
    throw error
  }
}

test('the last record cut at every byte: the checkpoint before it and the log give the same tree', t => {
  const prepared = prepare(t, {})
  const { manifest, records } = prepared
  // That of the empty store, and four rounds: the first was written over the note that there is a log.
  t.is(records.length, 5)
  const outcomes = new Set<string>()
  for (let length = records[4]; length <= manifest.length; length++) {
    outcomes.add(outcome(prepared, manifest.subarray(0, length)))
  }
  t.deepEqual([...outcomes], ['same'])
  // A torn record is overwritten by the next one.
  writeFileSync(join(prepared.directory, 'manifest'), manifest.subarray(0, records[4] + 30))
  withStore(prepared.directory, SMALL, ({ tree }) => tree.put('more', 'x'))
  withStore(prepared.directory, SMALL, ({ tree }) => {
    assertHolds(tree, new Map([...prepared.expected, ['more', Buffer.from('x')]]))
  })
})

test('the last record cut when the log before it is trimmed: the missing records are named', t => {
  const prepared = prepare(t, { segmentBytes: 2000 })
  const { manifest, records } = prepared
  t.is(outcome(prepared, manifest), 'same')
  for (let length = records[4]; length < manifest.length; length += 3) {
    t.is(outcome(prepared, manifest.subarray(0, length)), 'HOLT_MISSING_WAL')
  }
})

test('a flipped bit in any record but the last, or in the header, refuses the store', t => {
  const prepared = prepare(t, {})
  const { manifest, records } = prepared
  for (let at = 0; at < records[4]; at++) {
    const damaged = Buffer.from(manifest)
    damaged[at] ^= 1 << (at % 8)
    t.is(outcome(prepared, damaged), 'HOLT_CORRUPT_MANIFEST', `byte ${at}`)
  }
  for (let at = records[4]; at < manifest.length; at++) {
    const damaged = Buffer.from(manifest)
    damaged[at] ^= 1 << (at % 8)
    t.is(outcome(prepared, damaged), 'same', `byte ${at} of the last record`)
  }
})

test('an empty or short manifest and one without records are refused', t => {
  const prepared = prepare(t, {})
  for (const length of [0, 1, 31, HEADER, HEADER + 10]) {
    t.is(outcome(prepared, prepared.manifest.subarray(0, length)), 'HOLT_CORRUPT_MANIFEST', `${length} bytes`)
  }
})

test('a manifest of a newer format is refused as such', t => {
  const prepared = prepare(t, {})
  const newer = Buffer.from(prepared.manifest)
  newer.writeUInt32LE(3, 8)
  newer.writeUInt32LE(crc32(newer.subarray(0, HEADER - 4)), HEADER - 4)
  t.is(outcome(prepared, newer), 'HOLT_FORMAT')
})

test('a checkpoint that is lost after its slots were used again is not mixed with newer images', t => {
  const original = emptyDirectory(t)
  const store = openStore(original, SMALL)
  const put = (round: number) => {
    for (let i = 0; i < 150; i++) store.tree.put(`key/${i % 15}/${i}`, Buffer.alloc(40_000, round))
  }
  for (let round = 0; round < 4; round++) {
    put(round)
    store.tree.checkpoint()
  }
  put(4) // evictions go to the slots that the last checkpoint freed
  store.tree.renamePrefix('key/1/', 'moved/')
  const expected = contents(store.tree)
  const directory = copyOf(t, original)
  store.close()
  const manifest = readFileSync(join(directory, 'manifest'))
  const records: number[] = []
  for (let at = HEADER; at < manifest.length; at += manifest.readUInt32LE(at + 4)) records.push(at)
  const prepared = { directory, expected, manifest, records }
  t.is(outcome(prepared, manifest), 'same')
  const code = outcome(prepared, manifest.subarray(0, records.at(-1)! + 5))
  t.log(code)
  t.true(['HOLT_CORRUPT_FRAME', 'HOLT_MISSING_WAL', 'same'].includes(code), code)
})
