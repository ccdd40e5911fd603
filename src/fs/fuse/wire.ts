/**
 * The numbers of the FUSE wire protocol (version 7, as of Linux 5.4 to 6.18): opcodes, flags, and the size and byte
 * offsets of every structure that we read or write. All integers have the host's byte order and are aligned to 4 bytes,
 * so that both sides go through a Uint32Array. Nothing here knows what a request means.
 */

export const FUSE_MAJOR = 7
/** The newest minor version that this file was checked against; newer kernels agree to talk this one. */
export const FUSE_MINOR = 45
/** Oldest minor version whose kernel does without OPEN and OPENDIR (Linux 5.1). */
export const FUSE_MINOR_OLDEST = 29

export const FUSE_LOOKUP = 1
export const FUSE_FORGET = 2
export const FUSE_GETATTR = 3
export const FUSE_SETATTR = 4
export const FUSE_READLINK = 5
export const FUSE_SYMLINK = 6
export const FUSE_MKNOD = 8
export const FUSE_MKDIR = 9
export const FUSE_UNLINK = 10
export const FUSE_RMDIR = 11
export const FUSE_RENAME = 12
export const FUSE_LINK = 13
export const FUSE_OPEN = 14
export const FUSE_READ = 15
export const FUSE_WRITE = 16
export const FUSE_STATFS = 17
export const FUSE_RELEASE = 18
export const FUSE_FSYNC = 20
export const FUSE_SETXATTR = 21
export const FUSE_GETXATTR = 22
export const FUSE_LISTXATTR = 23
export const FUSE_REMOVEXATTR = 24
export const FUSE_FLUSH = 25
export const FUSE_INIT = 26
export const FUSE_OPENDIR = 27
export const FUSE_READDIR = 28
export const FUSE_RELEASEDIR = 29
export const FUSE_FSYNCDIR = 30
export const FUSE_GETLK = 31
export const FUSE_SETLK = 32
export const FUSE_SETLKW = 33
export const FUSE_ACCESS = 34
export const FUSE_CREATE = 35
export const FUSE_INTERRUPT = 36
export const FUSE_BMAP = 37
export const FUSE_DESTROY = 38
export const FUSE_IOCTL = 39
export const FUSE_POLL = 40
export const FUSE_NOTIFY_REPLY = 41
export const FUSE_BATCH_FORGET = 42
export const FUSE_FALLOCATE = 43
export const FUSE_READDIRPLUS = 44
export const FUSE_RENAME2 = 45
export const FUSE_LSEEK = 46
export const FUSE_COPY_FILE_RANGE = 47
export const FUSE_SYNCFS = 50
export const FUSE_TMPFILE = 51
export const FUSE_STATX = 52
export const FUSE_COPY_FILE_RANGE_64 = 53

/** INIT flags, the low word. */
export const INIT_ASYNC_READ = 1 << 0
export const INIT_EXPORT_SUPPORT = 1 << 4
export const INIT_BIG_WRITES = 1 << 5
/** The server applies the umask. */
export const INIT_DONT_MASK = 1 << 6
export const INIT_DO_READDIRPLUS = 1 << 13
export const INIT_ASYNC_DIO = 1 << 15
export const INIT_PARALLEL_DIROPS = 1 << 18
export const INIT_POSIX_ACL = 1 << 20
export const INIT_MAX_PAGES = 1 << 22
export const INIT_CACHE_SYMLINKS = 1 << 23
/** The server takes setuid, setgid and file capabilities away; the kernel says when a write or truncation does. */
export const INIT_HANDLE_KILLPRIV_V2 = 1 << 28
/** SETXATTR has the longer head. */
export const INIT_SETXATTR_EXT = 1 << 29

export const INIT_EXT = 1 << 30
/** INIT flags, the high word, which is there with INIT_EXT. */
export const INIT2_HAS_RESEND = 1 << 7

export const FOPEN_KEEP_CACHE = 1 << 1
export const FSYNC_FDATASYNC = 1 << 0

