/** Says in words what the keys with some first bytes are to a user of the filesystem: names, files, listings. */
import {
  NS_DIRENT,
  NS_ENTRY,
  NS_INLINE,
  NS_INODE,
  NS_ORPHAN,
  NS_RECEIPT,
  NS_RETIRED,
  NS_XATTR,
  NUMBER_KEY,
} from './keys.ts'

const NUMBERED = new Map([
  [NS_ENTRY, 'what the listings of directories hold: directory'],
  [NS_INODE, 'inode'],
  [NS_INLINE, 'the bytes of small files: inode'],
  [NS_ORPHAN, 'files without a name: inode'],
  [NS_XATTR, 'extended attributes: inode'],
  [NS_RETIRED, 'data files to be removed: data id'],
])

/** What the keys are that begin with `prefix`. */
export function describeKeys(prefix: Uint8Array): string {
  if (prefix.length === 0) return 'the whole filesystem'
  const text = NUMBERED.get(prefix[0])
  if (text !== undefined) return `${text} ${numbers(prefix)}`
  if (prefix[0] === NS_DIRENT) return `names that begin with ${quoted(prefix.subarray(1))}`
  return prefix[0] === NS_RECEIPT ? 'receipts of requests' : 'counters'
}

/** The path as it is shown to people. */
export function quoted(path: Uint8Array): string {
  return JSON.stringify(Buffer.from(path).toString('utf8'))
}

/** The numbers that begin with the bytes behind the first. */
function numbers(prefix: Uint8Array): string {
  const bytes = Buffer.alloc(NUMBER_KEY - 1)
  bytes.set(prefix.subarray(1, NUMBER_KEY))
  const first = bytes.readBigUInt64BE()
  const unknown = Math.max(0, NUMBER_KEY - prefix.length)
  if (unknown === 0) return String(first)
  if (unknown >= 7) return 'any'
  return `${first} to ${first + (1n << BigInt(8 * unknown)) - 1n}`
}
