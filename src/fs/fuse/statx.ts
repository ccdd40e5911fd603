/**
 * `struct fuse_statx_out`: what STATX is answered with, made from the attributes and the time of birth that the operation has put
 * into the same buffer. All basic fields and the time of birth are always given, whatever was asked for.
 */
import * as wire from './wire.ts'

const BASIC_AND_BIRTH = 0xfff
/** Of an 88-byte `struct fuse_attr`, in words. */
const ATTR = {
  size: 2,
  blocks: 4,
  seconds: 6,
  nanoseconds: 12,
  mode: 15,
  nlink: 16,
  uid: 17,
  gid: 18,
  rdev: 19,
  blksize: 20,
}
/** Words of `struct fuse_statx` where the times begin; each is 16 bytes. */
const ATIME = 16
const BTIME = 20
const CTIME = 24
const MTIME = 28
const RDEV = 32

/**
 * Writes the body at word `to` of `words` from the attributes at word `from` and the birth time behind them. The two do not overlap.
 */
export function encodeStatx(words: Uint32Array, to: number, from: number, validSeconds: number): void {
  words.fill(0, to, to + (wire.STATX_OUT_SIZE >> 2))
  words[to] = validSeconds
  const w = to + (wire.STATX_OUT_STATX >> 2)
  words[w] = BASIC_AND_BIRTH
  words[w + 1] = words[from + ATTR.blksize]
  words[w + 4] = words[from + ATTR.nlink]
  words[w + 5] = words[from + ATTR.uid]
  words[w + 6] = words[from + ATTR.gid]
  halves[0] = words[from + ATTR.mode]
  words[w + 7] = halfWord[0]
  pair(words, w + 8, from)
  pair(words, w + 10, from + ATTR.size)
  pair(words, w + 12, from + ATTR.blocks)
  time(words, w + ATIME, from + ATTR.seconds, from + ATTR.nanoseconds)
  time(words, w + MTIME, from + ATTR.seconds + 2, from + ATTR.nanoseconds + 1)
  time(words, w + CTIME, from + ATTR.seconds + 4, from + ATTR.nanoseconds + 2)
  const birth = from + (wire.ATTR_SIZE >> 2)
  time(words, w + BTIME, birth, birth + 2)
  // The kernel's 32-bit device number: 12 bits of major, 20 of minor in two parts.
  const rdev = words[from + ATTR.rdev]
  words[w + RDEV] = (rdev >>> 8) & 0xfff
  words[w + RDEV + 1] = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00)
}

function pair(words: Uint32Array, to: number, from: number): void {
  words[to] = words[from]
  words[to + 1] = words[from + 1]
}

function time(words: Uint32Array, to: number, seconds: number, nanoseconds: number): void {
  pair(words, to, seconds)
  words[to + 2] = words[nanoseconds]
}

/** The mode is 16 bits, followed by 16 of padding: its word, in the host's byte order. */
const halves = new Uint16Array(2)
const halfWord = new Uint32Array(halves.buffer)
