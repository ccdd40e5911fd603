/**
 * What fsx works on: two files and a window of a third one, with the answers of system calls (a number, or the name of an
 * errno). `SystemTarget` is a directory of a real filesystem; it holds several descriptors and a mapping of each file for
 * as long as it can, as programs do. Offsets are those of the window for `s`.
 */
import { constants, fstatSync } from 'node:fs'
import { join } from 'node:path'
import * as sys from '../support/syscalls.ts'
import { CAPACITY, FILES, type FileName, WINDOW } from './operation.ts'

type Answer = sys.Answer

export interface Target {
  write(file: FileName, at: number, bytes: Buffer): Answer
  append(file: FileName, bytes: Buffer): Answer
  writeDirect(file: FileName, at: number, bytes: Buffer): Answer
  read(file: FileName, at: number, into: Buffer): Answer
  readDirect(file: FileName, at: number, into: Buffer): Answer
  /** Through a shared mapping, inside the file. */
  store(file: FileName, at: number, bytes: Buffer, sync: boolean): Answer
  load(file: FileName, at: number, into: Buffer): Answer
  truncate(file: FileName, size: number, byPath: boolean): Answer
  /** `mode` as fallocate(2) takes it. */
  fallocate(file: FileName, mode: number, at: number, length: number): Answer
  /** Bytes copied, in as many calls as it takes. */
  copy(source: FileName, from: number, file: FileName, at: number, length: number): Answer
  /** lseek(2) with SEEK_DATA or SEEK_HOLE. */
  seek(file: FileName, at: number, whence: number): Answer
  sync(file: FileName, dataOnly: boolean): Answer
  drop(file: FileName): Answer
  reopen(file: FileName): Answer
  renew(file: FileName): Answer
  size(file: FileName): Answer
}

const { O_APPEND, O_CREAT, O_DIRECT, O_RDWR } = constants
const MAP_ANONYMOUS = 0x22
const FADV_DONTNEED = 4
/** Bytes of memory aligned for direct I/O; more goes in several calls. */
const DIRECT_BYTES = 2 ** 18
const READ = 'int64_t pread(int, void *, size_t, int64_t)'

class OpenFile {
  readonly #path: string
  readonly base: number
  #descriptors = new Map<number, number>()
  #mapping: sys.Mapping | undefined

  constructor(path: string, base: number) {
    this.#path = path
    this.base = base
  }

  get path(): string {
    return this.#path
  }

