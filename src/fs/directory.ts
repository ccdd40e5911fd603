/**
 * opendir, readdir, releasedir: a listing streams from the tree in name order with constant memory. Offsets are 0 for
 * `.`, 1 for `..`, then the cookie of the entry before.
 *
 * A handle is a slot in shared memory, because consecutive reads of one handle may come to different workers. It
 * remembers where the last read began and ended, so that the next one continues by name, even when entries have been
 * removed meanwhile; any other offset (seekdir) is found by looking for its cookie.
 *
 *   slot   0 state i32   8 cookie of the last entry f64   16 its name's length u16   18 length of the name before the
 *          first entry u16   32 the last name   288 the name before the first
 */
import { MAX_NAME } from '../limits.ts'
import type { FsContext } from './context.ts'
import { Dirent } from './dirent.ts'
import { ENOENT, ENOTDIR } from './errno.ts'
import { ATTR_SIZE, DT_DIR, InodeRecord } from './inode.ts'
import { KEY_BUFFER, SLASH } from './keys.ts'
import type { MetadataCursor } from './metadata.ts'
import type { DirectorySink } from './operations.ts'
import { SLOT_COUNT, SLOT_SIZE, W_SLOT_HINT } from './shared.ts'

const FREE = 0
const OPEN = 1
const BUSY = 2

/** The handle of a reader for whom no slot was free, or busy: each read finds its place by cookie. */
const NO_SLOT = SLOT_COUNT

/** First offset that is an entry's cookie. */
const FIRST_COOKIE = 3
const DOT = Uint8Array.of(0x2e)
const DOT_DOT = Uint8Array.of(0x2e, 0x2e)

export class Directories {
  readonly #context: FsContext
  readonly #cursor: MetadataCursor
  readonly #dirent = new Dirent()
  readonly #record = new InodeRecord()
  readonly #attr = new Uint8Array(ATTR_SIZE)
  readonly #after = new Uint8Array(KEY_BUFFER)
  readonly #slotView: DataView
  #entry = new Uint8Array(MAX_NAME)
  /** The place that this read has reached: last entry handed out, and the one before the first. */
  #last = new Uint8Array(MAX_NAME)
  #lastLength = 0
  #lastCookie = 0
  readonly #start = new Uint8Array(MAX_NAME)
  #startLength = 0

  constructor(context: FsContext) {
    this.#context = context
    this.#cursor = context.metadata.cursor()
    const { slots } = context.shared
    this.#slotView = new DataView(slots.buffer, slots.byteOffset, slots.byteLength)
  }

