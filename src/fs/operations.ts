/**
 * The seam between transports and filesystem: one method per filesystem operation, synchronous, no wire format in it
 * except that attributes travel as the 88 bytes of the kernel's `struct fuse_attr` (see inode.ts).
 *
 * Every method returns a number: zero or more for success (a length, a handle), or minus an errno. Names and data are
 * views into the caller's buffers, valid only during the call. Nothing here throws for an expected failure.
 */

/** Who asks. One object a worker, refilled for each request. */
export interface Caller {
  uid: number
  gid: number
  pid: number
  /** Permission bits that nothing it creates is to have; set for the operations that create. */
  umask: number
  /** Whether what it writes or cuts off takes setuid and setgid from a file: it may not set them itself. */
  killsPrivileges: boolean
  /** Set to the ino of a file that a write took setuid or setgid from: its mode changed without the kernel's knowing. */
  tookPrivilegesOf?: number
}

/** What a SETATTR changes; a field counts only when its flag below is in `valid`. Times: seconds and nanoseconds. */
export interface AttributeChange {
  valid: number
  mode: number
  uid: number
  gid: number
  size: number
  atime: number
  atimeNs: number
  mtime: number
  mtimeNs: number
  ctime: number
  ctimeNs: number
}

/** A change of nothing, to be filled in. */
export function noChange(): AttributeChange {
  return {
    valid: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    atime: 0,
    atimeNs: 0,
    mtime: 0,
    mtimeNs: 0,
    ctime: 0,
    ctimeNs: 0,
  }
}

/** Bits of {@link AttributeChange.valid}, numbered as FATTR_* of the FUSE protocol. */
export const SET_MODE = 1 << 0
export const SET_UID = 1 << 1
export const SET_GID = 1 << 2
export const SET_SIZE = 1 << 3
export const SET_ATIME = 1 << 4
export const SET_MTIME = 1 << 5
export const SET_ATIME_NOW = 1 << 7
export const SET_MTIME_NOW = 1 << 8
export const SET_CTIME = 1 << 10

/** For {@link DirectorySink.add}: the caller has no attributes of this entry. */
export const NO_ATTRIBUTES = -1

/** Takes directory entries until it is full. */
export interface DirectorySink {
  /** Whether `attr` is wanted (READDIRPLUS). */
  readonly plus: boolean
  /**
   * Adds one entry; returns false when it does not fit (it was not added). `type` is the DT_* value, `cookie` the
   * offset from which the entry after this one is read. With `plus`, `attr` at `attrAt` holds its 88 attribute bytes, or
   * `attrAt` is {@link NO_ATTRIBUTES}.
   */
  add(
    ino: number,
    type: number,
    cookie: number,
    name: Uint8Array,
    nameLength: number,
    attr: Uint8Array,
    attrAt: number,
  ): boolean
}

/** What statfs answers; counts of blocks of `blockSize` bytes. */
export interface FilesystemStatistics {
  blockSize: number
  blocks: number
  blocksFree: number
  blocksAvailable: number
  files: number
  filesFree: number
  nameMax: number
}

/** To be filled in. */
export function noStatistics(): FilesystemStatistics {
  return { blockSize: 0, blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0, nameMax: 0 }
}

export interface Operations {
  lookup(caller: Caller, parent: number, name: Uint8Array, attr: Uint8Array, at: number): number
  /** The kernel dropped `ino` from its cache, or could not use a reply that named it: an orphan may have come to its end. */
  forget(ino: number): void
  getattr(ino: number, attr: Uint8Array, at: number): number
  /** As getattr; the time of birth follows the attributes: seconds i64, nanoseconds u32. */
  statx(ino: number, attr: Uint8Array, at: number): number
  setattr(caller: Caller, ino: number, change: AttributeChange, attr: Uint8Array, at: number): number
  /** Copies the link target to `out` and returns its length. */
  readlink(ino: number, out: Uint8Array, at: number): number
  symlink(caller: Caller, parent: number, name: Uint8Array, target: Uint8Array, attr: Uint8Array, at: number): number
  /** Creates a file, fifo, socket or device node: `mode` has the S_IF* type. Regular files through CREATE come here too. */
  mknod(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    mode: number,
    rdev: number,
    attr: Uint8Array,
    at: number,
  ): number
  /** Creates a regular file that has no name; link() may give it one. */
  tmpfile(caller: Caller, directory: number, mode: number, attr: Uint8Array, at: number): number
  mkdir(caller: Caller, parent: number, name: Uint8Array, mode: number, attr: Uint8Array, at: number): number
  unlink(caller: Caller, parent: number, name: Uint8Array): number
  rmdir(caller: Caller, parent: number, name: Uint8Array): number
  /** `flags` are RENAME_* of renameat2; those not supported answer -EINVAL. */
  rename(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    newParent: number,
    newName: Uint8Array,
    flags: number,
  ): number
  link(caller: Caller, ino: number, newParent: number, newName: Uint8Array, attr: Uint8Array, at: number): number
  read(ino: number, offset: number, size: number, out: Uint8Array, at: number): number
  write(caller: Caller, ino: number, offset: number, data: Uint8Array): number
  /** `mode` is that of fallocate(2); -EOPNOTSUPP for what it does not know. */
  fallocate(caller: Caller, ino: number, mode: number, offset: number, length: number): number
  /** lseek(2) with a `whence` of SEEK_DATA or SEEK_HOLE: the place found, or -ENXIO. */
  seek(ino: number, offset: number, whence: number): number
  /** As copy_file_range(2): may copy less than asked for, 0 only behind the end of the source. */
  copyRange(
    caller: Caller,
    from: number,
    fromOffset: number,
    to: number,
    toOffset: number,
    length: number,
    flags: number,
  ): number
  fsync(ino: number, dataOnly: boolean): number
  /** Copies the value to `out` and returns its length. With `size` 0 only the length counts; -ERANGE when it is above `size`. */
  getxattr(ino: number, name: Uint8Array, size: number, out: Uint8Array, at: number): number
  /** As getxattr, for the names, each ended by NUL. */
  listxattr(caller: Caller, ino: number, size: number, out: Uint8Array, at: number): number
  /** `flags`: XATTR_CREATE 1, XATTR_REPLACE 2. `killSetgid`: an access control list takes setgid away. */
  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number, killSetgid: boolean): number
  removexattr(ino: number, name: Uint8Array): number
  /** Adds the entries of a directory behind `offset`: 0, or the cookie of an entry that was added before. */
  readdir(ino: number, offset: number, sink: DirectorySink): number
  fsyncdir(ino: number): number
  statfs(out: FilesystemStatistics): number
  /**
   * A change that frees space has failed for want of it. With `true`, the next ones of this thread may use what is kept back
   * for them, until `false`; answers false when nothing is.
   */
  useReserve(use: boolean): boolean
}