  /** A descriptor of the kind that the flags name; an errno name when there is none. */
  descriptor(flags = 0): Answer {
    let fd: Answer | undefined = this.#descriptors.get(flags)
    if (fd !== undefined) return fd
    fd = sys.open(this.#path, O_RDWR | O_CREAT | flags)
    if (typeof fd === 'number') this.#descriptors.set(flags, fd)
    return fd
  }

  mapping(): sys.Mapping | string {
    if (this.#mapping !== undefined) return this.#mapping
    const fd = this.descriptor()
    if (typeof fd === 'string') return fd
    const mapping = sys.mmap(fd, this.base + CAPACITY, sys.PROT_READ | sys.PROT_WRITE, sys.MAP_SHARED)
    if (typeof mapping !== 'string') this.#mapping = mapping
    return mapping
  }

  unmap(): Answer {
    const answer = this.#mapping?.unmap() ?? 0
    this.#mapping = undefined
    return answer
  }

  close(): Answer {
    let answer = this.unmap()
    for (const fd of this.#descriptors.values()) {
      const closed = sys.close(fd)
      if (closed !== 0) answer = closed
    }
    this.#descriptors.clear()
    return answer
  }
}

export class SystemTarget implements Target {
  readonly #files: Record<FileName, OpenFile>
  readonly #aligned = sys.mmap(-1, DIRECT_BYTES, sys.PROT_READ | sys.PROT_WRITE, MAP_ANONYMOUS) as sys.Mapping

  /** @param client its number, for its window of the file `shared` */
  constructor(directory: string, shared: string, client: number) {
    const open = (name: FileName) =>
      name === 's' ? new OpenFile(shared, client * WINDOW) : new OpenFile(join(directory, name), 0)
    this.#files = { a: open('a'), b: open('b'), s: open('s') }
  }

  #with(file: FileName, flags: number, action: (fd: number, base: number) => Answer): Answer {
    const fd = this.#files[file].descriptor(flags)
    return typeof fd === 'string' ? fd : action(fd, this.#files[file].base)
  }

  write(file: FileName, at: number, bytes: Buffer): Answer {
    return this.#with(file, 0, (fd, base) => sys.pwrite(fd, bytes, base + at))
  }

  append(file: FileName, bytes: Buffer): Answer {
    return this.#with(file, O_APPEND, fd => sys.write(fd, bytes))
  }

  #inParts(at: number, bytes: Buffer, part: (bytes: Buffer, at: number) => Answer): Answer {
    for (let done = 0; done < bytes.length; done += DIRECT_BYTES) {
      const piece = bytes.subarray(done, done + DIRECT_BYTES)
      const answer = part(piece, at + done)
      if (typeof answer === 'string') return answer
      if (answer < piece.length) return done + answer
    }
    return bytes.length
  }

  writeDirect(file: FileName, at: number, bytes: Buffer): Answer {
    return this.#with(file, O_DIRECT, fd =>
      this.#inParts(at, bytes, (piece, offset) => {
        this.#aligned.bytes.set(piece)
        return sys.pwrite(fd, this.#aligned.bytes.subarray(0, piece.length), offset)
      }),
    )
  }

  readDirect(file: FileName, at: number, into: Buffer): Answer {
    return this.#with(file, O_DIRECT, fd =>
      this.#inParts(at, into, (piece, offset) => {
        const answer = sys.call(READ, fd, this.#aligned.bytes, piece.length, offset)
        piece.set(this.#aligned.bytes.subarray(0, piece.length))
        return answer
      }),
    )
  }

  read(file: FileName, at: number, into: Buffer): Answer {
    return this.#with(file, 0, (fd, base) => sys.call(READ, fd, into, into.length, base + at))
  }

  store(file: FileName, at: number, bytes: Buffer, sync: boolean): Answer {
    const mapping = this.#files[file].mapping()
    if (typeof mapping === 'string') return mapping
    mapping.bytes.set(bytes, this.#files[file].base + at)
    return sync ? mapping.sync() : 0
  }

  load(file: FileName, at: number, into: Buffer): Answer {
    const mapping = this.#files[file].mapping()
    if (typeof mapping === 'string') return mapping
    const start = this.#files[file].base + at
    into.set(mapping.bytes.subarray(start, start + into.length))
    return into.length
  }

  truncate(file: FileName, size: number, byPath: boolean): Answer {
    const { path } = this.#files[file]
    return this.#with(file, 0, fd => (byPath ? sys.truncate(path, size) : sys.ftruncate(fd, size)))
  }

  fallocate(file: FileName, mode: number, at: number, length: number): Answer {
    return this.#with(file, 0, (fd, base) => sys.fallocate(fd, mode, base + at, length))
  }

  copy(source: FileName, from: number, file: FileName, at: number, length: number): Answer {
    const sourceBase = this.#files[source].base
    return this.#with(source, 0, sourceFd =>
      this.#with(file, 0, (fd, base) => {
        for (let done = 0; ; ) {
          const n = sys.copyFileRange(sourceFd, sourceBase + from + done, fd, base + at + done, length - done)
          if (typeof n === 'string') return n
          done += n
          if (n === 0 || done === length) return done
        }
      }),
    )
  }

  seek(file: FileName, at: number, whence: number): Answer {
    return this.#with(file, 0, fd => sys.lseek(fd, at, whence))
  }

  sync(file: FileName, dataOnly: boolean): Answer {
    return this.#with(file, 0, fd => (dataOnly ? sys.call('int fdatasync(int)', fd) : sys.fsync(fd)))
  }

  /** What is mapped stays in the cache, so the mapping goes. */
  drop(file: FileName): Answer {
    const answer = this.#files[file].unmap()
    const synced = answer === 0 ? this.sync(file, false) : answer
    const advise = 'int posix_fadvise(int, int64_t, int64_t, int)'
    return synced === 0 ? this.#with(file, 0, fd => sys.call(advise, fd, 0, 0, FADV_DONTNEED)) : synced
  }

  reopen(file: FileName): Answer {
    const answer = this.#files[file].close()
    const fd = this.#files[file].descriptor()
    return typeof fd === 'string' ? fd : answer
  }

  renew(file: FileName): Answer {
    const answer = this.#with(file, 0, () => sys.unlink(this.#files[file].path))
    const reopened = this.reopen(file)
    return answer === 0 ? reopened : answer
  }

  size(file: FileName): Answer {
    return this.#with(file, 0, (fd, base) => {
      try {
        return Math.max(0, fstatSync(fd).size - base)
      } catch (error) {
        return (error as NodeJS.ErrnoException).code!
      }
    })
  }

  close(): void {
    for (const name of FILES) this.#files[name].close()
    this.#aligned.unmap()
  }
}
