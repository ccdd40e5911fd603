/**
 * One reply under construction, in a buffer that is reused. Operations write attributes (and file data) straight into
 * `bytes`; the methods here put the structures around them and return the length of the whole message.
 */
import { type DirectorySink, type FilesystemStatistics, NO_ATTRIBUTES } from '../operations.ts'
import type { Request } from './request.ts'
import { encodeStatx } from './statx.ts'
import * as wire from './wire.ts'

const TWO_32 = 4294967296

/** For how long the kernel may believe what it was told, in whole seconds. */
export interface Timeouts {
  entry: number
  attr: number
  /** Of "there is no such name". */
  negative: number
}

/** A day: every change passes through the kernel that caches, so it invalidates what it must by itself. */
export const TIMEOUTS: Timeouts = { entry: 86400, attr: 86400, negative: 86400 }

const BODY = wire.OUT_HEADER_SIZE

export class Reply implements DirectorySink {
  readonly bytes: Buffer
  readonly #words: Uint32Array
  readonly #timeouts: Timeouts
  plus = false
  #end = 0
  #limit = 0

  constructor(timeouts: Timeouts) {
    const buffer = new ArrayBuffer(wire.MESSAGE_SIZE)
    this.bytes = Buffer.from(buffer)
    this.#words = new Uint32Array(buffer)
    this.#timeouts = timeouts
  }

  /** Where an operation puts the attributes of an entry reply, of an attribute reply, and data. */
  static readonly ENTRY_ATTR_AT = BODY + wire.ENTRY_ATTR
  static readonly ATTR_AT = BODY + wire.ATTR_OUT_ATTR
  static readonly DATA_AT = BODY
  /** Where an operation puts what the reply to STATX is made of: behind the reply. */
  static readonly STATX_ATTR_AT = BODY + wire.STATX_OUT_SIZE

  /** A failure: minus an errno. */
  error(request: Request, error: number): number {
    return this.#finish(request, error, BODY)
  }

  /** Success with `length` bytes of data that are in place already. */
  data(request: Request, length: number): number {
    return this.#finish(request, 0, BODY + length)
  }

  /** A found or created entry whose attributes are in place: the node id is their inode number. */
  entry(request: Request): number {
    this.#entryAt(BODY, this.#words[Reply.ENTRY_ATTR_AT >> 2], this.#words[(Reply.ENTRY_ATTR_AT >> 2) + 1])
    return this.#finish(request, 0, BODY + wire.ENTRY_OUT_SIZE)
  }

  /** "No such name", which the kernel may remember. */
  negativeEntry(request: Request): number {
    const w = BODY >> 2
    this.#words.fill(0, w, w + (wire.ENTRY_OUT_SIZE >> 2))
    this.#words[w + 4] = this.#timeouts.negative
    return this.#finish(request, 0, BODY + wire.ENTRY_OUT_SIZE)
  }

  /** Attributes that are in place already. */
  attributes(request: Request): number {
    const w = BODY >> 2
    this.#words[w] = this.#timeouts.attr
    this.#words[w + 1] = 0
    this.#words[w + 2] = 0
    this.#words[w + 3] = 0
    return this.#finish(request, 0, BODY + wire.ATTR_OUT_SIZE)
  }

