/**
 * The tree that salvage fills: a store of its own in a new directory, whose records keep the versions that they had. There is no log:
 * {@link FreshTree.finish} writes one checkpoint. Before that the directory holds an empty store.
 */
import { constants } from 'node:fs'
import { join } from 'node:path'
import { Journal } from '../journal/journal.ts'
import { createJournalShared } from '../journal/shared.ts'
import type { Storage } from '../journal/storage.ts'
import { MAX_KEY, MAX_VALUE, WAL_SEGMENT } from '../limits.ts'
import { WAL } from './attach.ts'
import { Checkpoint } from './checkpoint.ts'
import { FRAMES, FrameFile } from './frame-file.ts'
import { Gate } from './gate.ts'
import { ExclusiveLatch } from './latch.ts'
import { createManifest, readManifest } from './manifest.ts'
import { Pool } from './pool.ts'
import { C_EPOCH, C_MANIFEST_SIZE, createEngineShared } from './shared.ts'
import { Cursor } from './walker/cursor.ts'
import { Erase } from './walker/erase.ts'
import { ANY_VERSION, Insert } from './walker/insert.ts'
import { Lookup } from './walker/lookup.ts'

/** Slots of the pool that a change may need. */
const SLOTS_A_CHANGE = 4

export class FreshTree {
  /** Records put, and the highest version among them. */
  records = 0
  highest = 0

  readonly #storage: Storage
  readonly #directory: string
  readonly #fd: number
  readonly #pool: Pool
  readonly #gate: Gate
  readonly #lookup: Lookup
  readonly #insert: Insert
  readonly #erase: Erase
  readonly #cursor: Cursor
  readonly #value = new Uint8Array(MAX_VALUE)

  /** Makes a store in an empty directory. `poolBytes`: memory for frames. Throws the host's error. */
  constructor(storage: Storage, directory: string, poolBytes: number) {
    this.#storage = storage
    this.#directory = directory
    createManifest(storage, directory)
    this.#fd = storage.open(join(directory, FRAMES), constants.O_RDWR | constants.O_CREAT | constants.O_EXCL)
    const pool = new Pool(createEngineShared(poolBytes), new FrameFile(storage, this.#fd))
    const { size, epoch } = readManifest(storage, directory)
    pool.control[C_MANIFEST_SIZE] = size
    pool.control[C_EPOCH] = epoch + 1
    pool.openRoot()
    this.#pool = pool
    this.#gate = new Gate(pool.control)
    this.#gate.enter()
    const latch = new ExclusiveLatch(pool)
    this.#lookup = new Lookup(pool, this.#gate)
    this.#insert = new Insert(pool, latch)
    this.#erase = new Erase(pool, latch)
    this.#cursor = new Cursor(pool, this.#gate)
  }

  /** Version of a record, 0 when there is none. */
  versionOf(key: Uint8Array, at: number, length: number): number {
    return this.#lookup.get(key, at, length, undefined, 0) ? this.#lookup.recordVersion : 0
  }

  /** Puts a record, unless there is a newer one. */
  put(
    key: Uint8Array,
    at: number,
    length: number,
    value: Uint8Array,
    valueAt: number,
    valueLength: number,
    version: number,
  ): void {
    const pool = this.#pool
    const present = this.versionOf(key, at, length)
    if (present > version) return
    this.#change(version)
    pool.noteKey(length)
    this.#insert.put(key, at, length, value, valueAt, valueLength, version, ANY_VERSION)
    if (present === 0) this.records++
  }

  /** Removes a record, unless it is newer than `version`. */
  delete(key: Uint8Array, at: number, length: number, version: number): void {
    const present = this.versionOf(key, at, length)
    if (present === 0 || present > version) return
    this.#change(version)
    this.#erase.delete(key, at, length, ANY_VERSION)
    this.records--
  }

  /** Moves a record to another key, unless it is newer than `version`; it gets that version if it is `renewed`. */
  move(from: Uint8Array, to: Uint8Array, version: number, renewed: boolean): void {
    if (!this.#lookup.get(from, 0, from.length, this.#value, 0) || to.length > MAX_KEY) return
    const { valueLength, recordVersion } = this.#lookup
    if (recordVersion > version) return
    this.delete(from, 0, from.length, version)
    this.put(to, 0, to.length, this.#value, 0, valueLength, renewed ? version : recordVersion)
  }

  /** Keys that begin with `prefix`, at most `limit`, from the one behind `after` on. */
  keysBelow(prefix: Uint8Array, after: Uint8Array, limit: number): Uint8Array[] {
    const keys: Uint8Array[] = []
    this.#cursor.seek(prefix, prefix.length, after, after.length, -1, false, true)
    while (keys.length < limit && this.#cursor.next()) keys.push(this.#cursor.key.slice(0, this.#cursor.keyLength))
    return keys
  }

  /** Writes the checkpoint, durably, and closes the store. `seq`: no record of the store it was made from is above it. */
  finish(seq: number): void {
    this.#gate.leave(true)
    const found = { lastSeq: seq, durableSeq: seq }
    const options = { durability: 'async' as const, segmentBytes: WAL_SEGMENT }
    const wal = join(this.#directory, WAL)
    const journal = Journal.start(this.#storage, wal, createJournalShared(), found, options)
    const checkpoint = new Checkpoint(this.#pool, this.#gate, journal, this.#storage, this.#directory)
    journal.close(checkpoint.finish())
    this.#storage.close(this.#fd)
    this.#storage.syncDirectory(this.#directory)
  }

  #change(version: number): void {
    const pool = this.#pool
    pool.slots.reserve(SLOTS_A_CHANGE)
    if (version > this.highest) this.highest = version
    pool.seq = this.highest
  }
}