  opendir(ino: number): number {
    if (!this.#context.readInode(ino, this.#record)) return -ENOENT
    if (!this.#record.isDirectory) return -ENOTDIR
    const { slotWords, words } = this.#context.shared
    const hint = Atomics.add(words, W_SLOT_HINT, 1)
    for (let i = 0; i < SLOT_COUNT; i++) {
      const slot = (hint + i) & (SLOT_COUNT - 1)
      const word = (slot * SLOT_SIZE) / 4
      // Claimed busy, so that nobody reads it before it is empty.
      if (Atomics.compareExchange(slotWords, word, FREE, BUSY) !== FREE) continue
      this.#slotView.setFloat64(slot * SLOT_SIZE + 8, 0)
      Atomics.store(slotWords, word, OPEN)
      return slot
    }
    return NO_SLOT
  }

  releasedir(handle: number): number {
    if (handle >= 0 && handle < SLOT_COUNT)
      Atomics.store(this.#context.shared.slotWords, (handle * SLOT_SIZE) / 4, FREE)
    return 0
  }

  readdir(ino: number, handle: number, offset: number, sink: DirectorySink): number {
    const { slotWords } = this.#context.shared
    const word = (handle * SLOT_SIZE) / 4
    const owned = handle >= 0 && handle < SLOT_COUNT && Atomics.compareExchange(slotWords, word, OPEN, BUSY) === OPEN
    try {
      return this.#list(ino, owned ? handle : NO_SLOT, offset, sink)
    } finally {
      if (owned) Atomics.compareExchange(slotWords, word, BUSY, OPEN)
    }
  }

  #list(ino: number, slot: number, offset: number, sink: DirectorySink): number {
    let from = offset
    for (; from < 2; from++) {
      const added = this.#addRelative(ino, from, sink)
      if (added <= 0) return added
    }
    const { namespace } = this.#context
    for (;;) {
      namespace.enter()
      const prefix = namespace.prefixOf(ino)
      if (prefix === undefined) {
        if (!namespace.unchanged()) continue
        return namespace.failure
      }
      this.#position(prefix, slot, from)
      const outcome = this.#stream(prefix, sink)
      if (outcome === DISTURBED) continue
      if (outcome === ADDED) this.#remember(slot)
      return 0
    }
  }

  /** Adds `.` or `..`: 1 added, 0 it does not fit, or minus an errno. */
  #addRelative(ino: number, offset: number, sink: DirectorySink): number {
    const record = this.#record
    if (!this.#context.readInode(ino, record)) return -ENOENT
    if (!record.isDirectory) return -ENOTDIR
    if (offset === 1 && !this.#context.readInode(record.parent, record)) return -ENOENT
    record.copyAttr(this.#attr, 0)
    const name = offset === 0 ? DOT : DOT_DOT
    return sink.add(record.ino, DT_DIR, offset + 1, name, name.length, this.#attr, 0) ? 1 : 0
  }

  /** Adds entries until the sink is full, the directory ends, or somebody moves or removes a directory. */
  #stream(prefix: Uint8Array, sink: DirectorySink): number {
    const { namespace } = this.#context
    const cursor = this.#cursor
    let outcome = ENDED
    for (;;) {
      const more = cursor.next()
      // The prefix may have become another directory's: what was read may not belong here.
      if (!namespace.unchanged()) return outcome === ADDED ? ADDED : DISTURBED
      if (!more) return outcome
      const dirent = this.#dirent
      dirent.decode(cursor.value, cursor.valueLength)
      if (sink.plus) {
        if (!this.#context.readInode(dirent.ino, this.#record)) continue
        this.#record.copyAttr(this.#attr, 0)
      }
      const length = cursor.keyLength - prefix.length
      const name = this.#entry
      for (let i = 0; i < length; i++) name[i] = cursor.key[prefix.length + i]
      if (!sink.add(dirent.ino, dirent.type, dirent.cookie, name, length, this.#attr, 0)) return outcome
      outcome = ADDED
      this.#entry = this.#last
      this.#last = name
      this.#lastLength = length
      this.#lastCookie = dirent.cookie
    }
  }

  /** Puts the cursor behind the entry whose cookie is `offset` and notes that entry as the start of this read. */
  #position(prefix: Uint8Array, slot: number, offset: number): void {
    this.#startLength = 0
    if (offset >= FIRST_COOKIE && !this.#resume(slot, offset)) this.#findCookie(prefix, slot, offset)
    this.#seek(prefix)
  }

  /** Takes over the last name of the handle if it is the one asked for. */
  #resume(slot: number, offset: number): boolean {
    if (slot === NO_SLOT) return false
    const at = slot * SLOT_SIZE
    if (this.#slotView.getFloat64(at + 8) !== offset) return false
    this.#takeStart(at + 32, this.#slotView.getUint16(at + 16))
    return true
  }

  /**
   * Looks for a cookie in the last read's range first, then in the whole directory. When its entry is gone, the last
   * read is repeated: an entry may then show twice, but none is left out.
   */
  #findCookie(prefix: Uint8Array, slot: number, offset: number): void {
    let known = false
    if (slot !== NO_SLOT) {
      const at = slot * SLOT_SIZE
      known = this.#slotView.getFloat64(at + 8) !== 0
      if (known) this.#takeStart(at + 288, this.#slotView.getUint16(at + 18))
    }
    const fallback = this.#startLength
    if (known && this.#scan(prefix, offset)) return
    this.#startLength = 0
    if ((!known || fallback > 0) && this.#scan(prefix, offset)) return
    this.#startLength = known ? fallback : 0
  }

  /** Looks for a cookie from the start name on; when found, its name is the new start. */
  #scan(prefix: Uint8Array, offset: number): boolean {
    const cursor = this.#cursor
    this.#seek(prefix)
    while (cursor.next()) {
      this.#dirent.decode(cursor.value, cursor.valueLength)
      if (this.#dirent.cookie !== offset) continue
      const length = cursor.keyLength - prefix.length
      for (let i = 0; i < length; i++) this.#start[i] = cursor.key[prefix.length + i]
      this.#startLength = length
      return true
    }
    return false
  }

  #seek(prefix: Uint8Array): void {
    let afterLength = 0
    if (this.#startLength > 0) {
      this.#after.set(prefix)
      for (let i = 0; i < this.#startLength; i++) this.#after[prefix.length + i] = this.#start[i]
      afterLength = prefix.length + this.#startLength
    }
    this.#cursor.seek(prefix, prefix.length, this.#after, afterLength, SLASH, false)
  }

  #takeStart(at: number, length: number): void {
    const { slots } = this.#context.shared
    for (let i = 0; i < length; i++) this.#start[i] = slots[at + i]
    this.#startLength = length
  }

  #remember(slot: number): void {
    if (slot === NO_SLOT) return
    const { slots } = this.#context.shared
    const at = slot * SLOT_SIZE
    this.#slotView.setFloat64(at + 8, this.#lastCookie)
    this.#slotView.setUint16(at + 16, this.#lastLength)
    this.#slotView.setUint16(at + 18, this.#startLength)
    for (let i = 0; i < this.#lastLength; i++) slots[at + 32 + i] = this.#last[i]
    for (let i = 0; i < this.#startLength; i++) slots[at + 288 + i] = this.#start[i]
  }
}

/** How a read ended: with entries, without, or without because the namespace changed. */
const ADDED = 1
const ENDED = 0
const DISTURBED = -1
