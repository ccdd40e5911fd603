/**
 * What the journal tests share: a store that has nothing but a log, and bodies that follow from their seq alone, so
 * that a test knows what each record must hold without having kept it.
 */
import { constants } from 'node:fs'
import type { Durability } from '../../src/journal/durability.ts'
import { Journal } from '../../src/journal/journal.ts'
import { type LogEnd, type Replayed, replay } from '../../src/journal/replay.ts'
import { createJournalShared } from '../../src/journal/shared.ts'
import type { Storage } from '../../src/journal/storage.ts'
import { PowerCutStorage } from '../support/power-cut-storage.ts'

export const DIRECTORY = '/store/wal'

/** A filesystem in memory with a durable, empty /store. */
function emptyStore(mapping: boolean): PowerCutStorage {
  const storage = new PowerCutStorage({ mapping })
  storage.mkdir('/store')
  storage.syncDirectory('/')
  return storage
}

/** The two ways that records take into the file, each with a store that makes a log go that way. */
export const LOGS = [
  { log: 'written log', isMapped: false, emptyStore: () => emptyStore(false) },
  { log: 'mapped log', isMapped: true, emptyStore: () => emptyStore(true) },
]

export interface Fixture {
  journal: Journal
  /** Seqs replayed, their bodies and types already compared. */
  seqs: number[]
  torn: LogEnd | undefined
}

export interface FixtureOptions {
  after?: number
  durability?: Durability
  segmentBytes?: number
  bufferBytes?: number
  directory?: string
}

/** The body of record `seq`: 0 to 299 bytes. */
export function bodyOf(seq: number): Uint8Array {
  const body = new Uint8Array((seq * 37) % 300)
  for (let i = 0; i < body.length; i++) body[i] = (seq * 31 + i * 7) & 255
  return body
}

export function typeOf(seq: number): number {
  return 1 + (seq % 255)
}

/** The seqs above `after`; throws when a record is not what was appended. */
export function readAll(storage: Storage, after = 0, directory = DIRECTORY): { seqs: number[]; torn?: LogEnd } {
  const { seqs, replayed } = readLog(storage, after, directory)
  return replayed.torn === undefined ? { seqs } : { seqs, torn: replayed.torn }
}

function readLog(storage: Storage, after: number, directory: string): { seqs: number[]; replayed: Replayed } {
  const seqs: number[] = []
  const replayed = replay(storage, directory, after, after === 0, (type, body, length, seq) => {
    if (type !== typeOf(seq) || length !== body.length || Buffer.compare(body, bodyOf(seq)) !== 0) {
      throw new Error(`record ${seq} has another content`)
    }
    seqs.push(seq)
  })
  if (replayed.records !== seqs.length || replayed.lastSeq !== (seqs.at(-1) ?? after))
    throw new Error('counts disagree')
  return { seqs, replayed }
}

/** Opens the log as a store does: replay, start. */
export function openLog(storage: Storage, options: FixtureOptions = {}): Fixture {
  const directory = options.directory ?? DIRECTORY
  const after = options.after ?? 0
  const { seqs, replayed } = readLog(storage, after, directory)
  const journal = Journal.start(storage, directory, createJournalShared(options.bufferBytes), replayed, {
    durability: options.durability ?? 'process',
    segmentBytes: options.segmentBytes ?? 1 << 20,
  })
  return { journal, seqs, torn: replayed.torn }
}

/** Appends and commits the records that follow, `count` of them, one by one. */
export function appendRecords(journal: Journal, count: number): void {
  for (let i = 0; i < count; i++) journal.commit(appendNext(journal))
}

/** Appends the next record of the only writer without committing it. */
export function appendNext(journal: Journal): number {
  const expected = journal.lastSeq() + 1
  const body = bodyOf(expected)
  const seq = journal.append(typeOf(expected), body, body.length)
  if (seq !== expected) throw new Error(`seq ${seq} instead of ${expected}`)
  return seq
}

/** 1, 2, … `last`. */
export function upTo(last: number, after = 0): number[] {
  return Array.from({ length: last - after }, (_, i) => after + i + 1)
}

export function readFile(storage: Storage, path: string): Uint8Array {
  const fd = storage.open(path, constants.O_RDONLY)
  try {
    const bytes = new Uint8Array(storage.size(fd))
    storage.read(fd, bytes, 0, bytes.length, 0)
    return bytes
  } finally {
    storage.close(fd)
  }
}

/** Replaces a file's content; the first `length` bytes of `bytes`. */
export function writeFile(storage: Storage, path: string, bytes: Uint8Array, length = bytes.length): void {
  const fd = storage.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC)
  try {
    storage.write(fd, bytes, 0, length, 0)
  } finally {
    storage.close(fd)
  }
}
