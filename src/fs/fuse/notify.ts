/**
 * Messages to the kernel that answer no request. To be sent from the main thread only, but for one case, and never inside the
 * exclusive section: the kernel may make its sender wait for requests that a worker has to serve.
 */
import { constants } from 'node:os'
import { koffi } from '../../journal/c-library.ts'
import { OUT_HEADER_SIZE } from './wire.ts'

const NOTIFY_INVAL_INODE = 2
/** `struct fuse_notify_inval_inode_out`: node id, offset, length. */
const INVAL_INODE_SIZE = 24
const AT_INO = OUT_HEADER_SIZE
const AT_OFFSET = OUT_HEADER_SIZE + 8

type Write = (fd: number, bytes: Uint8Array, length: number) => number

const message = Buffer.alloc(OUT_HEADER_SIZE + INVAL_INODE_SIZE)
message.writeUInt32LE(message.length, 0)
message.writeInt32LE(NOTIFY_INVAL_INODE, 4)
// A negative offset: attributes only, no pages.
message.fill(0xff, AT_OFFSET, AT_OFFSET + 8)

/** Not Node's: that the kernel does not know an inode is the usual answer, and an exception costs 50 microseconds. */
let write: Write | undefined

/**
 * Whether the kernel has inode `ino` in its memory. Its attributes count as outdated then, which costs whoever asks for them a
 * request. True when the kernel cannot be asked.
 */
export function isKnownToKernel(fd: number, ino: number): boolean {
  write ??= koffi().load(null).func('long write(int fd, const void *bytes, size_t length)') as unknown as Write
  message.writeUInt32LE(ino % 4294967296, AT_INO)
  message.writeUInt32LE(ino / 4294967296, AT_INO + 4)
  return write(fd, message, message.length) >= 0 || koffi().errno() !== constants.errno.ENOENT
}

/**
 * Makes the kernel read the attributes of `ino` again before it believes them, for example when it executes the file. A worker may
 * send this before its reply to a request on that file: the file is open, so its inode is neither made nor given up meanwhile,
 * which is what the kernel would wait for.
 */
export function outdateAttributes(fd: number, ino: number): void {
  isKnownToKernel(fd, ino)
}
