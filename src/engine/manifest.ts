/**
 * The manifest: a log of checkpoints. Each record says up to which seq the frames hold everything and which blobs
 * moved to which disk slots; its fdatasync is the commit point of a round. The sum of all records is the mapping to
 * start from. It is rewritten whole, to a new file that replaces it, when it has grown.
 *
 * A record that is cut off at the end was never committed and is dropped. A bad record with a good one behind it is
 * damage, and the store does not open.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { ADVICE, HoltError } from '../errors.ts'
import type { Storage } from '../journal/storage.ts'
import { MAX_BLOBS } from '../limits.ts'
import { MAX_DISK_SLOTS } from './shared.ts'

export const MANIFEST = 'manifest'
const FRESH = 'manifest.new'

/** "HOLT" "MAN1". */
const MAGIC_LOW = 0x544c4f48
const MAGIC_HIGH = 0x314e414d
const HEADER = 32
/** "CKPT". */
const RECORD_MAGIC = 0x54504b43
const RECORD_HEAD = 28
/** Words for each blob in a record: its id, where its image is, the checksum of the image's header. */
export const MAPPING_WORDS = 3
const MAPPING = 4 * MAPPING_WORDS
/** Version 1 had no checksums of images. */
const VERSION = 2

/** Bytes above which the manifest is rewritten, when it is also several times its smallest size. */
const REWRITE_BYTES = 1 << 20

/** Larger than any manifest that this program leaves: not read into memory. */
const MOST_BYTES = 256 << 20

export interface Checkpoint {
  /** Seq up to which the mapped frames hold everything. */
  seq: number
  epoch: number
  /** No key is longer than this, in bytes. */
  longestKey: number
  /** Nothing was logged behind it: there need be no log. */
  hasNoLog: boolean
}

/** In the slot of a pair: its image has the routing layout. */
export const ROUTED = 1 << 31

export interface ManifestState extends Checkpoint {
  /** Disk slot + 1 by blob id. */
  slots: Map<number, number>
  /** Which of these slots hold routed images. */
  routed: Set<number>
  /** The checksum of the header of the image in each of these slots. */
  sums: Map<number, number>
  /** Where the next record goes: behind the intact ones, but over one that only says that there is a log. */
  size: number
}

/** Writes the manifest of an empty store, durably. */
export function createManifest(storage: Storage, directory: string): void {
  writeWhole(storage, directory, { seq: 0, epoch: 1, longestKey: 0, hasNoLog: true }, new Uint32Array(0), 0)
}

/** Whether the directory holds a manifest. */
export function hasManifest(storage: Storage, directory: string): boolean {
  return storage.list(directory).includes(MANIFEST)
}

/**
 * Reads the manifest.
 * @throws HoltError HOLT_CORRUPT_MANIFEST, HOLT_FORMAT (made by a newer version), HOLT_IO
 */
export function readManifest(storage: Storage, directory: string): ManifestState {
  const path = join(directory, MANIFEST)
  const bytes = readWhole(storage, path)
  const view = new DataView(bytes.buffer)
  checkHeader(view, bytes, path)
  const state: ManifestState = {
    seq: 0,
    epoch: 1,
    longestKey: 0,
    hasNoLog: false,
    slots: new Map(),
    routed: new Set(),
    sums: new Map(),
    size: HEADER,
  }
  let end = HEADER
  while (end < bytes.length) {
    const length = recordLength(view, bytes, end)
    if (length === 0) break
    const isNote = onlySaysThereIsLog(view, end, state)
    readRecord(view, end, state)
    end += length
    if (!isNote) state.size = end
  }
  for (let at = end + 4; at + RECORD_HEAD < bytes.length; at += 4) {
    if (view.getUint32(at, true) === RECORD_MAGIC && recordLength(view, bytes, at) !== 0) {
      throw corrupt(path, `the record at byte ${end} is damaged`)
    }
  }
  if (state.size === HEADER) throw corrupt(path, 'it holds no checkpoint')
  return state
}

function readWhole(storage: Storage, path: string): Uint8Array<ArrayBuffer> {
  try {
    const fd = storage.open(path, constants.O_RDONLY)
    try {
      const size = storage.size(fd)
      if (size > MOST_BYTES) throw corrupt(path, `it has ${size} bytes, more than any`)
      const bytes = new Uint8Array(size)
      storage.read(fd, bytes, 0, bytes.length, 0)
      return bytes
    } finally {
      storage.close(fd)
    }
  } catch (cause) {
    if (cause instanceof HoltError) throw cause
    throw new HoltError('HOLT_IO', `cannot read ${path}: ${(cause as Error).message}`, { cause })
  }
}