/** `struct fuse_in_header`. */
export const IN_HEADER_SIZE = 40
export const IN_LEN = 0
export const IN_OPCODE = 4
export const IN_UNIQUE = 8
export const IN_NODEID = 16
export const IN_UID = 24
export const IN_GID = 28
export const IN_PID = 32

/** Bit of the high word of a request's number: it was sent before, to a server that did not answer. */
export const UNIQUE_RESENT = 0x80000000

/** `struct fuse_out_header`: len, error (zero or minus an errno), unique. */
export const OUT_HEADER_SIZE = 16

/** Request bodies; offsets are from the first byte of the message, header included. */
export const INIT_IN_MAJOR = 40
export const INIT_IN_MINOR = 44
export const INIT_IN_MAX_READAHEAD = 48
export const INIT_IN_FLAGS = 52
export const INIT_IN_FLAGS2 = 56
export const BATCH_FORGET_COUNT = 40
export const BATCH_FORGET_ENTRIES = 48
export const FORGET_ONE_SIZE = 16
export const SETATTR_VALID = 40
/** A bit of SETATTR_VALID: the caller may not set setuid and setgid, so the new size takes them away. */
export const SETATTR_KILL_SUIDGID = 1 << 11
export const SETATTR_SIZE = 56
export const SETATTR_ATIME = 72
export const SETATTR_MTIME = 80
export const SETATTR_CTIME = 88
export const SETATTR_ATIMENSEC = 96
export const SETATTR_MTIMENSEC = 100
export const SETATTR_CTIMENSEC = 104
export const SETATTR_MODE = 108
export const SETATTR_UID = 116
export const SETATTR_GID = 120
export const MKNOD_MODE = 40
export const MKNOD_RDEV = 44
export const MKNOD_UMASK = 48
export const MKNOD_NAME = 56
export const MKDIR_MODE = 40
export const MKDIR_UMASK = 44
export const MKDIR_NAME = 48
export const RENAME_NEWDIR = 40
export const RENAME_NAMES = 48
export const RENAME2_FLAGS = 48
export const RENAME2_NAMES = 56
export const LINK_OLDNODEID = 40
export const LINK_NAME = 48
export const CREATE_FLAGS = 40
export const CREATE_MODE = 44
export const CREATE_UMASK = 48
export const CREATE_NAME = 56
export const READ_OFFSET = 48
export const READ_SIZE = 56
export const WRITE_OFFSET = 48
export const WRITE_SIZE = 56
export const WRITE_FLAGS = 60
export const WRITE_KILL_SUIDGID = 1 << 2
export const WRITE_DATA = 80
export const FSYNC_FLAGS = 48
export const FALLOCATE_OFFSET = 48
export const FALLOCATE_LENGTH = 56
export const FALLOCATE_MODE = 64
export const LSEEK_OFFSET = 48
export const LSEEK_WHENCE = 56
export const COPY_OFFSET_IN = 48
export const COPY_NODE_OUT = 56
export const COPY_OFFSET_OUT = 72
export const COPY_LENGTH = 80
export const COPY_FLAGS = 88
export const SETXATTR_SIZE = 40
export const SETXATTR_FLAGS = 44
/** Present, as the longer head is, when INIT_SETXATTR_EXT was agreed. */
export const SETXATTR_MORE_FLAGS = 48
export const SETXATTR_NAME = 56
export const SETXATTR_NAME_OLD = 48
export const SETXATTR_ACL_KILL_SGID = 1 << 0
/** GETXATTR and LISTXATTR. */
export const GETXATTR_SIZE = 40
export const GETXATTR_NAME = 48

/** Notifications are replies with this in the place of the error, and 0 for the request's number. */
export const NOTIFY_RESEND = 7

