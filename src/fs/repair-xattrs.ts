/**
 * The part of the repair that is about extended attributes: the attributes themselves are believed where they can be one, and
 * the list of their names and what the inode says of them is made to agree. Comes after names: what has no inode by then goes.
 */
import { MAX_VALUE } from '../limits.ts'
import { isValidAcl, modeOfAcl } from './acl.ts'
import { quoted } from './describe-keys.ts'
import { XATTR_ACCESS, XATTR_ANY, XATTR_DEFAULT } from './inode.ts'
import { ALL_XATTRS, keyNumber, NS_XATTR, NUMBER_KEY, numberKey } from './keys.ts'
import type { RepairState } from './repair-state.ts'
import { kindOfName, MAX_XATTR_NAME } from './xattr-names.ts'

const NOTHING = new Uint8Array(0)

export class RepairXattrs {
  readonly #state: RepairState
  readonly #key = new Uint8Array(NUMBER_KEY)
  /** Whose attributes are at hand, the list that is stored of their names, and what it should hold. */
  #ino = -1
  #list: Uint8Array = NOTHING
  #names: Uint8Array[] = []
  #namesLength = 0
  #kinds = 0

  constructor(state: RepairState) {
    this.#state = state
  }

  mend(): void {
    const state = this.#state
    const seen = new Set<number>()
    state.walk(ALL_XATTRS, 'extended attributes', ({ key, keyLength, value, valueLength }) => {
      const ino = keyLength >= NUMBER_KEY ? keyNumber(key) : -1
      const known = state.inodes.get(ino)
      if (known === undefined) {
        state.delete(key.subarray(0, keyLength))
        return
      }
      if (ino !== this.#ino) {
        this.#conclude()
        this.#begin(ino)
        seen.add(ino)
      }
      if (keyLength === NUMBER_KEY) this.#list = value.slice(0, valueLength)
      else if (!this.#keeps(key.slice(NUMBER_KEY, keyLength), value, valueLength, known.mode)) {
        state.delete(key.subarray(0, keyLength))
      }
    })
    this.#conclude()
    for (const [ino, { xattrs }] of state.inodes) {
      if (xattrs === 0 || seen.has(ino)) continue
      this.#setKinds(ino, 0)
      state.tell({ code: 'LOST_ATTRIBUTE', ino, message: 'its extended attributes are lost' })
    }
    state.flush()
  }

  #begin(ino: number): void {
    this.#ino = ino
    this.#list = NOTHING
    this.#names = []
    this.#namesLength = 0
    this.#kinds = 0
  }

  #keeps(name: Uint8Array, value: Uint8Array, valueLength: number, mode: number): boolean {
    const kind = kindOfName(name)
    const fits = name.length <= MAX_XATTR_NAME && this.#namesLength + name.length < MAX_VALUE
    if (!fits || !isAttribute(kind, value, valueLength, mode)) {
      this.#state.tell({ code: 'LOST_ATTRIBUTE', ino: this.#ino, message: `${quoted(name)} is damaged` })
      return false
    }
    this.#names.push(name)
    this.#namesLength += name.length + 1
    this.#kinds |= XATTR_ANY | kind
    return true
  }

  /** All attributes of the inode at hand have been seen. */
  #conclude(): void {
    const state = this.#state
    if (!state.inodes.has(this.#ino)) return
    const right = Buffer.concat(this.#names.flatMap(name => [name, Uint8Array.of(0)]))
    const key = this.#key.subarray(0, numberKey(this.#key, NS_XATTR, this.#ino))
    if (right.length === 0) state.delete(key)
    else if (!right.equals(this.#list)) {
      state.put(key, right)
      state.mend('lists of extended attributes')
    }
    this.#setKinds(this.#ino, this.#kinds)
  }

  #setKinds(ino: number, kinds: number): void {
    if (this.#state.inodes.get(ino)?.xattrs === kinds) return
    this.#state.change(ino, record => {
      record.xattrs = kinds
    })
  }
}

function isAttribute(kind: number, value: Uint8Array, length: number, mode: number): boolean {
  if (kind !== XATTR_ACCESS && kind !== XATTR_DEFAULT) return true
  if (!isValidAcl(value, length)) return false
  return kind === XATTR_DEFAULT || (mode & 0o777) === modeOfAcl(value, length)
}
