/**
 * POSIX access control lists in the kernel's xattr format: a u32 version, then entries of tag u16, permissions u16 and id
 * u32, little-endian, in the order owner, named users, owning group, named groups, mask, others. Pure functions over
 * such bytes; the rules are those of POSIX 1003.1e draft 17, section 23.1, which Linux follows. Enforcing them is the kernel's
 * part.
 */

const HEAD = 4
const ENTRY = 8
const VERSION = 2
const USER_OBJ = 0x01
const USER = 0x02
const GROUP_OBJ = 0x04
const GROUP = 0x08
const MASK = 0x10
const OTHER = 0x20
const UNDEFINED_ID = 0xff

/** Bytes of the list with one entry each for owner, group and others, which says no more than a mode does. */
const MINIMAL = HEAD + 3 * ENTRY

/** Whether `acl[0..length]` is a list without entries, which stands for "none". */
export function isEmptyAcl(acl: Uint8Array, length: number): boolean {
  return length === HEAD && isVersion(acl)
}

/** Whether `acl[0..length]` is a list as the kernel would have it: every entry that must be there once, in order. */
export function isValidAcl(acl: Uint8Array, length: number): boolean {
  if (length < MINIMAL || (length - HEAD) % ENTRY !== 0 || !isVersion(acl)) return false
  // The last entry that was seen; named ones may repeat, the others may not.
  let last = 0
  let named = false
  for (let at = HEAD; at < length; at += ENTRY) {
    const tag = acl[at]
    if (acl[at + 1] !== 0 || acl[at + 2] > 7 || acl[at + 3] !== 0) return false
    if (!follows(tag, last, named)) return false
    if (tag === USER || tag === GROUP) {
      if (isUndefined(acl, at + 4)) return false
      named = true
    }
    last = tag
  }
  return last === OTHER
}

/** Whether an entry of `tag` may come after one of `last`; `named`: a user or group was named, which takes a mask. */
function follows(tag: number, last: number, named: boolean): boolean {
  switch (tag) {
    case USER_OBJ:
      return last === 0
    case USER:
    case GROUP_OBJ:
      return last === USER_OBJ || last === USER
    case GROUP:
    case MASK:
      return last === GROUP_OBJ || last === GROUP
    case OTHER:
      return last === MASK || (last === GROUP_OBJ && !named)
    default:
      return false
  }
}

/** Whether a valid list says no more than the permission bits of a mode. */
export function isMinimalAcl(length: number): boolean {
  return length === MINIMAL
}

/** The permission bits (0o777) that go with a valid list: its mask, where it has one, is the group's part. */
export function modeOfAcl(acl: Uint8Array, length: number): number {
  let mode = 0
  let masked = false
  for (let at = HEAD; at < length; at += ENTRY) {
    const permissions = acl[at + 2]
    const tag = acl[at]
    if (tag === USER_OBJ) mode |= permissions << 6
    else if (tag === OTHER) mode |= permissions
    else if (tag === MASK) {
      mode = (mode & ~0o070) | (permissions << 3)
      masked = true
    } else if (tag === GROUP_OBJ && !masked) mode |= permissions << 3
  }
  return mode
}

/** Gives a valid list the permission bits of `mode`, as chmod does. */
export function setAclMode(acl: Uint8Array, length: number, mode: number): void {
  const group = groupEntry(acl, length)
  for (let at = HEAD; at < length; at += ENTRY) {
    if (acl[at] === USER_OBJ) acl[at + 2] = (mode >> 6) & 7
    else if (acl[at] === OTHER) acl[at + 2] = mode & 7
    else if (at === group) acl[at + 2] = (mode >> 3) & 7
  }
}

/**
 * Makes of a copy of a directory's default list the access list of something created in it with `mode`: neither grants what
 * the other does not. The permission bits of both are then {@link modeOfAcl}.
 */
export function restrictAcl(acl: Uint8Array, length: number, mode: number): void {
  const group = groupEntry(acl, length)
  for (let at = HEAD; at < length; at += ENTRY) {
    if (acl[at] === USER_OBJ) acl[at + 2] &= mode >> 6
    else if (acl[at] === OTHER) acl[at + 2] &= mode
    else if (at === group) acl[at + 2] &= mode >> 3
  }
}

/** Offset of the entry that the group's bits of the mode show: the mask, or without one the owning group. */
function groupEntry(acl: Uint8Array, length: number): number {
  let group = 0
  for (let at = HEAD; at < length; at += ENTRY) {
    if (acl[at] === MASK) return at
    if (acl[at] === GROUP_OBJ) group = at
  }
  return group
}

function isVersion(acl: Uint8Array): boolean {
  return acl[0] === VERSION && acl[1] === 0 && acl[2] === 0 && acl[3] === 0
}

function isUndefined(acl: Uint8Array, at: number): boolean {
  for (let i = 0; i < 4; i++) if (acl[at + i] !== UNDEFINED_ID) return false
  return true
}
