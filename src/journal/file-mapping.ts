/**
 * Shared mappings of files, through the C library: mmap(2) and munmap(2) on Linux. A mapping is an address that is the
 * same for all threads; each makes its own view of it.
 *
 * Only filesystems are supported that keep the place of bytes once written, so that a store to them never needs space:
 * where blocks are copied on write, a full disk would end the process with SIGBUS.
 */
import { statfsSync } from 'node:fs'
import { koffi } from './c-library.ts'

const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MAP_FIXED = 0x10

/** f_type of statfs(2). */
const EXT4 = 0xef53
const XFS = 0x58465342
const TMPFS = 0x01021994

type Mmap = (at: number, length: number, prot: number, flags: number, fd: number, offset: number) => number

interface Calls {
  mmap: Mmap
  munmap: (at: number, length: number) => number
}

let calls: Calls | undefined

/** Looked up at the first use: most threads never map. */
function libc(): Calls {
  if (calls === undefined) {
    const library = koffi().load(null)
    calls = {
      mmap: library.func('uint64_t mmap(uint64_t, size_t, int, int, int, int64_t)') as Mmap,
      munmap: library.func('int munmap(uint64_t, size_t)') as Calls['munmap'],
    }
  }
  return calls
}

export const hostMapping = {
  supports(directory: string): boolean {
    if (process.platform !== 'linux') return false
    const { type } = statfsSync(directory)
    return type === EXT4 || type === XFS || type === TMPFS
  },
  map(fd: number, length: number, at: number): number {
    const flags = at === 0 ? MAP_SHARED : MAP_SHARED | MAP_FIXED
    const address = libc().mmap(at, length, PROT_READ_WRITE, flags, fd, 0)
    if (!Number.isSafeInteger(address)) throw new Error(`mmap failed, errno ${koffi().errno()}`)
    return address
  },
  view: (address: number, length: number): Uint8Array => new Uint8Array(koffi().view(address, length)),
  unmap(address: number, length: number): void {
    libc().munmap(address, length)
  },
}
