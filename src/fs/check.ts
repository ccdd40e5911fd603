/**
 * Verifies that dirents, inodes, inline data, extended attributes, orphans, counters and host files of a volume agree.
 * For a store that nobody changes meanwhile. Memory grows with the number of inodes, not with names: everything is
 * streamed in key order.
 *
 * A data file that is missing or shorter than its inode is no damage in itself (holes, or bytes that were never synced
 * before a power cut); a missing one is still reported, because its bytes are.
 */
import { DataReport } from './check-data.ts'
import { CheckListings } from './check-listings.ts'
import { XattrReport } from './check-xattrs.ts'
import type { CounterBounds } from './counters.ts'
import { readCounterBounds } from './counters.ts'
import type { DataFiles } from './data-files.ts'
import { quoted } from './describe-keys.ts'
import { Dirent } from './dirent.ts'
import { DATA_FILE, DATA_INLINE, DT_DIR, InodeRecord, S_IFDIR } from './inode.ts'
import {
  ALL_DIRENTS,
  ALL_ENTRIES,
  ALL_INLINE,
  ALL_INODES,
  ALL_ORPHANS,
  ALL_RETIRED,
  ALL_XATTRS,
  keyNumber,
  NO_KEY,
  NS_INODE,
  NUMBER_KEY,
  numberKey,
  ROOT_INO,
  SLASH,
} from './keys.ts'
import type { Metadata, MetadataCursor } from './metadata.ts'

/** One thing that does not agree. `code` is stable. */
export interface Problem {
  code: string
  path?: string
  ino?: number
  message: string
}

/** What the check remembers of an inode. */
interface Seen {
  type: number
  nlink: number
  size: number
  parent: number
  inline: boolean
  names: number
  subdirectories: number
  orphan: boolean
}

/**
 * Reports every disagreement in the volume; returns how many there are. `progress` is told now and then how many records
 * were read.
 */
export function checkFilesystem(
  metadata: Metadata,
  data: DataFiles,
  report: (problem: Problem) => void,
  progress: (records: number) => void = () => {},
): number {
  const check = new VolumeCheck(metadata, data, report, progress)
  check.run()
  return check.count
}

/** Records from one report of progress to the next. */
const PROGRESS_EVERY = 1024

class VolumeCheck {
  count = 0
  readonly #metadata: Metadata
  readonly #report: (problem: Problem) => void
  readonly #progress: (records: number) => void
  #records = 0
  readonly #cursor: MetadataCursor
  readonly #inodes = new Map<number, Seen>()
  readonly #record = new InodeRecord()
  readonly #dirent = new Dirent()
  readonly #key = new Uint8Array(NUMBER_KEY)
  readonly #files: DataReport
  readonly #xattrs: XattrReport
  readonly #listings: CheckListings
  #bounds: CounterBounds | undefined
  /** The parent of the dirent checked last: siblings follow one another. */
  #parentPrefix = new Uint8Array(0)
  #parentIno = 0

  constructor(
    metadata: Metadata,
    data: DataFiles,
    report: (problem: Problem) => void,
    progress: (records: number) => void,
  ) {
    this.#metadata = metadata
    this.#report = report
    this.#progress = progress
    this.#cursor = metadata.cursor()
    const problem = (code: string, message: string, ino: number) => this.#problem(code, message, ino)
    this.#listings = new CheckListings(metadata)
    this.#files = new DataReport(data, problem)
    this.#xattrs = new XattrReport(problem)
  }