  /** Attributes and the time of birth, which are at {@link STATX_ATTR_AT}. */
  statx(request: Request): number {
    encodeStatx(this.#words, BODY >> 2, Reply.STATX_ATTR_AT >> 2, this.#timeouts.attr)
    return this.#finish(request, 0, BODY + wire.STATX_OUT_SIZE)
  }

  /** CREATE: the entry, then the opened file. */
  created(request: Request, handle: number, flags: number): number {
    this.entry(request)
    this.#openAt(BODY + wire.ENTRY_OUT_SIZE, handle, flags)
    return this.#finish(request, 0, BODY + wire.ENTRY_OUT_SIZE + wire.OPEN_OUT_SIZE)
  }

  written(request: Request, length: number): number {
    this.#words[BODY >> 2] = length
    this.#words[(BODY >> 2) + 1] = 0
    return this.#finish(request, 0, BODY + wire.WRITE_OUT_SIZE)
  }

  /** One number of 64 bits: a place in a file, or a count of bytes. A length of 32 bits with padding reads the same. */
  wide(request: Request, value: number): number {
    this.#u64(BODY >> 2, value)
    return this.#finish(request, 0, BODY + wire.WIDE_OUT_SIZE)
  }

  statistics(request: Request, out: FilesystemStatistics): number {
    const w = BODY >> 2
    this.#words.fill(0, w, w + (wire.STATFS_OUT_SIZE >> 2))
    this.#u64(w, out.blocks)
    this.#u64(w + 2, out.blocksFree)
    this.#u64(w + 4, out.blocksAvailable)
    this.#u64(w + 6, out.files)
    this.#u64(w + 8, out.filesFree)
    this.#words[w + 10] = out.blockSize
    this.#words[w + 11] = out.nameMax
    this.#words[w + 12] = out.blockSize
    return this.#finish(request, 0, BODY + wire.STATFS_OUT_SIZE)
  }

  /** Opens the reply to READDIR (or READDIRPLUS) for at most `size` bytes of entries. */
  beginDirectory(size: number, plus: boolean): void {
    this.plus = plus
    this.#end = BODY
    this.#limit = Math.min(BODY + size, this.bytes.length)
  }

  add(
    ino: number,
    type: number,
    cookie: number,
    name: Uint8Array,
    nameLength: number,
    attr: Uint8Array,
    attrAt: number,
  ): boolean {
    const head = this.plus ? wire.ENTRY_OUT_SIZE : 0
    const start = this.#end
    const next = start + head + ((wire.DIRENT_SIZE + nameLength + 7) & ~7)
    if (next > this.#limit) return false
    if (head !== 0) {
      // A node id of 0: the kernel takes the name, and looks it up when somebody asks.
      if (attrAt === NO_ATTRIBUTES) this.#words.fill(0, start >> 2, (start + head) >> 2)
      else {
        const attrTo = start + wire.ENTRY_ATTR
        for (let i = 0; i < wire.ATTR_SIZE; i++) this.bytes[attrTo + i] = attr[attrAt + i]
        this.#entryAt(start, ino >>> 0, (ino / TWO_32) >>> 0)
      }
    }
    const w = (start + head) >> 2
    this.#u64(w, ino)
    this.#u64(w + 2, cookie)
    this.#words[w + 4] = nameLength
    this.#words[w + 5] = type
    let to = start + head + wire.DIRENT_SIZE
    for (let i = 0; i < nameLength; i++) this.bytes[to++] = name[i]
    while (to < next) this.bytes[to++] = 0
    this.#end = next
    return true
  }

  /** The entries added since {@link beginDirectory}; none means the end of the directory. */
  directory(request: Request): number {
    return this.#finish(request, 0, this.#end)
  }

  /** Sets one word of the body, for INIT. */
  setWord(at: number, value: number): void {
    this.#words[(BODY + at) >> 2] = value
  }

  #finish(request: Request, error: number, length: number): number {
    this.#words[0] = length
    this.#words[1] = error
    this.#words[2] = request.uniqueLow
    this.#words[3] = request.uniqueHigh
    return length
  }

  #entryAt(at: number, inoLow: number, inoHigh: number): void {
    const w = at >> 2
    this.#words[w] = inoLow
    this.#words[w + 1] = inoHigh
    this.#words[w + 2] = 0
    this.#words[w + 3] = 0
    this.#words[w + 4] = this.#timeouts.entry
    this.#words[w + 5] = 0
    this.#words[w + 6] = this.#timeouts.attr
    this.#words[w + 7] = 0
    this.#words[w + 8] = 0
    this.#words[w + 9] = 0
  }

  #openAt(at: number, handle: number, flags: number): void {
    const w = at >> 2
    this.#u64(w, handle)
    this.#words[w + 2] = flags
    this.#words[w + 3] = 0
  }

  #u64(word: number, value: number): void {
    this.#words[word] = value >>> 0
    this.#words[word + 1] = (value / TWO_32) >>> 0
  }
}
