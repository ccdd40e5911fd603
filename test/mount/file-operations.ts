/**
 * Random operations on two files of a mount, compared byte by byte with memory after each of them: `file-operations.ts
 * DIRECTORY SEED OPERATIONS`. Writes, appends, mappings, direct I/O, truncations, ranges, copies, through several descriptors at a
 * time, with the page cache dropped now and then. Prints as JSON the SHA-1 of each file in the end; an answer that the
 * model does not explain ends it with an error that names the operations before.
 */
import { createHash } from 'node:crypto'
import { constants, fstatSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../support/random.ts'
import {
  call,
  close,
  copyFileRange,
  fallocate,
  fsync,
  ftruncate,
  lseek,
  MAP_SHARED,
  type Mapping,
  mmap,
  open,
  PROT_READ,
  PROT_WRITE,
  pread,
  pwrite,
  SEEK_DATA,
  SEEK_HOLE,
  truncate,
  write,
} from '../support/syscalls.ts'

const { O_APPEND, O_CREAT, O_DIRECT, O_RDWR } = constants
const MAP_ANONYMOUS = 0x22
const FADV_DONTNEED = 4
const PAGE = 4096
/** Sizes that files keep to, for a while each: around the tree's 8 KB, and far above. */
const LIMITS = [9000, 20_000, 300_000]
const FALLOCATE = [0, 0, 1, 3, 3, 16, 17]
const HISTORY = 12

const [directory, seed, operations] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const below = (limit: number) => Math.floor(random() * limit)
const pick = <T>(from: readonly T[]): T => from[below(from.length)]
const history: string[] = []
let limit = LIMITS[0]

function fail(what: string): never {
  throw new Error(`${what}; seed ${seed}, operations before:\n${history.slice(-HISTORY).join('\n')}`)
}

function expect(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) fail(`${what}: ${found} instead of ${expected}`)
}

class File {
  readonly path: string
  bytes: Buffer = Buffer.alloc(0)
  fd = 0
  readonly #direct = mmap(-1, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS) as Mapping
  #generation = 0

  constructor(path: string) {
    this.path = path
    this.reopen()
  }

  reopen(): void {
    if (this.fd > 0) close(this.fd)
    const fd = open(this.path, O_RDWR | O_CREAT)
    if (typeof fd === 'string') fail(`open: ${fd}`)
    this.fd = fd
  }

  /** Bytes that tell where they are, never zero. */
  content(length: number): Buffer {
    const start = 31 * ++this.#generation
    const bytes = Buffer.alloc(length)
    for (let i = 0; i < length; i++) bytes[i] = ((start + i) % 255) + 1
    return bytes
  }

  grow(size: number): void {
    if (size > this.bytes.length) this.bytes = Buffer.concat([this.bytes, Buffer.alloc(size - this.bytes.length)])
  }

  put(at: number, bytes: Buffer): void {
    this.grow(at + bytes.length)
    bytes.copy(this.bytes, at)
  }

  /** Mostly near something: the beginning, the end, a page, the tree's limit. */
  place(): number {
    const near = pick([0, this.bytes.length, PAGE * below(limit / PAGE + 1), 8192, below(limit)])
    return Math.min(limit, Math.max(0, near + pick([0, 0, 0, -1, 1, -below(600), below(600)])))
  }

  length(at: number): number {
    return Math.max(0, Math.min(pick([1, 10, 600, PAGE, 8192, 8193, 20_000, limit]), limit - at))
  }

  write(): string {
    const at = this.place()
    const bytes = this.content(this.length(at))
    expect('pwrite', pwrite(this.fd, bytes, at), bytes.length)
    if (bytes.length > 0) this.put(at, bytes)
    return `write ${at} ${bytes.length}`
  }

  append(): string {
    const at = this.bytes.length
    const bytes = this.content(Math.min(pick([1, 100, PAGE, 9000]), Math.max(0, limit - at)))
    const fd = open(this.path, O_RDWR | O_APPEND) as number
    expect('append', write(fd, bytes), bytes.length)
    close(fd)
    if (bytes.length > 0) this.put(at, bytes)
    return `append ${bytes.length}`
  }

  /** Direct writes and reads go past the page cache, which must notice. */
  direct(): string {
    const at = PAGE * below(limit / PAGE)
    const length = PAGE * (1 + below(8))
    const fd = open(this.path, O_RDWR | O_DIRECT) as number
    const memory = this.#direct.bytes.subarray(0, length)
    if (below(2) === 0) {
      memory.set(this.content(length))
      expect('direct write', pwrite(fd, memory, at), length)
      this.put(at, Buffer.from(memory))
    } else {
      const expected = this.bytes.subarray(at, at + length)
      const got = call('int64_t pread(int, void *, size_t, int64_t)', fd, memory, length, at)
      expect('direct read', got, expected.length)
      if (!expected.equals(memory.subarray(0, expected.length))) fail(`direct read of ${length} at ${at}`)
    }
    close(fd)
    return `direct ${at} ${length}`
  }

