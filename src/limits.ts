/**
 * Every bound of the system in one place; the relations between them are checked when the module loads.
 */

/** Bytes of one blob frame, in the pool and on disk. */
export const FRAME_SIZE = 512 * 1024
/** log2 of {@link FRAME_SIZE}: a pool slot shifted left by it is the slot's byte base. */
export const FRAME_SHIFT = 19
/** Bytes of a CRC page of a frame; page 0 is the header. */
export const PAGE_SIZE = 4096
/** First byte of a frame's data area. */
export const DATA_START = PAGE_SIZE
/** Bytes at the end of a frame kept free so that spillover can always install its BlobNode. */
export const SPILL_RESERVE = 128
/** Bytes after the last frame of a pool, into which the position of a node in a torn frame may point. */
export const POOL_PADDING = 192 * 1024

/** A frame with fewer used bytes is never routed: it is read whole as fast. */
export const MIN_ROUTED_BYTES = 64 * 1024
/** Bytes of routing regions that each thread keeps. */
export const ROUTING_CACHE_BYTES = 16 * 1024 * 1024

/** Longest user key in bytes; one namespace byte may come on top. */
export const MAX_KEY = 4096 + 64
/** Longest key a caller of the public API may pass, in bytes. */
export const MAX_USER_KEY = 4096
/** Longest value in bytes. */
export const MAX_VALUE = 64 * 1024
/** Longest body of one WAL record (so of one batch) in bytes. */
export const MAX_RECORD = 4 * 1024 * 1024
/** Bytes after which a chunk of a bulk load is committed; it may exceed them by one record. */
export const LOAD_CHUNK = 1024 * 1024
/** Bytes of the shared WAL buffer. */
export const WAL_BUFFER = 8 * 1024 * 1024
/**
 * A buffer of at least so many bytes comes fresh from the kernel, as zeros that take no memory before they are used. A smaller
 * one may be memory that was used before, and then all of it is cleared: a millisecond for 20 MB. (M_MMAP_THRESHOLD of
 * glibc grows up to 32 MB.)
 */
export const FRESH_MEMORY = 33 * 1024 * 1024
/** Bytes after which the WAL rotates to a new segment. */
export const WAL_SEGMENT = 16 * 1024 * 1024
/** Bytes of WAL after which a checkpoint round runs while few frames are dirty. */
export const ROUND_WAL_BYTES = 16 * 1024 * 1024
/** The same however many are dirty: with it the time of a recovery is bounded. */
export const MOST_ROUND_WAL_BYTES = 48 * 1024 * 1024
/** Bytes of WAL after which a writer runs the round itself, because the background thread does not get to it. */
export const LATE_ROUND_WAL_BYTES = 64 * 1024 * 1024

/** Bytes a Prefix or BlobNode holds inline; longer edges are chains. */
export const MAX_PREFIX = 112
/** Most blobs a store may hold (512 GB of metadata). */
export const MAX_BLOBS = 1 << 20
/** Fewest frames a pool may have. */
export const MIN_POOL_FRAMES = 8
/** Bytes of a pool whose size nobody has given. */
export const DEFAULT_POOL = 256 * 1024 * 1024
/** Most frames a pool may have: byte indexes stay below 2^31. */
export const MAX_POOL_FRAMES = 4095 - 1

/** Most views that may be open at a time; the oldest expires when another one is opened. */
export const MAX_VIEWS = 8
/** Of a pool's frames, one in so many may hold an image that only views need. */
export const VIEW_IMAGE_SHARE = 4
/** Slots of frames.dat that are held for views: at most so many times the frames of the pool. */
export const VIEW_DISK_FACTOR = 4

/** Largest file kept inline in the tree, in bytes. */
export const MAX_INLINE = 8 * 1024
/** Longest file name in bytes. */
export const MAX_NAME = 255
/** Longest symlink target and longest path, in bytes. */
export const MAX_PATH = 4095

function assertLimit(holds: boolean, what: string): void {
  if (!holds) throw new Error(`limits.ts contradicts itself: ${what}`)
}

assertLimit(1 << FRAME_SHIFT === FRAME_SIZE, 'FRAME_SHIFT is not log2(FRAME_SIZE)')
assertLimit((FRAME_SIZE - DATA_START) / 8 + 1 <= 0xffff, 'a child reference does not fit 16 bits')
assertLimit(
  DATA_START + 2 * 0x10000 + MAX_KEY + 8 <= POOL_PADDING,
  'what a torn leaf names does not end in the padding: key start, suffix length, then bytes compared or copied',
)
assertLimit(8 + MAX_PREFIX <= SPILL_RESERVE, 'a BlobNode does not fit the spill reserve')
assertLimit(4 * (MAX_KEY + MAX_VALUE) < FRAME_SIZE - DATA_START, 'a frame must hold several of the largest records')
assertLimit(LOAD_CHUNK + MAX_KEY + MAX_VALUE + 8 <= MAX_RECORD, 'a load chunk does not fit a WAL record')
assertLimit(
  MIN_ROUTED_BYTES < FRAME_SIZE && FRAME_SIZE <= ROUTING_CACHE_BYTES,
  'no frame could be read by its routing region',
)
assertLimit(
  ROUND_WAL_BYTES <= MOST_ROUND_WAL_BYTES && MOST_ROUND_WAL_BYTES < LATE_ROUND_WAL_BYTES,
  'writers run rounds before the background thread does',
)
assertLimit(MAX_RECORD * 2 <= WAL_BUFFER, 'the WAL buffer must hold two of the largest records')
assertLimit(MAX_VIEWS <= 30, 'a set of views does not fit a word')
assertLimit(MAX_PATH + 2 <= MAX_KEY, 'a path does not fit a key')
assertLimit(MAX_INLINE <= MAX_VALUE, 'an inline file does not fit a value')
