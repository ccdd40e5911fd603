/**
 * The inode record: the 88 bytes of the kernel's `struct fuse_attr` as they go on the wire, then our own fields.
 * Little-endian. Sizes and seconds are exact integers of at most 53 bits, seconds may be negative.
 *
 *    0 ino u64        48 atime ns u32      84 flags u32          104 btime s i64
 *    8 size u64       52 mtime ns u32      88 record version u8  112 parent ino u64   (directories)
 *   16 blocks u64     56 ctime ns u32      89 data kind u8       120 own name         (directories)
 *   24 atime s i64    60 mode u32          90 name length u8
 *   32 mtime s i64    64 nlink u32         91 xattrs u8
 *   40 ctime s i64    68 uid, 72 gid,      92 btime ns u32
 *                     76 rdev, 80 blksize  96 data id u64
 */
import { HoltError } from '../errors.ts'
import { MAX_INLINE, MAX_NAME } from '../limits.ts'

/** Bytes of the kernel's attribute structure at the front of the record. */
export const ATTR_SIZE = 88
/** Of records with a byte that says which extended attributes there are; before, that byte was zero. */
const VERSION = 2
const OLDEST_VERSION = 1
const FIXED_SIZE = 112
const NAME_AT = 120

/** Where a file's bytes are. */
export const DATA_NONE = 0
export const DATA_INLINE = 1
export const DATA_FILE = 2

/** Which extended attributes an inode has: any; the two access control lists; file capabilities. */
export const XATTR_ANY = 1
export const XATTR_ACCESS = 2
export const XATTR_DEFAULT = 4
export const XATTR_CAPABILITY = 8

export const S_IFMT = 0o170000
export const S_IFSOCK = 0o140000
export const S_IFLNK = 0o120000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o060000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFIFO = 0o010000
export const S_ISUID = 0o4000
export const S_ISGID = 0o2000
export const S_IXGRP = 0o010

/** DT_DIR of a dirent; every DT_* value is the file type bits of the mode shifted down. */
export const DT_DIR = S_IFDIR >> 12

const TWO_32 = 4294967296
/** One bit for each file type that there is, by the type bits of a mode shifted down. */
const TYPES = [S_IFSOCK, S_IFLNK, S_IFREG, S_IFBLK, S_IFDIR, S_IFCHR, S_IFIFO].reduce(
  (bits, type) => bits | (1 << (type >> 12)),
  0,
)

/** A reusable buffer for one inode record, with its fields as properties. */
export class InodeRecord {
  readonly bytes = new Uint8Array(NAME_AT + MAX_NAME)
  /** Bytes of the record in use. */
  length = 0
  readonly #attr = this.bytes.subarray(0, ATTR_SIZE)
  readonly #view = new DataView(this.bytes.buffer)

  /** Starts a new record: one link, no data, every other field zero. */
  reset(ino: number, mode: number): void {
    this.bytes.fill(0)
    this.length = FIXED_SIZE
    this.bytes[88] = VERSION
    this.#setWide(0, ino)
    this.#view.setUint32(60, mode, true)
    this.nlink = 1
    this.#view.setUint32(80, 4096, true)
  }

  /**
   * Takes over `length` bytes that a store read into {@link bytes}. Throws HOLT_CORRUPT_DATA for no inode record: whoever
   * uses one may rely on its numbers being exact and its lengths being those of what they measure.
   */
  loaded(length: number): void {
    const version = this.bytes[88]
    if (length < FIXED_SIZE || length > this.bytes.length || version < OLDEST_VERSION || version > VERSION) {
      throw new HoltError('HOLT_CORRUPT_DATA', `an inode record of ${length} bytes, version ${version}`)
    }
    if (!this.#isSound(length))
      throw new HoltError('HOLT_CORRUPT_DATA', `inode ${this.ino}: its record contradicts itself`)
    this.length = length
  }

  #isSound(length: number): boolean {
    const view = this.#view
    const { dataKind, type } = this
    // The high words of ino, size, blocks, data id: none may have a bit at or above 2^53.
    const high =
      view.getUint32(4, true) | view.getUint32(12, true) | view.getUint32(20, true) | view.getUint32(100, true)
    if (high >>> 21 !== 0 || ((TYPES >>> (type >> 12)) & 1) === 0 || dataKind > DATA_FILE) return false
    if (dataKind === DATA_INLINE && this.size > MAX_INLINE) return false
    return (
      type !== S_IFDIR || (length === NAME_AT + this.bytes[90] && view.getUint32(FIXED_SIZE + 4, true) >>> 21 === 0)
    )
  }