  /** Stores into a shared mapping, left to the kernel to write back or synced. */
  map(): string {
    const size = this.bytes.length
    if (size === 0) return 'map nothing'
    const mapping = mmap(this.fd, size, PROT_READ | PROT_WRITE, MAP_SHARED)
    if (typeof mapping === 'string') fail(`mmap: ${mapping}`)
    const at = below(size)
    const bytes = this.content(Math.min(pick([1, 100, 5000]), size - at))
    mapping.bytes.set(bytes, at)
    this.put(at, bytes)
    const synced = below(3) === 0
    if (synced) expect('msync', mapping.sync(), 0)
    if (!this.bytes.equals(mapping.bytes)) fail('bytes of a mapping')
    expect('munmap', mapping.unmap(), 0)
    return `map ${at} ${bytes.length} ${synced ? 'synced' : ''}`
  }

  truncate(): string {
    const size = pick([this.place(), this.place(), 0, 1, 8191, 8192, 8193])
    expect('truncate', below(2) === 0 ? ftruncate(this.fd, size) : truncate(this.path, size), 0)
    this.bytes = Buffer.from(this.bytes.subarray(0, size))
    this.grow(size)
    return `truncate ${size}`
  }

  fallocate(): string {
    const mode = pick(FALLOCATE)
    const at = this.place()
    const length = this.length(at)
    const end = at + length
    expect(`fallocate ${mode}`, fallocate(this.fd, mode, at, length), length === 0 ? 'EINVAL' : 0)
    if (length > 0 && (mode & 1) === 0) this.grow(end)
    if (mode > 1) this.bytes.fill(0, Math.min(at, this.bytes.length), Math.min(end, this.bytes.length))
    return `fallocate ${mode} ${at} ${length}`
  }

  copy(from: File): string {
    const at = from.place()
    const to = this.place()
    const length = Math.min(this.length(to), Math.max(0, from.bytes.length - at))
    if (length === 0 || (from === this && Math.abs(at - to) < length)) return 'copy nothing'
    for (let done = 0; done < length; ) {
      const n = copyFileRange(from.fd, at + done, this.fd, to + done, length - done)
      if (typeof n === 'string' || n <= 0) fail(`copy_file_range of ${length} from ${at} to ${to}: ${n}`)
      done += n
    }
    this.put(to, Buffer.from(from.bytes.subarray(at, at + length)))
    return `copy ${from === this ? 'self' : 'other'} ${at} ${to} ${length}`
  }

  /** What is no hole lies in what is reported as data. */
  seek(): string {
    fsync(this.fd)
    for (let at = 0; at < this.bytes.length; ) {
      const found = lseek(this.fd, at, SEEK_DATA)
      if (typeof found === 'string' && found !== 'ENXIO') fail(`the data behind ${at}: ${found}`)
      const data = found === 'ENXIO' ? this.bytes.length : (found as number)
      if (this.bytes.subarray(at, data).some(byte => byte !== 0)) fail(`data in the hole from ${at} to ${data}`)
      if (data === this.bytes.length) break
      at = lseek(this.fd, data, SEEK_HOLE) as number
      if (!(at > data && at <= this.bytes.length)) fail(`the hole behind ${data} is at ${at}`)
    }
    return 'seek'
  }

  drop(): string {
    fsync(this.fd)
    call('int posix_fadvise(int, int64_t, int64_t, int)', this.fd, 0, 0, FADV_DONTNEED)
    return 'drop'
  }

  compare(): void {
    expect('size', fstatSync(this.fd).size, this.bytes.length)
    const found = pread(this.fd, this.bytes.length + 10, 0)
    if (typeof found === 'string') fail(`pread: ${found}`)
    if (found.equals(this.bytes)) return
    const at = found.findIndex((byte, i) => byte !== this.bytes[i])
    fail(`${this.path}: byte ${at} of ${found.length} is ${found[at]} instead of ${this.bytes[at]}`)
  }
}

const files = [new File(join(directory, 'a')), new File(join(directory, 'b'))]
for (let i = 0; i < Number(operations); i++) {
  if (i % 50 === 0) limit = pick(LIMITS)
  const file = pick(files)
  const operation = pick([
    () => file.write(),
    () => file.write(),
    () => file.append(),
    () => file.direct(),
    () => file.map(),
    () => file.truncate(),
    () => file.fallocate(),
    () => file.fallocate(),
    () => file.copy(pick(files)),
    () => file.seek(),
    () => file.drop(),
    () => {
      file.reopen()
      return 'reopen'
    },
  ])
  history.push(`${i}: ${file.path.at(-1)} ${operation()}`)
  file.compare()
}
const sums = files.map(file => createHash('sha1').update(file.bytes).digest('hex'))
process.stdout.write(JSON.stringify(sums))