  run(): void {
    this.#bounds = readCounterBounds(this.#metadata)
    this.#readInodes()
    if (!this.#inodes.has(ROOT_INO)) this.#problem('ROOT_MISSING', 'there is no root directory', ROOT_INO)
    this.#walk(ALL_DIRENTS, () => this.#checkDirent())
    this.#walk(ALL_ENTRIES, () => this.#listings.count(keyNumber(this.#cursor.key)))
    this.#listings.compare((ino, message) => this.#problem('LISTING', message, ino))
    this.#walk(ALL_INLINE, () => this.#checkInline())
    this.#walk(ALL_ORPHANS, () => this.#checkOrphan())
    this.#walk(ALL_RETIRED, () => this.#files.retired(keyNumber(this.#cursor.key)))
    this.#walk(ALL_XATTRS, () => this.#xattrs.record(this.#cursor))
    this.#xattrs.end()
    for (const [ino, seen] of this.#inodes) this.#checkInode(ino, seen)
    this.#files.compare(this.#bounds?.dataId ?? 0)
  }

  #walk(prefix: Uint8Array, visit: () => void): void {
    this.#cursor.seek(prefix, prefix.length, NO_KEY, 0, -1, false)
    while (this.#cursor.next()) {
      if (++this.#records % PROGRESS_EVERY === 0) this.#progress(this.#records)
      visit()
    }
  }

  #readInodes(): void {
    this.#walk(ALL_INODES, () => {
      const ino = keyNumber(this.#cursor.key)
      const record = this.#record
      record.bytes.set(this.#cursor.value.subarray(0, Math.min(this.#cursor.valueLength, record.bytes.length)))
      record.loaded(this.#cursor.valueLength)
      if (record.ino !== ino) this.#problem('INODE_NUMBER', `inode ${ino} says that it is ${record.ino}`, ino)
      if (ino >= (this.#bounds?.ino ?? 2)) this.#problem('COUNTER_INO', `inode ${ino} is above the counter`, ino)
      this.#inodes.set(ino, {
        type: record.type,
        nlink: record.nlink,
        size: record.size,
        parent: record.isDirectory ? record.parent : 0,
        inline: record.dataKind === DATA_INLINE,
        names: 0,
        subdirectories: 0,
        orphan: false,
      })
      this.#xattrs.inode(record)
      if (record.dataKind === DATA_FILE) this.#files.referenced(record.dataId, ino)
    })
  }

  #checkDirent(): void {
    const { key, keyLength, value, valueLength } = this.#cursor
    const dirent = this.#dirent
    dirent.decode(value, valueLength)
    const { ino, type, cookie } = dirent
    const nameAt = key.lastIndexOf(SLASH, keyLength - 1) + 1
    const parent = this.#findParent(key, nameAt)
    if (parent === 0) this.#problem('PARENT_MISSING', 'the directory that holds this name does not exist', ino, true)
    if (cookie >= (this.#bounds?.cookie ?? 0)) {
      this.#problem('COUNTER_COOKIE', `readdir cookie ${cookie} is above the counter`, ino, true)
    }
    if (!this.#listings.holds(parent, dirent, key.subarray(nameAt, keyLength))) {
      this.#problem('LISTING', 'the name is not in the listing of its directory', ino, true)
    }
    const seen = this.#inodes.get(ino)
    if (seen === undefined) {
      this.#problem('INODE_MISSING', `the name refers to inode ${ino}, which does not exist`, ino, true)
      return
    }
    seen.names++
    if (seen.type >> 12 !== type) this.#problem('TYPE', `dirent type ${type}, inode type ${seen.type >> 12}`, ino, true)
    if (type !== DT_DIR || seen.type !== S_IFDIR) return
    const above = this.#inodes.get(parent)
    if (above !== undefined) above.subdirectories++
    if (seen.parent !== parent) this.#problem('DIRECTORY_PARENT', `parent is ${seen.parent}, not ${parent}`, ino, true)
    this.#checkOwnName(ino, nameAt)
  }

  /** Ino of the directory whose children's keys begin with `key[0..nameAt]`; 0 when there is none. */
  #findParent(key: Uint8Array, nameAt: number): number {
    if (nameAt <= 2) return ROOT_INO
    if (this.#parentPrefix.length === nameAt && equal(this.#parentPrefix, key, nameAt)) return this.#parentIno
    this.#parentPrefix = key.slice(0, nameAt)
    const parent = new Dirent()
    const length = this.#metadata.getInto(this.#parentPrefix, nameAt - 1, parent.bytes, 0)
    this.#parentIno = 0
    if (length >= 0) {
      parent.decode(parent.bytes, length)
      if (parent.type === DT_DIR) this.#parentIno = parent.ino
    }
    return this.#parentIno
  }

  #checkOwnName(ino: number, nameAt: number): void {
    const record = this.#record
    record.loaded(this.#metadata.getInto(this.#key, numberKey(this.#key, NS_INODE, ino), record.bytes, 0))
    const { key, keyLength } = this.#cursor
    const own = record.bytes.subarray(record.nameAt, record.nameAt + record.nameLength)
    if (own.length === keyLength - nameAt && equal(own, key.subarray(nameAt), own.length)) return
    this.#problem('DIRECTORY_NAME', `the inode's own name is ${quoted(own)}`, ino, true)
  }

  #checkInline(): void {
    const ino = keyNumber(this.#cursor.key)
    const seen = this.#inodes.get(ino)
    if (!seen?.inline) {
      this.#problem('INLINE_UNREFERENCED', `inline data of inode ${ino}, which has none`, ino)
      return
    }
    seen.inline = false
    if (seen.size === this.#cursor.valueLength) return
    this.#problem('INLINE_SIZE', `size ${seen.size}, but ${this.#cursor.valueLength} bytes of inline data`, ino)
  }

  #checkOrphan(): void {
    const ino = keyNumber(this.#cursor.key)
    const seen = this.#inodes.get(ino)
    if (seen === undefined) this.#problem('ORPHAN_MISSING', `orphan ${ino} does not exist`, ino)
    else seen.orphan = true
  }

  #checkInode(ino: number, seen: Seen): void {
    if (seen.inline) this.#problem('INLINE_MISSING', 'the inline data is missing', ino)
    if (seen.orphan) {
      if (seen.names > 0) this.#problem('ORPHAN_NAMED', `an orphan with ${seen.names} names`, ino)
      if (seen.nlink !== 0) this.#problem('LINK_COUNT', `an orphan with link count ${seen.nlink}`, ino)
      return
    }
    const names = ino === ROOT_INO ? seen.names + 1 : seen.names
    if (names === 0) this.#problem('INODE_UNREFERENCED', 'no name refers to the inode', ino)
    if (seen.type === S_IFDIR) {
      if (names > 1) this.#problem('DIRECTORY_LINKS', `a directory with ${names} names`, ino)
      if (seen.nlink !== 2 + seen.subdirectories) {
        this.#problem('LINK_COUNT', `link count ${seen.nlink} with ${seen.subdirectories} subdirectories`, ino)
      }
    } else if (names > 0 && seen.nlink !== names) {
      this.#problem('LINK_COUNT', `link count ${seen.nlink} with ${names} names`, ino)
    }
  }

  #problem(code: string, message: string, ino: number, named = false): void {
    this.count++
    if (!named) this.#report({ code, ino, message })
    else this.#report({ code, ino, path: text(this.#cursor.key.subarray(1, this.#cursor.keyLength)), message })
  }
}

function equal(a: Uint8Array, b: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return false
  }
  return true
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}
