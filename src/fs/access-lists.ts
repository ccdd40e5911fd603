/**
 * The access control lists of inodes: the list that governs access keeps in step with the mode, and what is created in a
 * directory with a default list inherits it. The umask is applied here, because a default list takes its place. A list
 * that says no more than a mode is kept as the mode alone.
 */
import { HoltError } from '../errors.ts'
import { MAX_VALUE } from '../limits.ts'
import { isEmptyAcl, isMinimalAcl, isValidAcl, modeOfAcl, restrictAcl, setAclMode } from './acl.ts'
import { EACCES, EINVAL, EOPNOTSUPP } from './errno.ts'
import { type InodeRecord, S_IFDIR, S_IFLNK, S_IFMT, S_ISGID, XATTR_ACCESS, XATTR_DEFAULT } from './inode.ts'
import { ACCESS_NAME, DEFAULT_NAME } from './xattr-names.ts'
import type { XattrRecords } from './xattr-records.ts'

const PERMISSIONS = 0o777

export class AccessLists {
  readonly #records: XattrRecords
  readonly #access = new Uint8Array(MAX_VALUE)
  readonly #default = new Uint8Array(MAX_VALUE)
  /** Bytes of what the inode in the making inherits, 0 for nothing. */
  #accessLength = 0
  #defaultLength = 0

  constructor(records: XattrRecords) {
    this.#records = records
  }

  /** The mode with which something asked for with `mode` comes to be in `directory`; {@link stageInherited} does the rest. */
  inheritedMode(directory: InodeRecord, mode: number, umask: number): number {
    this.#accessLength = 0
    this.#defaultLength = 0
    const type = mode & S_IFMT
    if (type === S_IFLNK) return mode
    if ((directory.xattrs & XATTR_DEFAULT) === 0) return mode & ~(umask & PERMISSIONS)
    const length = this.#read(directory, DEFAULT_NAME, this.#default)
    if (type === S_IFDIR) this.#defaultLength = length
    for (let i = 0; i < length; i++) this.#access[i] = this.#default[i]
    restrictAcl(this.#access, length, mode)
    if (!isMinimalAcl(length)) this.#accessLength = length
    return (mode & ~PERMISSIONS) | modeOfAcl(this.#access, length)
  }

  /** Stages the lists that go with the last {@link inheritedMode}; the caller stages the inode. */
  stageInherited(inode: InodeRecord): void {
    if (this.#accessLength > 0) this.#records.stageNew(inode, ACCESS_NAME, this.#access, this.#accessLength)
    if (this.#defaultLength > 0) this.#records.stageNew(inode, DEFAULT_NAME, this.#default, this.#defaultLength)
  }

  /** Stages that the list of `inode`, if it has one, agrees with its changed mode. */
  stageMode(inode: InodeRecord): void {
    if ((inode.xattrs & XATTR_ACCESS) === 0) return
    const length = this.#read(inode, ACCESS_NAME, this.#access)
    setAclMode(this.#access, length, inode.mode)
    this.#records.stagePut(inode, ACCESS_NAME, this.#access, length)
  }

  /**
   * Stages a list that a caller sets, and changes the mode of `inode` to agree with it; the caller stages the inode. 0, or
   * minus an errno. `killSetgid`: setgid goes, because the caller is not in the file's group.
   */
  stageSet(inode: InodeRecord, kind: number, list: Uint8Array, killSetgid: boolean): number {
    if (inode.type === S_IFLNK) return -EOPNOTSUPP
    if (kind === XATTR_DEFAULT && !inode.isDirectory) return -EACCES
    const name = kind === XATTR_DEFAULT ? DEFAULT_NAME : ACCESS_NAME
    const { length } = list
    if (isEmptyAcl(list, length)) {
      this.#records.stageRemove(inode, name)
      return 0
    }
    if (!isValidAcl(list, length)) return -EINVAL
    if (kind === XATTR_DEFAULT) return this.#records.stagePut(inode, name, list, length)
    inode.mode = (inode.mode & ~(killSetgid ? PERMISSIONS | S_ISGID : PERMISSIONS)) | modeOfAcl(list, length)
    if (!isMinimalAcl(length)) return this.#records.stagePut(inode, name, list, length)
    this.#records.stageRemove(inode, name)
    return 0
  }

  #read(inode: InodeRecord, name: Uint8Array, target: Uint8Array): number {
    const length = this.#records.read(inode, name, target, 0)
    if (length < 0 || !isValidAcl(target, length)) {
      throw new HoltError('HOLT_CORRUPT_DATA', `inode ${inode.ino}: its access control list is missing or none`)
    }
    return length
  }
}
