/**
 * Names of extended attributes: which a filesystem on Linux keeps, and which of them this one treats in a special way. Names
 * are bytes; everything behind the namespace is the caller's.
 */
import { EINVAL, EOPNOTSUPP, ERANGE } from './errno.ts'
import { XATTR_ACCESS, XATTR_ANY, XATTR_CAPABILITY, XATTR_DEFAULT } from './inode.ts'

/** Longest name, its namespace included, in bytes. */
export const MAX_XATTR_NAME = 255

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

export const ACCESS_NAME = bytes('system.posix_acl_access')
export const DEFAULT_NAME = bytes('system.posix_acl_default')
export const CAPABILITY_NAME = bytes('security.capability')
const USER = bytes('user.')
const TRUSTED = bytes('trusted.')
const NAMESPACES = [USER, TRUSTED, bytes('security.')]

/** 0 for a name that can be kept, else minus an errno. */
export function checkXattrName(name: Uint8Array): number {
  if (name.length === 0 || name.length > MAX_XATTR_NAME) return -ERANGE
  for (const namespace of NAMESPACES) {
    if (startsWith(name, namespace)) return name.length > namespace.length ? 0 : -EINVAL
  }
  return kindOfName(name) === XATTR_ANY ? -EOPNOTSUPP : 0
}

export function isUserName(name: Uint8Array): boolean {
  return startsWith(name, USER)
}

/** Whether the name at `at` of a list is one that only the administrator is shown. */
export function isTrustedName(list: Uint8Array, at: number): boolean {
  return startsWith(list, TRUSTED, at)
}

/** XATTR_ACCESS, XATTR_DEFAULT or XATTR_CAPABILITY for their names, XATTR_ANY for every other. */
export function kindOfName(name: Uint8Array): number {
  if (equals(name, ACCESS_NAME)) return XATTR_ACCESS
  if (equals(name, DEFAULT_NAME)) return XATTR_DEFAULT
  return equals(name, CAPABILITY_NAME) ? XATTR_CAPABILITY : XATTR_ANY
}

function equals(name: Uint8Array, other: Uint8Array): boolean {
  return name.length === other.length && startsWith(name, other)
}

function startsWith(name: Uint8Array, prefix: Uint8Array, at = 0): boolean {
  if (name.length - at < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) {
    if (name[at + i] !== prefix[i]) return false
  }
  return true
}
