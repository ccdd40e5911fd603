/** Far offsets and large files, limits of size, appending, direct I/O, and shared mappings. */
import { constants, fstatSync } from 'node:fs'
import {
  call,
  close,
  ftruncate,
  MAP_PRIVATE,
  MAP_SHARED,
  type Mapping,
  mmap,
  open,
  PROT_READ,
  PROT_WRITE,
  pread,
  pwrite,
  truncate,
  write,
} from '../../support/syscalls.ts'
import type { Scene, Script } from '../scene.ts'

const { O_APPEND, O_CREAT, O_DIRECT, O_RDONLY, O_RDWR, O_TRUNC } = constants
const MAP_ANONYMOUS = 0x22
const RLIMIT_FSIZE = 1
const GB = 2 ** 30
const PAGE = 4096

function far(scene: Scene): void {
  const fd = scene.seeOpened('open', open('far', O_RDWR | O_CREAT))
  scene.see('write at 5 GB', pwrite(fd, 'five', 5 * GB))
  scene.see('write over 2 GB', pwrite(fd, 'two', 2 * GB - 1))
  scene.see('write over 4 GB', pwrite(fd, 'four', 4 * GB - 2))
  scene.see('size and blocks', [fstatSync(fd).size, fstatSync(fd).blocks])
  scene.see('read there', [pread(fd, 8, 4 * GB - 4), pread(fd, 10, 5 * GB - 2), pread(fd, 5, 2 * GB - 2)])
  scene.see('read behind the end', pread(fd, 5, 6 * GB))
  scene.see('a size of 16 TB less a block', ftruncate(fd, 2 ** 44 - PAGE))
  scene.see('read its last bytes', pread(fd, 100, 2 ** 44 - PAGE - 10))
  scene.see('write its last bytes', pwrite(fd, 'last', 2 ** 44 - PAGE - 4))
  scene.see('back to 3 bytes', ftruncate(fd, 3))
  scene.see('size and blocks then', [fstatSync(fd).size, fstatSync(fd).blocks <= 8])
  scene.see('a size below zero', ftruncate(fd, -1))
  scene.see('a write below zero', pwrite(fd, 'x', -1))
  scene.see('a write that ends beyond all offsets', pwrite(fd, 'x', Number.MAX_SAFE_INTEGER * 1024))
  close(fd)
}

function limited(scene: Scene): void {
  const limit = (bytes: number | bigint) => {
    const words = new Uint8Array(BigInt64Array.of(BigInt(bytes), -1n).buffer)
    return call('int setrlimit(int, void *)', RLIMIT_FSIZE, words)
  }
  scene.write('limited')
  const fd = open('limited', O_RDWR) as number
  scene.see('limit', limit(20_000))
  scene.see('write up to the limit', pwrite(fd, 'x'.repeat(19_990), 0))
  scene.see('write over the limit', pwrite(fd, 'y'.repeat(100), 19_990))
  scene.see('write at the limit', pwrite(fd, 'z', 20_000))
  scene.see('truncate over the limit', ftruncate(fd, 20_001))
  scene.see('reserve over the limit', call('int fallocate(int, int, int64_t, int64_t)', fd, 0, 0, 30_000))
  scene.see('no limit', limit(-1n))
  scene.see('the size', fstatSync(fd).size)
  close(fd)
}

function appended(scene: Scene): void {
  scene.write('log', 'begin ')
  const first = open('log', O_RDWR | O_APPEND) as number
  const second = open('log', O_RDWR | O_APPEND) as number
  for (const fd of [first, second, first, second]) write(fd, `${fd === first ? 'first' : 'second'} `)
  scene.see('pwrite to a descriptor that appends', pwrite(first, 'at zero ', 0))
  scene.see('truncate under it', truncate('log', 6))
  write(second, 'after')
  scene.seeContent('in the order of the calls', 'log')
  const emptied = open('log', O_RDWR | O_APPEND | O_TRUNC) as number
  write(first, 'anew')
  scene.seeContent('emptied by another', 'log')
  for (const fd of [first, second, emptied]) close(fd)
}

function direct(scene: Scene): void {
  const fd = scene.seeOpened('open for direct I/O', open('direct', O_RDWR | O_CREAT | O_DIRECT))
  const cached = open('direct', O_RDWR) as number
  const memory = mmap(-1, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS) as Mapping
  memory.bytes.fill(100)
  scene.see('write', pwrite(fd, memory.bytes, 0))
  scene.see('seen through the cache', pread(cached, 4 * PAGE, 0))
  pwrite(cached, 'cached', 100)
  const got = call('int64_t pread(int, void *, size_t, int64_t)', fd, memory.bytes, 4 * PAGE, 0)
  scene.see('read of what was cached', [got, memory.bytes.slice(90, 110)])
  scene.see('read over the end', call('int64_t pread(int, void *, size_t, int64_t)', fd, memory.bytes, PAGE, 3 * PAGE))
  scene.see('size', fstatSync(fd).size)
  close(fd)
  close(cached)
  memory.unmap()
}

function mapped(scene: Scene): void {
  scene.write('mapped', 'm'.repeat(10_000))
  const fd = open('mapped', O_RDWR) as number
  const shared = mmap(fd, 12_288, PROT_READ | PROT_WRITE, MAP_SHARED) as Mapping
  const own = mmap(fd, 12_288, PROT_READ | PROT_WRITE, MAP_PRIVATE) as Mapping
  scene.see('zeros behind the end', shared.bytes.slice(9_990, 10_010))
  shared.bytes.set(Buffer.from('stored'), 5000)
  shared.bytes.set(Buffer.from('behind'), 10_000)
  own.bytes.set(Buffer.from('private'), 7000)
  scene.see('read of what was stored', pread(fd, 20, 4990))
  scene.see('write seen by the mapping', [pwrite(fd, 'written', 6000), shared.bytes.slice(5990, 6010)])
  // From now on the first store to a page is noticed, however the kernel has mapped it.
  shared.sync()
  scene.moment('synced')
  shared.bytes[1] = 65
  scene.see('msync', shared.sync())
  scene.see('its time', scene.momentOf(fstatSync(fd, { bigint: true }).mtimeNs))
  scene.see('the size stays', fstatSync(fd).size)
  scene.see('longer', ftruncate(fd, 11_000))
  scene.see('unmap', [shared.unmap(), own.unmap()])
  close(fd)
  scene.seeContent('nothing from behind the old end', 'mapped')
  const reader = open('mapped', O_RDONLY) as number
  scene.see('a shared mapping of a descriptor for reading', mmap(reader, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED))
  close(reader)
}

const script: Script = {
  run(scene) {
    far(scene)
    limited(scene)
    appended(scene)
    direct(scene)
    mapped(scene)
  },
}

export default script
