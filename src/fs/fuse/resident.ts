/**
 * Memory that is there when the kernel wants to write a request to it. A thread that is being killed is given no page: a
 * request that it has just taken from the queue would then end with EIO (fuse_dev_do_read), and no other server gets it.
 */
import { koffi } from '../../journal/c-library.ts'

/**
 * Fills `bytes` with zeros and keeps their pages from being swapped out, where the limit of locked memory (RLIMIT_MEMLOCK, 8 MB
 * for users by default, none for root) permits it.
 */
export function makeResident(bytes: Buffer): void {
  bytes.fill(0)
  koffi().load(null).func('int mlock(const void *address, size_t length)')(bytes, bytes.length)
}
