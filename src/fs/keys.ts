/**
 * Builders of the keys that a volume keeps in its tree. The first byte is the namespace:
 *
 *   d path        dirent of "/a/b/c"; the children of a directory are the keys under `d path /`
 *   e ino cookie  an entry of a listing: directory, then the readdir offset that continues behind it
 *   i ino         inode record            b ino     inline data or symlink target
 *   o ino         orphan marker           r data id data file that is pending or retired
 *   s name        store counters          q worker  receipt of the request it carried out last (receipts.ts)
 *   x ino name    extended attribute      x ino     names of all of them
 *   t             never stored: waypoint of a directory exchange
 *
 * A number is 8 bytes, big-endian, so that numbers sort.
 */
import { HoltError } from '../errors.ts'
import { MAX_PATH } from '../limits.ts'

export const NS_DIRENT = 0x64
export const NS_ENTRY = 0x65
export const NS_INODE = 0x69
export const NS_INLINE = 0x62
export const NS_ORPHAN = 0x6f
export const NS_RETIRED = 0x72
export const NS_RECEIPT = 0x71
const NS_WAYPOINT = 0x74
export const NS_XATTR = 0x78

export const SLASH = 0x2f
export const ROOT_INO = 1

/** Bytes of a key that is a namespace and a number. */
export const NUMBER_KEY = 1 + 8
/** Bytes of a key that is a namespace and two numbers. */
export const ENTRY_KEY = 1 + 8 + 8
/** Bytes that hold any key of a volume: namespace, path, and the slash that opens a directory's children. */
export const KEY_BUFFER = 1 + MAX_PATH + 1

/** Writes the key of `number`, below 2^53, in `namespace` to `out` and returns its length. */
export function numberKey(out: Uint8Array, namespace: number, number: number): number {
  out[0] = namespace
  putNumber(out, 1, number)
  return NUMBER_KEY
}

/** The number in a key that {@link numberKey} built; the directory's of one that {@link entryKey} built. */
export function keyNumber(key: Uint8Array): number {
  return numberAt(key, 1)
}

/**
 * As {@link keyNumber}, of a key that a walk over a namespace came to: one of another length would be met again and
 * again, since what is removed or continued behind is the key of its number. Throws HOLT_CORRUPT_DATA for such a key.
 */
export function walkedNumber(key: Uint8Array, length: number): number {
  if (length === NUMBER_KEY) return numberAt(key, 1)
  throw new HoltError('HOLT_CORRUPT_DATA', `a key of ${length} bytes among those of numbers`)
}

/** Writes the key of the entry of directory `ino` with `cookie` to `out` and returns its length. */
export function entryKey(out: Uint8Array, ino: number, cookie: number): number {
  out[0] = NS_ENTRY
  putNumber(out, 1, ino)
  putNumber(out, 9, cookie)
  return ENTRY_KEY
}

/** The cookie in a key that {@link entryKey} built. */
export function entryCookie(key: Uint8Array): number {
  return numberAt(key, 9)
}

function putNumber(out: Uint8Array, at: number, number: number): void {
  const high = Math.floor(number / 4294967296)
  out[at] = high >>> 24
  out[at + 1] = high >>> 16
  out[at + 2] = high >>> 8
  out[at + 3] = high
  out[at + 4] = number >>> 24
  out[at + 5] = number >>> 16
  out[at + 6] = number >>> 8
  out[at + 7] = number
}

function numberAt(key: Uint8Array, at: number): number {
  const high = ((key[at] << 24) | (key[at + 1] << 16) | (key[at + 2] << 8) | key[at + 3]) >>> 0
  const low = ((key[at + 4] << 24) | (key[at + 5] << 16) | (key[at + 6] << 8) | key[at + 7]) >>> 0
  return high * 4294967296 + low
}

/**
 * Writes the key of the dirent `name` below a directory's children prefix and returns its length, -1 when the path
 * would exceed {@link MAX_PATH}.
 */
export function direntKey(out: Uint8Array, prefix: Uint8Array, name: Uint8Array): number {
  const length = prefix.length + name.length
  if (length > 1 + MAX_PATH) return -1
  out.set(prefix)
  out.set(name, prefix.length)
  return length
}

/** Children prefix of the root directory. */
export const ROOT_PREFIX = Uint8Array.of(NS_DIRENT, SLASH)
/** Prefix under which nothing is ever stored between two commits. */
export const WAYPOINT_PREFIX = Uint8Array.of(NS_WAYPOINT, SLASH)
/** Key of the counters record. */
export const COUNTERS_KEY = new TextEncoder().encode('scounters')

/** One-byte prefixes for walks over a whole namespace. */
export const ALL_DIRENTS = Uint8Array.of(NS_DIRENT)
export const ALL_ENTRIES = Uint8Array.of(NS_ENTRY)
export const ALL_INODES = Uint8Array.of(NS_INODE)
export const ALL_INLINE = Uint8Array.of(NS_INLINE)
export const ALL_ORPHANS = Uint8Array.of(NS_ORPHAN)
export const ALL_RETIRED = Uint8Array.of(NS_RETIRED)
export const ALL_XATTRS = Uint8Array.of(NS_XATTR)
/** "From the start" for a cursor. */
export const NO_KEY = new Uint8Array(0)
