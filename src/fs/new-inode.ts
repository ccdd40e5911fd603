/**
 * What every new inode gets: a number, its mode and owner under the rules of a setgid directory and of a default access control
 * list, and the time of birth.
 */
import type { FsContext } from './context.ts'
import { type InodeRecord, S_IFDIR, S_IFMT, S_ISGID } from './inode.ts'
import type { Caller } from './operations.ts'

/** Fills `inode` with a new one that belongs below `directory`, and stages its access list; the caller stages the inode. */
export function initInode(
  context: FsContext,
  inode: InodeRecord,
  caller: Caller,
  directory: InodeRecord,
  mode: number,
  rdev: number,
): void {
  const inherits = (directory.mode & S_ISGID) !== 0
  const isDirectory = (mode & S_IFMT) === S_IFDIR
  const inherited = context.acls.inheritedMode(directory, mode, caller.umask)
  inode.reset(context.counters.nextIno(), inherits && isDirectory ? inherited | S_ISGID : inherited)
  context.receipts.answers(inode.ino)
  inode.uid = caller.uid
  inode.gid = inherits ? directory.gid : caller.gid
  inode.rdev = rdev
  const { seconds, nanoseconds } = context.clock
  inode.setAtime(seconds, nanoseconds)
  inode.setMtime(seconds, nanoseconds)
  inode.setCtime(seconds, nanoseconds)
  inode.setBtime(seconds, nanoseconds)
  context.acls.stageInherited(inode)
}
