/**
 * Extended attributes in the tree: the value of each under `x` ino name, and under `x` ino the names of all of them as
 * listxattr answers them: sorted, each ended by NUL. The inode says what there is ({@link InodeRecord.xattrs}), so a file
 * without them costs no look at the tree. What is staged here changes the inode, which the caller stages afterwards in
 * the same commit; a commit adds or removes names of an inode at most once.
 */
import { HoltError } from '../errors.ts'
import { MAX_VALUE } from '../limits.ts'
import { ENOSPC } from './errno.ts'
import { type InodeRecord, XATTR_ANY } from './inode.ts'
import { NS_XATTR, NUMBER_KEY, numberKey } from './keys.ts'
import type { Metadata } from './metadata.ts'
import { kindOfName, MAX_XATTR_NAME } from './xattr-names.ts'

const NOTHING = new Uint8Array(0)

export class XattrRecords {
  readonly #metadata: Metadata
  readonly #key = new Uint8Array(NUMBER_KEY + MAX_XATTR_NAME)
  readonly #names = new Uint8Array(MAX_VALUE)
  /** Bytes of the list of the inode in the making. */
  #newLength = 0

  constructor(metadata: Metadata) {
    this.#metadata = metadata
  }

  /** Copies a value to `target[at..]`, as much as fits; its length, or -1 when there is none. */
  read(inode: InodeRecord, name: Uint8Array, target: Uint8Array, at: number): number {
    if (!mayHave(inode, name)) return -1
    return this.#metadata.getInto(this.#key, this.#keyOf(inode.ino, name), target, at)
  }

  has(inode: InodeRecord, name: Uint8Array): boolean {
    return this.read(inode, name, NOTHING, 0) >= 0
  }

  /** Copies the list of names to `target[at..]`, as much as fits, and returns its length. */
  readNames(inode: InodeRecord, target: Uint8Array, at: number): number {
    if (inode.xattrs === 0) return 0
    const length = Math.max(this.#metadata.getInto(this.#key, this.#keyOf(inode.ino, NOTHING), target, at), 0)
    // Whoever goes through the list looks for the end of each name.
    if (length > 0 && length <= target.length - at && target[at + length - 1] !== 0) throw noList(inode)
    return length
  }

  /** Stages a value; 0, or -ENOSPC when the list of names would become longer than a caller can be given. */
  stagePut(inode: InodeRecord, name: Uint8Array, value: Uint8Array, length: number): number {
    if (!this.has(inode, name)) {
      const before = this.#load(inode)
      const after = before + name.length + 1
      if (after > this.#names.length) return -ENOSPC
      const at = this.#place(name, before)
      this.#names.copyWithin(at + name.length + 1, at, before)
      this.#names.set(name, at)
      this.#names[at + name.length] = 0
      this.#stageNames(inode, after)
      inode.xattrs |= XATTR_ANY | kindOfName(name)
    }
    this.#metadata.stagePut(this.#key, this.#keyOf(inode.ino, name), value, 0, length)
    return 0
  }

  /** Stages the removal of a value; false when there is none. */
  stageRemove(inode: InodeRecord, name: Uint8Array): boolean {
    if (!this.has(inode, name)) return false
    const before = this.#load(inode)
    const after = before - name.length - 1
    const at = this.#place(name, before)
    this.#names.copyWithin(at, at + name.length + 1, before)
    this.#stageNames(inode, after)
    inode.xattrs = after === 0 ? 0 : inode.xattrs & ~(kindOfName(name) & ~XATTR_ANY)
    this.#metadata.stageDelete(this.#key, this.#keyOf(inode.ino, name))
    return true
  }

  /** Stages a value of an inode in the making; its names come in order, one call each. */
  stageNew(inode: InodeRecord, name: Uint8Array, value: Uint8Array, length: number): void {
    const at = inode.xattrs === 0 ? 0 : this.#newLength
    this.#names.set(name, at)
    this.#names[at + name.length] = 0
    this.#newLength = at + name.length + 1
    this.#stageNames(inode, this.#newLength)
    inode.xattrs |= XATTR_ANY | kindOfName(name)
    this.#metadata.stagePut(this.#key, this.#keyOf(inode.ino, name), value, 0, length)
  }

  /** Stages the removal of all of them together with their inode; returns roughly how many bytes were staged. */
  stageEnd(inode: InodeRecord): number {
    if (inode.xattrs === 0) return 0
    const length = this.#load(inode)
    let count = 0
    for (let at = 0; at < length; count++) {
      const end = this.#names.indexOf(0, at)
      if (end - at > MAX_XATTR_NAME) throw noList(inode)
      this.#metadata.stageDelete(this.#key, this.#keyOf(inode.ino, this.#names.subarray(at, end)))
      at = end + 1
    }
    this.#metadata.stageDelete(this.#key, this.#keyOf(inode.ino, NOTHING))
    return length + count * this.#key.length
  }

  #load(inode: InodeRecord): number {
    const length = this.readNames(inode, this.#names, 0)
    if (length > this.#names.length || (length === 0) !== (inode.xattrs === 0)) throw noList(inode)
    return length
  }

  #stageNames(inode: InodeRecord, length: number): void {
    const key = this.#keyOf(inode.ino, NOTHING)
    if (length === 0) this.#metadata.stageDelete(this.#key, key)
    else this.#metadata.stagePut(this.#key, key, this.#names, 0, length)
  }

  /** Offset in the list of `length` bytes at which `name` stands or would stand. */
  #place(name: Uint8Array, length: number): number {
    const names = this.#names
    let at = 0
    while (at < length) {
      let i = 0
      while (i < name.length && names[at + i] === name[i]) i++
      // The end of a name is below all its bytes.
      if (names[at + i] >= (i < name.length ? name[i] : 0)) break
      at = names.indexOf(0, at + i) + 1
    }
    return at
  }

  #keyOf(ino: number, name: Uint8Array): number {
    numberKey(this.#key, NS_XATTR, ino)
    this.#key.set(name, NUMBER_KEY)
    return NUMBER_KEY + name.length
  }
}

/** Whether the inode does not rule out an attribute of this name. */
function mayHave(inode: InodeRecord, name: Uint8Array): boolean {
  return (inode.xattrs & kindOfName(name)) !== 0
}

function noList(inode: InodeRecord): HoltError {
  return new HoltError('HOLT_CORRUPT_DATA', `inode ${inode.ino}: no list of its extended attributes`)
}
