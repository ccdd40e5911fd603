/**
 * One of several clients that change one file at once, each a stripe of its own: `striped-client.ts FILE NUMBER SEED
 * OPERATIONS`. Writes, mappings, holes, zeros and copies stay in the stripe, so that each client knows its bytes whatever the
 * others do; the file grows by all of them. Ends with an error when a byte of its stripe is another than the one it left there.
 */
import { seededRandom } from '../support/random.ts'
import {
  close,
  copyFileRange,
  fallocate,
  fsync,
  MAP_SHARED,
  type Mapping,
  mmap,
  open,
  PROT_READ,
  PROT_WRITE,
  pread,
  pwrite,
} from '../support/syscalls.ts'

/** Bytes of a stripe: not a multiple of a page, so that neighbours share pages. */
export const STRIPE = 50_000
const O_RDWR = 2
/** Modes of fallocate: all that change no size. */
const MODES = [1, 3, 17]

function work(path: string, number: number, seed: number, operations: number): void {
  const random = seededRandom(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const fd = open(path, O_RDWR) as number
  const start = number * STRIPE
  let bytes = Buffer.alloc(0)
  const done = (what: string, result: unknown, expected: unknown) => {
    if (result !== expected) throw new Error(`${what} in stripe ${number}: ${result} instead of ${expected}`)
  }
  const put = (at: number, content: Buffer) => {
    const size = Math.max(bytes.length, at + content.length)
    bytes = Buffer.concat([bytes, Buffer.alloc(size - bytes.length)])
    content.copy(bytes, at)
  }
  for (let i = 1; i <= operations; i++) {
    const at = below(STRIPE)
    const length = 1 + below(Math.min(STRIPE - at, [100, 5000, STRIPE][below(3)]))
    const content = Buffer.alloc(length, 1 + ((i * 7 + number) % 255))
    const kind = below(6)
    if (kind < 2) {
      done('write', pwrite(fd, content, start + at), length)
      put(at, content)
    } else if (kind === 2) {
      const mode = MODES[below(3)]
      done(`fallocate ${mode}`, fallocate(fd, mode, start + at, length), 0)
      if (mode > 1) bytes.fill(0, Math.min(at, bytes.length), Math.min(at + length, bytes.length))
    } else if (kind === 3 && bytes.length > 0) {
      const from = below(bytes.length)
      const n = Math.min(length, bytes.length - from)
      if (Math.abs(from - at) < n) continue
      done('copy', copyFileRange(fd, start + from, fd, start + at, n), n)
      put(at, Buffer.from(bytes.subarray(from, from + n)))
    } else if (kind === 4 && bytes.length > 0) {
      const mapping = mmap(fd, start + bytes.length, PROT_READ | PROT_WRITE, MAP_SHARED) as Mapping
      const to = below(bytes.length)
      const part = content.subarray(0, bytes.length - to)
      mapping.bytes.set(part, start + to)
      put(to, part)
      if (below(2) === 0) done('msync', mapping.sync(), 0)
      done('munmap', mapping.unmap(), 0)
    } else if (kind === 5 && below(10) === 0) fsync(fd)
    const found = pread(fd, bytes.length, start) as Buffer
    if (!found.equals(bytes)) {
      const wrong = found.findIndex((byte, j) => byte !== bytes[j])
      throw new Error(
        `operation ${i}, kind ${kind}: byte ${wrong} of stripe ${number}: ${found[wrong]}, not ${bytes[wrong]}`,
      )
    }
  }
  close(fd)
}

const [path, number, seed, operations] = process.argv.slice(2)
work(path, Number(number), Number(seed), Number(operations))
