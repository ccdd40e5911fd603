/**
 * The log of a damaged store: hands out every record that is intact, in order, and goes on behind damaged ones, unlike the
 * replay of a healthy store; and applies records to a tree that may hold their changes already. A change does nothing to
 * records newer than itself, so that one which the tree has had does no harm.
 */
import { RECORD_HEADER, RecordReader, SEAL } from '../journal/record.ts'
import { isZero, readSegment, wasDurable } from '../journal/replay.ts'
import { listSegments, readSegmentHeader, SEGMENT_HEADER } from '../journal/segments.ts'
import type { Storage } from '../journal/storage.ts'
import { MAX_KEY } from '../limits.ts'
import { CHANGE_DELETE, CHANGE_PUT, CHANGE_RENAME, CHANGE_RENAME_PREFIX, Change, RECORD_BATCH } from './batch.ts'
import type { FreshTree } from './fresh-tree.ts'
import { ChunkReader, ENTRY_HEAD, RECORD_LOAD } from './load-chunk.ts'

/** Keys that are moved between two looks for more. */
const MOVED_AT_ONCE = 1000

export interface LogSalvage {
  /** Records applied, and the seq of the last intact one. */
  records: number
  lastSeq: number
  /** What is damaged or missing, in words. */
  damage: string[]
}

/** Applies all intact records behind seq `known`, all that there are when that is not known. `mayBeAbsent`: no log is no damage. */
export function salvageLog(
  storage: Storage,
  directory: string,
  known: number | undefined,
  mayBeAbsent: boolean,
  tree: FreshTree,
): LogSalvage {
  const apply = new VersionedApply(tree)
  const segments = listSegments(storage, directory)
  const after = known ?? (segments.length === 0 ? 0 : segments[0].first - 1)
  const result: LogSalvage = { records: 0, lastSeq: after, damage: [] }
  if (segments.length === 0 && !mayBeAbsent)
    result.damage.push('the log is missing: changes behind the checkpoint are lost')
  let next = after + 1
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i]
    const isLast = i === segments.length - 1
    if (!isLast && segments[i + 1].first <= after + 1) continue
    let bytes: Uint8Array
    try {
      bytes = readSegment(storage, directory, segment.name)
    } catch (error) {
      result.damage.push(`wal/${segment.name} cannot be read: ${(error as Error).message}`)
      continue
    }
    if (isLast && bytes.length <= SEGMENT_HEADER) break
    const salt = readSegmentHeader(bytes, segment)
    if (salt < 0) result.damage.push(`wal/${segment.name}: its header is damaged`)
    const reader = new RecordReader(bytes, salt < 0 ? saltOf(bytes) : salt)
    for (let at = SEGMENT_HEADER; at < bytes.length; ) {
      const size = reader.read(at)
      if (size === 0) {
        const following = isLast ? next : segments[i + 1].first
        if (following === next && isZero(bytes, at)) break
        if (isLast && !wasDurable(reader, bytes.length, at, next, after)) break
        const from = at
        while (at < bytes.length && reader.read(at) === 0) at += 8
        result.damage.push(`wal/${segment.name}: bytes ${from} to ${Math.min(at, bytes.length) - 1} are damaged`)
        continue
      }
      const { seq, type } = reader
      if (type !== SEAL && seq >= next) {
        if (seq > next) result.damage.push(`the log records ${next} to ${seq - 1} are lost`)
        const bodyAt = at + RECORD_HEADER
        const isWhole = apply.run(type, bytes.subarray(bodyAt, bodyAt + reader.length), reader.length, seq)
        if (!isWhole) result.damage.push(`the log record ${seq} does not hold changes`)
        result.records++
        result.lastSeq = seq
        next = seq + 1
      }
      at += size
    }
  }
  return result
}

/**
 * The salt of a segment whose header is lost: the CRC of its first record was started with it, and a CRC can be run
 * backwards. Wrong when that record is damaged too; then no record passes for intact.
 */
function saltOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = bytes.length >= SEGMENT_HEADER + 8 ? view.getUint32(SEGMENT_HEADER + 4, true) & 0xffffff : 0
  const end = SEGMENT_HEADER + ((8 + 16 + length + 7) & ~7) - 4
  if (end + 4 > bytes.length) return 0
  const table = new Uint32Array(256)
  const byTop = new Uint8Array(256)
  for (let i = 0; i < 256; i++) {
    let c = i
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
    table[i] = c
    byTop[table[i] >>> 24] = i
  }
  let crc = ~view.getUint32(end, true)
  for (let at = end - 1; at >= SEGMENT_HEADER; at--) {
    const i = byTop[crc >>> 24]
    crc = ((crc ^ table[i]) << 8) | (i ^ bytes[at])
  }
  return ~crc >>> 0
}

class VersionedApply {
  readonly #tree: FreshTree
  readonly #chunk = new ChunkReader()
  readonly #change = new Change()
  readonly #key = new Uint8Array(MAX_KEY)

  constructor(tree: FreshTree) {
    this.#tree = tree
  }

  /** Applies the body of a record; false when it is not one, or of a type that is not known. */
  run(type: number, body: Uint8Array, length: number, seq: number): boolean {
    if (type === RECORD_LOAD) return this.#load(body, length, seq)
    return type === RECORD_BATCH && this.#changes(body, length, seq)
  }

  #load(body: Uint8Array, length: number, seq: number): boolean {
    const chunk = this.#chunk
    try {
      chunk.read(body, length, seq)
    } catch {
      return false
    }
    for (let i = 0; i < chunk.count; i++) {
      chunk.advance(i, this.#key)
      const valueAt = chunk.at[i] + ENTRY_HEAD + chunk.rest(i)
      this.#tree.put(this.#key, 0, chunk.keyLength(i), body, valueAt, chunk.valueLength(i), seq)
    }
    return true
  }

  #changes(body: Uint8Array, length: number, seq: number): boolean {
    const tree = this.#tree
    const change = this.#change
    for (let at = 0; at < length; at = change.end) {
      if (!change.read(body, at, length)) return false
      const { kind, key, keyLength, second, secondLength, end } = change
      const from = body.subarray(key, second)
      const to = body.subarray(second, end)
      if (kind === CHANGE_PUT) tree.put(from, 0, keyLength, body, second, secondLength, seq)
      else if (kind === CHANGE_DELETE) tree.delete(from, 0, keyLength, seq)
      else if (kind === CHANGE_RENAME) tree.move(from, to, seq, true)
      else if (kind !== CHANGE_RENAME_PREFIX || Buffer.compare(from, to.subarray(0, keyLength)) === 0) return false
      else this.#moveBelow(from, to, seq)
    }
    return true
  }

  #moveBelow(from: Uint8Array, to: Uint8Array, seq: number): void {
    const tree = this.#tree
    let after: Uint8Array = new Uint8Array(0)
    for (;;) {
      const keys = tree.keysBelow(from, after, MOVED_AT_ONCE)
      for (const key of keys) tree.move(key, Buffer.concat([to, key.subarray(from.length)]), seq, false)
      if (keys.length < MOVED_AT_ONCE) return
      after = keys[keys.length - 1]
    }
  }
}
