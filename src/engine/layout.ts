/**
 * Byte map of a blob frame: header fields, node kinds and their field offsets. docs/format.md is the prose of it.
 * All offsets are relative to the frame or node; all integers are little-endian.
 *
 * A child reference is 16 bits: (byte offset - DATA_START) / 8 + 1, and 0 means none. So whatever 16 bits a torn read
 * delivers, the offset stays inside the frame or the padding behind it (I1).
 */
import { DATA_START, FRAME_SIZE } from '../limits.ts'

/** "HOLT" "FRM1" as two words. */
export const FRAME_MAGIC_LOW = 0x544c4f48
export const FRAME_MAGIC_HIGH = 0x314d5246
export const FORMAT_VERSION = 1

/** Blob id of the tree's root frame; ids start here, 0 means none. */
export const ROOT_BLOB = 1

export const H_MAGIC = 0
export const H_FORMAT = 8
export const H_BLOB = 12
export const H_TREE = 16
export const H_EPOCH = 20
/** Reference to the root node; 0 when the frame holds no key. */
export const H_ROOT = 24
/** Offset of the first byte never allocated. */
export const H_USED = 28
/** Bytes below H_USED that no node reaches any more. */
export const H_DEAD = 32
/** How often the frame was compacted. */
export const H_COMPACTIONS = 36
/** Seq of the last change, two words. */
export const H_SEQ = 40
/**
 * Routing geometry (walker/route-layout.ts). Offset of the first leaf page, a multiple of the page size; 0: the frame is
 * plain, and the other four fields mean nothing.
 */
export const H_LEAVES = 48
/** Offset of the bloom filter: the end of the nodes of the routing region. */
export const H_BLOOM = 52
export const H_BLOOM_BYTES = 56
/** Bits that a key sets in the bloom filter. */
export const H_BLOOM_HASHES = 60
/** Bytes of the bloom filter and of the gaps before and between leaf pages: neither live nor dead. */
export const H_SLACK = 64
/** What is known of the keys of all records (frame-key.ts): length + 1, u16; 0: nothing. The bytes are at {@link H_KEY}. */
export const H_KEY_LENGTH = 68
/** CRC32 of each data page, page 1 first; 0 for pages at or beyond H_USED. */
export const H_PAGE_CRCS = 512
export const H_KEY = 1020
/** CRC32 of the header bytes before it. */
export const H_CRC = 4092

/** Node kinds: byte 0 of every node. */
export const LEAF = 1
export const PREFIX = 2
export const BLOB = 3
export const NODE4 = 4
export const NODE16 = 5
export const NODE48 = 6
export const NODE256 = 7

/**
 * Leaf: kind, value length bits 16..23, key start u16, suffix length u16, value length bits 0..15 u16, version u64, then
 * slack up to the key start, the key suffix below the leaf's own depth, the value. A split that pushes the leaf deeper
 * advances the key start in place.
 */
export const LEAF_VALUE_HIGH = 1
export const LEAF_KEY_START = 2
export const LEAF_SUFFIX = 4
export const LEAF_VALUE = 6
export const LEAF_VERSION = 8
export const LEAF_HEAD = 16

/** Prefix: kind, length u8, child ref u16, bytes. */
export const PREFIX_LENGTH = 1
export const PREFIX_CHILD = 2
export const PREFIX_BYTES = 4

/**
 * BlobNode: kind, inline prefix length u8, run flag u8, spare u8, child blob id u32, prefix bytes.
 *
 * With the run flag, the node is a run crossing: a run of neighbouring bytes of one inner node, with no byte of the run
 * left out, all refer to it, it has no prefix, and the child's tree branches on that byte once more. It is how many
 * small subtrees share a blob.
 */
export const BLOB_LENGTH = 1
export const BLOB_RUN = 2
export const BLOB_CHILD = 4
export const BLOB_BYTES = 8

/** Inner nodes: kind, child count u8 (of Node256 modulo 256), terminal ref u16, then keys or index, then child refs. */
export const INNER_COUNT = 1
/** The leaf of the key that ends at this node, or 0. */
export const INNER_TERMINAL = 2
export const NODE4_KEYS = 4
export const NODE4_CHILDREN = 8
export const NODE4_SIZE = 16
export const NODE16_KEYS = 4
export const NODE16_CHILDREN = 20
export const NODE16_SIZE = 56
export const NODE48_INDEX = 4
export const NODE48_CHILDREN = 260
export const NODE48_SIZE = 360
export const NODE256_CHILDREN = 4
export const NODE256_SIZE = 520

/** Child counts at which a node shrinks to the next smaller kind. */
export const SHRINK_TO_4 = 3
export const SHRINK_TO_16 = 12
export const SHRINK_TO_48 = 37

export function align8(n: number): number {
  return (n + 7) & ~7
}

/** Offset in the frame of the node that `ref` names; `ref` is not 0. */
export function offsetOf(ref: number): number {
  return ((ref - 1) << 3) + DATA_START
}

/** The reference to the node at `offset`. */
export function refOf(offset: number): number {
  return ((offset - DATA_START) >> 3) + 1
}

export function leafSize(suffixLength: number, valueLength: number): number {
  return align8(LEAF_HEAD + suffixLength + valueLength)
}

export function prefixSize(length: number): number {
  return align8(PREFIX_BYTES + length)
}

export function blobSize(length: number): number {
  return align8(BLOB_BYTES + length)
}

/** Bytes to copy of a frame whose header says that `used` are: it may be torn, or made to attack. */
export function imageBytes(used: number): number {
  return Math.min(FRAME_SIZE, Math.max(DATA_START, used))
}