  /** Copies the {@link ATTR_SIZE} attribute bytes to `target[at..]`. */
  copyAttr(target: Uint8Array, at: number): void {
    target.set(this.#attr, at)
  }

  /** Writes the time of birth to `target[at..]`: seconds i64, nanoseconds u32. */
  copyBtime(target: Uint8Array, at: number): void {
    for (let i = 0; i < 8; i++) target[at + i] = this.bytes[104 + i]
    for (let i = 0; i < 4; i++) target[at + 8 + i] = this.bytes[92 + i]
  }

  get ino(): number {
    return this.#wide(0)
  }

  get size(): number {
    return this.#wide(8)
  }
  set size(value: number) {
    this.#setWide(8, value)
  }

  /** Units of 512 bytes. */
  get blocks(): number {
    return this.#wide(16)
  }
  set blocks(value: number) {
    this.#setWide(16, value)
  }

  get mode(): number {
    return this.#view.getUint32(60, true)
  }
  set mode(value: number) {
    this.#view.setUint32(60, value, true)
  }

  /** File type bits of the mode. */
  get type(): number {
    return this.mode & S_IFMT
  }

  get isDirectory(): boolean {
    return this.type === S_IFDIR
  }

  get nlink(): number {
    return this.#view.getUint32(64, true)
  }
  set nlink(value: number) {
    this.#view.setUint32(64, value, true)
  }

  get uid(): number {
    return this.#view.getUint32(68, true)
  }
  set uid(value: number) {
    this.#view.setUint32(68, value, true)
  }

  get gid(): number {
    return this.#view.getUint32(72, true)
  }
  set gid(value: number) {
    this.#view.setUint32(72, value, true)
  }

  get rdev(): number {
    return this.#view.getUint32(76, true)
  }
  set rdev(value: number) {
    this.#view.setUint32(76, value, true)
  }

  get dataKind(): number {
    return this.bytes[89]
  }
  set dataKind(value: number) {
    this.bytes[89] = value
  }

  /** Meaningful when {@link dataKind} is DATA_FILE. */
  get dataId(): number {
    return this.#wide(96)
  }
  set dataId(value: number) {
    this.#setWide(96, value)
  }

  /** XATTR_* bits: a file without extended attributes is known by its inode. */
  get xattrs(): number {
    return this.bytes[91]
  }
  set xattrs(value: number) {
    this.bytes[88] = VERSION
    this.bytes[91] = value
  }

  setAtime(seconds: number, nanoseconds: number): void {
    this.#setTime(24, 48, seconds, nanoseconds)
  }

  setMtime(seconds: number, nanoseconds: number): void {
    this.#setTime(32, 52, seconds, nanoseconds)
  }

  setCtime(seconds: number, nanoseconds: number): void {
    this.#setTime(40, 56, seconds, nanoseconds)
  }

  setBtime(seconds: number, nanoseconds: number): void {
    this.#setTime(104, 92, seconds, nanoseconds)
  }

  /** Parent ino of a directory. */
  get parent(): number {
    return this.#wide(FIXED_SIZE)
  }

  /** Bytes of a directory's own name, which stand at {@link nameAt}. */
  get nameLength(): number {
    return this.bytes[90]
  }

  get nameAt(): number {
    return NAME_AT
  }

  /** Notes where a directory hangs. */
  setPlace(parent: number, name: Uint8Array): void {
    this.#setWide(FIXED_SIZE, parent)
    this.bytes[90] = name.length
    this.bytes.set(name, NAME_AT)
    this.length = NAME_AT + name.length
  }

  #setTime(at: number, nsAt: number, seconds: number, nanoseconds: number): void {
    this.#setWide(at, seconds)
    this.#view.setUint32(nsAt, nanoseconds, true)
  }

  #wide(at: number): number {
    return this.#view.getInt32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true)
  }

  #setWide(at: number, value: number): void {
    this.#view.setUint32(at, value, true)
    this.#view.setInt32(at + 4, Math.floor(value / TWO_32), true)
  }
}
