/**
 * What a thread of contention.test.ts did, and in which order: all changes of a filesystem go through one exclusive
 * section, and the sections are numbered as they begin. A step that changed something happened at the first section in which
 * it changed an inode; one that only read saw, key by key, some state between the last section that had ended before it
 * and the last that had begun by its end.
 */
export const KINDS = [
  'mknod',
  'mkdir',
  'symlink',
  'link',
  'unlink',
  'rmdir',
  'rename',
  'chmod',
  'truncate',
  'write',
  'forget',
  'lookup',
  'getattr',
  'readdir',
  'read',
] as const

export type Kind = (typeof KINDS)[number]

export interface Seen {
  ino: number
  mode: number
  nlink: number
  size: number
}

export interface Step {
  thread: number
  kind: Kind
  /** Inode that the step is about: the directory, where there is a name. */
  ino: number
  name: string
  ino2: number
  name2: string
  /** rename: its flags; chmod: the mode; truncate: the size; write, read: the offset. */
  number: number
  /** write: bytes, all of them {@link fill}. */
  length: number
  fill: number
  /** Zero or more, or minus an errno. */
  result: number
  seen: Seen | undefined
  entries: { name: string; ino: number }[]
  /** Sections begun before the step, and by its end. */
  before: number
  after: number
  /** The section in which it happened; 0: nothing changed. */
  effect: number
}

/** What contention.test.ts gives to a thread. */
export interface ContentionInput {
  thread: number
  seed: number
  steps: number
  handle: unknown
  /** Int32: sections begun, threads ready. */
  words: SharedArrayBuffer
  /** Float64: inodes made lately, of directories first. */
  inodes: SharedArrayBuffer
  /** For threads that run one at a time; see interleave.ts. */
  schedule: SharedArrayBuffer | undefined
}

export const W_SECTIONS = 0
export const W_READY = 1
/** Recent directories, the first of them for good, then recent inodes of any kind. */
export const DIRECTORIES = 6
export const INODES = 24
/** So many names there are in each directory. */
export const NAMES = ['a', 'b', 'c', 'd']
export const MODES = [0o644, 0o600, 0o755]
export const NOREPLACE = 1
export const EXCHANGE = 2
