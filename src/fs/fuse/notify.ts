/**
 * Messages to the kernel that answer no request. To be sent from the main thread only, but for one case, and never inside the
 * exclusive section: the kernel may make its sender wait for requests that a worker has to serve.
 */
import { writeSync } from 'node:fs'
import { OUT_HEADER_SIZE } from './wire.ts'

const NOTIFY_INVAL_INODE = 2
/** `struct fuse_notify_inval_inode_out`: node id, offset, length. */
const INVAL_INODE_SIZE = 24
/** As offset: attributes only, no pages. */
const NO_PAGES = -1n

const message = Buffer.alloc(OUT_HEADER_SIZE + INVAL_INODE_SIZE)

/**
 * Whether the kernel has inode `ino` in its memory. Its attributes count as outdated then, which costs whoever asks for them a
 * request. True when the kernel cannot be asked.
 */
export function isKnownToKernel(fd: number, ino: number): boolean {
  message.writeUInt32LE(message.length, 0)
  message.writeInt32LE(NOTIFY_INVAL_INODE, 4)
  message.writeBigUInt64LE(BigInt(ino), OUT_HEADER_SIZE)
  message.writeBigInt64LE(NO_PAGES, OUT_HEADER_SIZE + 8)
  try {
    writeSync(fd, message, 0, message.length, null)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/**
 * Makes the kernel read the attributes of `ino` again before it believes them, for example when it executes the file. A worker may
 * send this before its reply to a request on that file: the file is open, so its inode is neither made nor given up meanwhile,
 * which is what the kernel would wait for.
 */
export function outdateAttributes(fd: number, ino: number): void {
  isKnownToKernel(fd, ino)
}