/** Reply bodies, sizes in bytes. */
export const ATTR_SIZE = 88
/** `struct fuse_entry_out`: nodeid, generation, entry_valid, attr_valid, two nanosecond words, attr. */
export const ENTRY_OUT_SIZE = 128
export const ENTRY_ATTR = 40
/** `struct fuse_attr_out`: attr_valid, its nanoseconds, padding, attr. */
export const ATTR_OUT_SIZE = 104
export const ATTR_OUT_ATTR = 16
/** `struct fuse_statx_out`: attr_valid, its nanoseconds, flags, padding, then a `struct fuse_statx` of 256 bytes. */
export const STATX_OUT_SIZE = 288
export const STATX_OUT_STATX = 32
/** `struct fuse_open_out`: file handle, FOPEN_* flags, padding. */
export const OPEN_OUT_SIZE = 16
export const WRITE_OUT_SIZE = 8
/** One u64: `fuse_lseek_out`, `fuse_copy_file_range_out`; `fuse_getxattr_out`, a u32 and padding. */
export const WIDE_OUT_SIZE = 8
export const STATFS_OUT_SIZE = 80
export const INIT_OUT_SIZE = 64
/** `struct fuse_dirent` before its name: ino, cookie, name length, type. Each entry is padded to 8 bytes. */
export const DIRENT_SIZE = 24

/** Bytes of file data one READ or WRITE carries at most: 256 pages. */
export const MAX_TRANSFER = 1024 * 1024
export const MAX_TRANSFER_PAGES = 256
/** The same for kernels without INIT_MAX_PAGES. */
export const MAX_TRANSFER_OLD = 128 * 1024
/** Longest message in either direction: data, its headers, rounded up to a page. */
export const MESSAGE_SIZE = MAX_TRANSFER + 4096

/** Opcodes counted separately; higher ones share the last counter. */
export const OPCODES = 64

/** The shortest message by opcode, in bytes, that holds all that is read of its body: a name has at least its NUL. */
export const LEAST_LENGTH = new Uint8Array(OPCODES).fill(IN_HEADER_SIZE)
for (const [opcode, length] of [
  [FUSE_LOOKUP, IN_HEADER_SIZE + 1],
  [FUSE_FORGET, IN_HEADER_SIZE + 8],
  [FUSE_SETATTR, SETATTR_GID + 4],
  [FUSE_SYMLINK, IN_HEADER_SIZE + 2],
  [FUSE_MKNOD, MKNOD_NAME + 1],
  [FUSE_MKDIR, MKDIR_NAME + 1],
  [FUSE_UNLINK, IN_HEADER_SIZE + 1],
  [FUSE_RMDIR, IN_HEADER_SIZE + 1],
  [FUSE_RENAME, RENAME_NAMES + 2],
  [FUSE_LINK, LINK_NAME + 1],
  [FUSE_READ, READ_SIZE + 4],
  [FUSE_WRITE, WRITE_DATA],
  [FUSE_FSYNC, FSYNC_FLAGS + 4],
  [FUSE_SETXATTR, SETXATTR_NAME_OLD + 1],
  [FUSE_GETXATTR, GETXATTR_NAME + 1],
  [FUSE_LISTXATTR, GETXATTR_SIZE + 4],
  [FUSE_REMOVEXATTR, IN_HEADER_SIZE + 1],
  [FUSE_READDIR, READ_SIZE + 4],
  [FUSE_CREATE, CREATE_NAME + 1],
  [FUSE_BATCH_FORGET, BATCH_FORGET_ENTRIES],
  [FUSE_FALLOCATE, FALLOCATE_MODE + 4],
  [FUSE_READDIRPLUS, READ_SIZE + 4],
  [FUSE_RENAME2, RENAME2_NAMES + 2],
  [FUSE_LSEEK, LSEEK_WHENCE + 4],
  [FUSE_COPY_FILE_RANGE, COPY_FLAGS + 8],
  [FUSE_TMPFILE, CREATE_UMASK + 4],
  [FUSE_COPY_FILE_RANGE_64, COPY_FLAGS + 8],
]) {
  LEAST_LENGTH[opcode] = length
}
