/**
 * The part of the check that is about extended attributes: what an inode says it has, its list of names, the values under
 * them, and whether its access control list agrees with its mode. Streams in key order: the list of an inode comes before its
 * values, whose names have the order of the list. Remembers only inodes that have attributes.
 */
import { isValidAcl, modeOfAcl } from './acl.ts'
import { type InodeRecord, XATTR_ACCESS, XATTR_ANY, XATTR_DEFAULT } from './inode.ts'
import { keyNumber, NUMBER_KEY } from './keys.ts'
import type { MetadataCursor } from './metadata.ts'
import { kindOfName } from './xattr-names.ts'

const NO_NAMES = new Uint8Array(0)

export class XattrReport {
  readonly #problem: (code: string, message: string, ino: number) => void
  /** What the inodes with attributes say, until they were found. */
  readonly #expected = new Map<number, { xattrs: number; mode: number }>()
  /** The inode whose keys are passing by, its names, how many bytes of them were found, and what these amount to. */
  #ino = 0
  #names = NO_NAMES
  #seen = 0
  #found = 0
  #differs = false

  constructor(problem: (code: string, message: string, ino: number) => void) {
    this.#problem = problem
  }

  /** To be called for every inode, before the first {@link record}. */
  inode(record: InodeRecord): void {
    if (record.xattrs !== 0) this.#expected.set(record.ino, { xattrs: record.xattrs, mode: record.mode })
  }

  /** To be called for every record of the namespace, in key order. */
  record({ key, keyLength, value, valueLength }: MetadataCursor): void {
    const ino = keyNumber(key)
    if (ino !== this.#ino) {
      this.#conclude()
      this.#ino = ino
      this.#names = NO_NAMES
      this.#seen = 0
      this.#found = 0
      this.#differs = false
    }
    if (keyLength === NUMBER_KEY) {
      this.#names = value.slice(0, valueLength)
      return
    }
    const name = key.subarray(NUMBER_KEY, keyLength)
    this.#found |= XATTR_ANY | kindOfName(name)
    this.#differs ||= !this.#isNext(name)
    this.#seen += name.length + 1
    this.#checkAcl(kindOfName(name), value.subarray(0, valueLength))
  }

  /** To be called when all records have passed. */
  end(): void {
    this.#conclude()
    for (const ino of this.#expected.keys()) {
      this.#problem('XATTR_MISSING', 'the inode says that it has extended attributes, but there are none', ino)
    }
  }

  #conclude(): void {
    const ino = this.#ino
    if (ino === 0) return
    const expected = this.#expected.get(ino)
    this.#expected.delete(ino)
    if (expected === undefined) {
      this.#problem('XATTR_UNREFERENCED', `extended attributes of inode ${ino}, which has none`, ino)
      return
    }
    if (this.#differs || this.#seen !== this.#names.length) {
      this.#problem('XATTR_NAMES', 'the list of names is not that of the extended attributes', ino)
    }
    if (this.#found !== expected.xattrs) {
      this.#problem('XATTR_KINDS', `the inode says that it has ${expected.xattrs}, found were ${this.#found}`, ino)
    }
  }

  /** Whether `name`, ended by NUL, follows in the list. */
  #isNext(name: Uint8Array): boolean {
    for (let i = 0; i < name.length; i++) {
      if (this.#names[this.#seen + i] !== name[i]) return false
    }
    return this.#names[this.#seen + name.length] === 0
  }

  #checkAcl(kind: number, value: Uint8Array): void {
    if (kind !== XATTR_ACCESS && kind !== XATTR_DEFAULT) return
    const ino = this.#ino
    if (!isValidAcl(value, value.length)) {
      this.#problem('ACL', 'an access control list that is none', ino)
      return
    }
    const mode = this.#expected.get(ino)?.mode ?? 0
    if (kind === XATTR_ACCESS && (mode & 0o777) !== modeOfAcl(value, value.length)) {
      this.#problem('ACL', `the access control list does not agree with mode ${mode.toString(8)}`, ino)
    }
  }
}
