/**
 * INIT: what we and the kernel agree on. Takes from the kernel's offer only the flags whose promise is kept; every
 * other flag stays off, so that the kernel does that part itself (O_TRUNC, locks).
 */
import { constants } from 'node:os'
import type { Reply } from './reply.ts'
import type { Request } from './request.ts'
import * as wire from './wire.ts'

const WANTED =
  wire.INIT_ASYNC_READ |
  wire.INIT_EXPORT_SUPPORT |
  wire.INIT_BIG_WRITES |
  wire.INIT_DO_READDIRPLUS |
  wire.INIT_ASYNC_DIO |
  wire.INIT_PARALLEL_DIROPS |
  wire.INIT_MAX_PAGES |
  wire.INIT_CACHE_SYMLINKS |
  wire.INIT_DONT_MASK |
  wire.INIT_POSIX_ACL |
  wire.INIT_SETXATTR_EXT |
  wire.INIT_HANDLE_KILLPRIV_V2

/** Requests that nobody waits for (read-ahead, RELEASE) in flight, and the count from which writers are slowed down. */
const MAX_BACKGROUND = 64
const CONGESTION_THRESHOLD = 48

/** What INIT ended with. `agreed` false with no `error`: the kernel will try again with our major version. */
export interface Negotiation {
  agreed: boolean
  length: number
  error: string
  /** The kernel can send again what a server that died has not answered (Linux 6.9). */
  resends: boolean
}

/** Builds the reply to INIT and says whether the mount can work. */
export function negotiate(request: Request, reply: Reply): Negotiation {
  const major = request.u32(wire.INIT_IN_MAJOR)
  const minor = request.u32(wire.INIT_IN_MINOR)
  if (major < wire.FUSE_MAJOR || (major === wire.FUSE_MAJOR && minor < wire.FUSE_MINOR_OLDEST)) {
    const error = `the kernel speaks FUSE ${major}.${minor}; ${wire.FUSE_MAJOR}.${wire.FUSE_MINOR_OLDEST} or newer is needed`
    return { agreed: false, length: reply.error(request, -constants.errno.EPROTO), error, resends: false }
  }
  for (let at = 0; at < wire.INIT_OUT_SIZE; at += 4) reply.setWord(at, 0)
  reply.setWord(0, wire.FUSE_MAJOR)
  reply.setWord(4, Math.min(minor, wire.FUSE_MINOR))
  if (major > wire.FUSE_MAJOR) {
    return { agreed: false, length: reply.data(request, wire.INIT_OUT_SIZE), error: '', resends: false }
  }

  const flags = request.u32(wire.INIT_IN_FLAGS) & WANTED
  const manyPages = (flags & wire.INIT_MAX_PAGES) !== 0
  reply.setWord(8, request.u32(wire.INIT_IN_MAX_READAHEAD))
  reply.setWord(12, flags)
  reply.setWord(16, pair(MAX_BACKGROUND, CONGESTION_THRESHOLD))
  reply.setWord(20, manyPages ? wire.MAX_TRANSFER : wire.MAX_TRANSFER_OLD)
  reply.setWord(24, 1)
  reply.setWord(28, pair(manyPages ? wire.MAX_TRANSFER_PAGES : 0, 0))
  const hasMore = (request.u32(wire.INIT_IN_FLAGS) & wire.INIT_EXT) !== 0
  const resends = hasMore && (request.u32(wire.INIT_IN_FLAGS2) & wire.INIT2_HAS_RESEND) !== 0
  return { agreed: true, length: reply.data(request, wire.INIT_OUT_SIZE), error: '', resends }
}

const pairBytes = new Uint16Array(2)
const pairWord = new Uint32Array(pairBytes.buffer)

/** Two neighbouring 16-bit fields as one word, in the host's byte order. */
function pair(first: number, second: number): number {
  pairBytes[0] = first
  pairBytes[1] = second
  return pairWord[0]
}