function checkHeader(view: DataView, bytes: Uint8Array, path: string): void {
  if (
    bytes.length < HEADER ||
    view.getUint32(0, true) !== MAGIC_LOW ||
    view.getUint32(4, true) !== MAGIC_HIGH ||
    view.getUint32(HEADER - 4, true) !== crc32(bytes.subarray(0, HEADER - 4))
  ) {
    throw corrupt(path, 'its header is damaged')
  }
  const format = view.getUint32(8, true)
  if (format === VERSION) return
  const advice = format > VERSION ? 'use a newer holtfs' : 'it was made before the first release, make a new one'
  throw new HoltError(
    'HOLT_FORMAT',
    `the store has format ${format}, this version of holtfs reads ${VERSION}: ${advice}`,
  )
}

/** Length of the intact record at `at`, or 0. */
function recordLength(view: DataView, bytes: Uint8Array, at: number): number {
  if (at + RECORD_HEAD + 4 > bytes.length || view.getUint32(at, true) !== RECORD_MAGIC) return 0
  const length = view.getUint32(at + 4, true)
  if (at + length > bytes.length || length !== RECORD_HEAD + view.getUint32(at + 20, true) * MAPPING + 4) return 0
  return view.getUint32(at + length - 4, true) === crc32(bytes.subarray(at, at + length - 4)) ? length : 0
}

/** Whether the record is one of {@link appendHasLog}, `state` being that of the record before it. */
function onlySaysThereIsLog(view: DataView, at: number, state: ManifestState): boolean {
  const isEmpty = view.getUint32(at + 20, true) === 0
  return isEmpty && state.hasNoLog && seqAt(view, at) === state.seq && view.getUint16(at + 26, true) === 0
}

/** Seq of the record at `at`. */
function seqAt(view: DataView, at: number): number {
  return view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * 4294967296
}

function readRecord(view: DataView, at: number, state: ManifestState): void {
  state.seq = seqAt(view, at)
  state.epoch = view.getUint32(at + 16, true)
  const pairs = view.getUint32(at + 20, true)
  state.longestKey = view.getUint16(at + 24, true)
  state.hasNoLog = view.getUint16(at + 26, true) === 1
  for (let i = 0, pair = at + RECORD_HEAD; i < pairs; i++, pair += MAPPING) {
    const blob = view.getUint32(pair, true)
    const word = view.getUint32(pair + 4, true)
    const slot = word & ~ROUTED
    if (blob >= MAX_BLOBS || slot > MAX_DISK_SLOTS) throw corrupt(MANIFEST, `it maps blob ${blob} to slot ${slot}`)
    if (slot === 0) state.slots.delete(blob)
    else {
      state.slots.set(blob, slot)
      state.sums.set(slot, view.getInt32(pair + 8, true))
    }
    if ((word & ROUTED) !== 0) state.routed.add(slot)
    else state.routed.delete(slot)
  }
}

function encodeRecord(checkpoint: Checkpoint, mapping: Uint32Array, count: number): Uint8Array {
  const length = RECORD_HEAD + count * MAPPING + 4
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, RECORD_MAGIC, true)
  view.setUint32(4, length, true)
  view.setUint32(8, checkpoint.seq >>> 0, true)
  view.setUint32(12, Math.floor(checkpoint.seq / 4294967296), true)
  view.setUint32(16, checkpoint.epoch, true)
  view.setUint32(20, count, true)
  view.setUint16(24, checkpoint.longestKey, true)
  view.setUint16(26, checkpoint.hasNoLog ? 1 : 0, true)
  for (let i = 0; i < MAPPING_WORDS * count; i++) view.setUint32(RECORD_HEAD + i * 4, mapping[i], true)
  view.setUint32(length - 4, crc32(bytes.subarray(0, length - 4)), true)
  return bytes
}

/**
 * Appends a checkpoint behind the `size` intact bytes and makes it durable: the commit point of a round. `mapping` holds
 * {@link MAPPING_WORDS} for each of `count` blobs: its id, its disk slot + 1 with the {@link ROUTED} bit (0: the blob is gone), the
 * checksum of the image's header. Returns the new size. Throws the host's error when the
 * record is not there, HOLT_IO when it may be: then the caller must stop.
 */
