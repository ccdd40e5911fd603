/**
 * The operations of fsx, and their lines in a log: `KIND FILE field=number ... [check]`. A line says all there is to an operation, the
 * bytes that it writes too, so that a log can be edited by hand and any part of it can be played. Whatever the state of
 * the files, there is one right answer to every operation (`player.ts`).
 */
import { seededRandom } from '../support/random.ts'

/** `a` and `b` belong to one client, `s` is its window of the file that all clients share. */
export const FILES = ['a', 'b', 's'] as const
export type FileName = (typeof FILES)[number]
export type Field = 'at' | 'length' | 'salt' | 'from'

/** What each kind needs to know. `at` and `length` are bytes (truncations: `at` is the new size), `salt` chooses the bytes. */
export const FIELDS = {
  write: ['at', 'length', 'salt'],
  append: ['length', 'salt'],
  'write-direct': ['at', 'length', 'salt'],
  /** Through a shared mapping, up to the end of the file; the second one with msync. */
  store: ['at', 'length', 'salt'],
  'store-sync': ['at', 'length', 'salt'],
  read: ['at', 'length'],
  'read-direct': ['at', 'length'],
  load: ['at', 'length'],
  truncate: ['at'],
  ftruncate: ['at'],
  allocate: ['at', 'length'],
  'allocate-keep': ['at', 'length'],
  punch: ['at', 'length'],
  zero: ['at', 'length'],
  'zero-keep': ['at', 'length'],
  /** Bytes from `from` of the file `source`. */
  copy: ['from', 'at', 'length'],
  /** No byte but zero in what SEEK_DATA and SEEK_HOLE call a hole. */
  holes: [],
  fsync: [],
  fdatasync: [],
  /** Out of the page cache. */
  drop: [],
  /** All descriptors and the mapping closed, and opened again. */
  reopen: [],
  /** The name removed while open, and another file made under it. */
  renew: [],
} as const satisfies Record<string, readonly Field[]>
export type Kind = keyof typeof FIELDS
export const KINDS = Object.keys(FIELDS) as Kind[]

export interface Operation {
  kind: Kind
  file: FileName
  at: number
  length: number
  salt: number
  from: number
  source: FileName
  /** Whether the whole file is compared afterwards. */
  check: boolean
}

export const PAGE = 4096
/** Bytes that a file may have. */
export const CAPACITY = 3 * 2 ** 20
/** Bytes of a client's window of the shared file: not a multiple of a page, so that neighbours share pages. */
export const WINDOW = 50_000

const NONE = { at: 0, length: 0, salt: 0, from: 0, source: 'a', check: false } as const

/** An operation from what it needs; everything else is zero. */
export function operation(kind: Kind, file: FileName, fields: Partial<Operation> = {}): Operation {
  return { ...NONE, kind, file, ...fields }
}

/** What would reach into the windows of others. */
const NOT_SHARED = new Set<Kind>(['append', 'write-direct', 'read-direct', 'truncate', 'ftruncate', 'holes', 'renew'])

/**
 * What changes bytes behind the kernel's cache. In a page into which another process stores through a mapping meanwhile, Linux loses
 * one or the other on FUSE (docs/transport.md), so these keep away from pages that a window shares with the next one.
 */
const PAGES_APART = new Set<Kind>(['punch', 'zero', 'zero-keep', 'copy'])

/** Whether there is one right answer to the operation: inside the file's room, direct I/O in whole pages. */
export function isValid(op: Operation): boolean {
  if (op.file === 's' && NOT_SHARED.has(op.kind)) return false
  const isApart = op.at >= PAGE && op.at + op.length <= WINDOW - PAGE
  if (op.file === 's' && PAGES_APART.has(op.kind) && !isApart) return false
  const room = op.file === 's' ? WINDOW : CAPACITY
  const fields: readonly Field[] = FIELDS[op.kind]
  if (fields.includes('length') && op.length < 1) return false
  if (op.at < 0 || op.from < 0 || op.at + op.length > room || op.from + op.length > CAPACITY) return false
  return !op.kind.endsWith('-direct') || (op.at % PAGE === 0 && op.length % PAGE === 0)
}

export function format(op: Operation): string {
  const fields = FIELDS[op.kind].map(field => ` ${field}=${op[field]}`)
  const source = op.kind === 'copy' ? ` source=${op.source}` : ''
  return `${op.kind} ${op.file}${fields.join('')}${source}${op.check ? ' check' : ''}`
}

/** @throws {Error} naming the line that is no operation */
export function parse(line: string): Operation {
  const [kind, file, ...words] = line.trim().split(/\s+/)
  const op = operation(kind as Kind, file as FileName)
  const isKnown = KINDS.includes(op.kind) && FILES.includes(op.file)
  const areWords = words.every(word => {
    const [name, value] = word.split('=')
    if (name === 'check') op.check = true
    else if (name === 'source' && FILES.includes(value as FileName)) op.source = value as FileName
    else if (/^(at|length|salt|from)$/.test(name) && /^\d+$/.test(value)) op[name as Field] = Number(value)
    else return false
    return true
  })
  if (!isKnown || !areWords || !isValid(op)) throw new Error(`not an operation: ${line}`)
  return op
}

const POOL = (() => {
  const random = seededRandom(1)
  return Buffer.from(Uint8Array.from({ length: 2 * CAPACITY }, () => 1 + Math.floor(random() * 255)))
})()
const STEP = 7919

/** The bytes that an operation writes, never zero. They stay valid. */
export function contentOf(salt: number, length: number): Buffer {
  const start = (salt * STEP) % CAPACITY
  return POOL.subarray(start, start + length)
}

/** Where in the contents of `op` the given bytes are (8 are enough to be sure); -1 when it did not write them. */
export function findContent(op: Operation, bytes: Buffer): number {
  const fields: readonly Field[] = FIELDS[op.kind]
  return fields.includes('salt') ? contentOf(op.salt, op.length).indexOf(bytes) : -1
}