export function appendCheckpoint(
  storage: Storage,
  directory: string,
  size: number,
  checkpoint: Checkpoint,
  mapping: Uint32Array,
  count: number,
): number {
  const record = encodeRecord(checkpoint, mapping, count)
  appendRecord(storage, directory, size, record, true)
  return size + record.length
}

/**
 * Repeats the checkpoint of the last record, but says that there is a log now, whose first segment is durable. Not made
 * durable itself: whoever kills the process leaves it, and a power cut that takes it leaves the log. The next record is
 * written over it, so at most one is not durable: a power cut could keep the later one of two, which would look like damage.
 */
export function appendHasLog(storage: Storage, directory: string, size: number, checkpoint: Checkpoint): void {
  appendRecord(storage, directory, size, encodeRecord(checkpoint, new Uint32Array(0), 0), false)
}

function appendRecord(storage: Storage, directory: string, size: number, record: Uint8Array, isDurable: boolean): void {
  const fd = storage.open(join(directory, MANIFEST), constants.O_RDWR)
  try {
    if (storage.size(fd) > size) storage.truncate(fd, size)
    storage.write(fd, record, 0, record.length, size)
    if (isDurable) durably(() => storage.datasync(fd))
  } finally {
    storage.close(fd)
  }
}

/** Whether a manifest of `size` bytes with `blobs` live blobs is worth rewriting. */
export function isOvergrown(size: number, blobs: number): boolean {
  return size > REWRITE_BYTES && size > 8 * (HEADER + RECORD_HEAD + blobs * MAPPING)
}

/** Replaces the manifest by one record of the whole mapping, durably. Returns its size. */
export function writeWhole(
  storage: Storage,
  directory: string,
  checkpoint: Checkpoint,
  mapping: Uint32Array,
  count: number,
): number {
  const record = encodeRecord(checkpoint, mapping, count)
  const header = new Uint8Array(HEADER)
  const view = new DataView(header.buffer)
  view.setUint32(0, MAGIC_LOW, true)
  view.setUint32(4, MAGIC_HIGH, true)
  view.setUint32(8, VERSION, true)
  header.set(randomBytes(8), 16)
  view.setUint32(HEADER - 4, crc32(header.subarray(0, HEADER - 4)), true)
  const fd = storage.open(join(directory, FRESH), constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC)
  try {
    storage.write(fd, header, 0, HEADER, 0)
    storage.write(fd, record, 0, record.length, HEADER)
    storage.datasync(fd)
  } finally {
    storage.close(fd)
  }
  storage.rename(join(directory, FRESH), join(directory, MANIFEST))
  durably(() => storage.syncDirectory(directory))
  return HEADER + record.length
}

/**
 * Makes durable what a manifest said that was just read: the run before may have ended between writing its last record and
 * knowing that it was durable. Until it is, the slots that only earlier checkpoints refer to are not free (I5). It is
 * written anew, since a sync of the old file succeeds without saving what a failed one has lost; without space for that the old
 * file is synced. Returns its size. Throws the host's error.
 */
export function settleManifest(storage: Storage, directory: string, state: ManifestState): number {
  const mapping = new Uint32Array(MAPPING_WORDS * state.slots.size)
  let at = 0
  for (const [blob, slot] of state.slots) {
    mapping[at++] = blob
    mapping[at++] = state.routed.has(slot) ? slot | ROUTED : slot
    mapping[at++] = state.sums.get(slot) as number
  }
  try {
    return writeWhole(storage, directory, state, mapping, state.slots.size)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
  }
  const fd = storage.open(join(directory, MANIFEST), constants.O_RDWR)
  try {
    storage.datasync(fd)
  } finally {
    storage.close(fd)
  }
  storage.syncDirectory(directory)
  return state.size
}

/** The record stands in the file already: no failure from here on may pass for a mere lack of space. */
function durably(sync: () => void): void {
  try {
    sync()
  } catch (cause) {
    throw new HoltError('HOLT_IO', `cannot make the manifest durable: ${(cause as Error).message}`, {
      applied: 'unknown',
      cause,
    })
  }
}

function corrupt(path: string, what: string): HoltError {
  return new HoltError('HOLT_CORRUPT_MANIFEST', `${path}: ${what}: ${ADVICE}`)
}
