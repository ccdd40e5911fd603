/** fallocate and lseek for data and holes: sizes, bytes, blocks and times of every mode; every errno. */
import { fstatSync } from 'node:fs'
import {
  close,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  fallocate,
  fsync,
  ftruncate,
  lseek,
  mkfifo,
  open,
  pread,
  pwrite,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../support/syscalls.ts'
import type { Scene, Script } from '../scene.ts'

const O_RDWR = 2
const O_CREAT = 0o100
const KB = 1024
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

/** Size and blocks of a file that has left the page cache: a host may reserve for longer what it has not written yet. */
function seeBlocks(scene: Scene, step: string, fd: number): void {
  fsync(fd)
  const { size, blocks } = fstatSync(fd)
  scene.see(step, { size, blocks })
}

function large(scene: Scene): void {
  const fd = scene.seeOpened('open', open('large', O_RDWR | O_CREAT))
  const bytes = Buffer.alloc(256 * KB, 'abcdefg')
  scene.see('write', pwrite(fd, bytes, 0))
  seeBlocks(scene, 'written', fd)

  scene.moment('punched')
  scene.see('punch', fallocate(fd, PUNCH, 16 * KB, 64 * KB))
  seeBlocks(scene, 'punched', fd)
  scene.seeAttributes('times of a punched file', fd)
  scene.see('first hole', lseek(fd, 0, SEEK_HOLE))
  scene.see('data behind it', lseek(fd, 16 * KB, SEEK_DATA))
  scene.see('bytes around the hole', pread(fd, 100 * KB, 10 * KB))
  scene.see('punch within a block', fallocate(fd, PUNCH, 100 * KB + 10, 100))
  scene.see('bytes of that block', pread(fd, 200, 100 * KB))
  scene.see('punch behind the end', fallocate(fd, PUNCH, 1024 * KB, KB))
  scene.see('punch over the end', fallocate(fd, PUNCH, 252 * KB, 100 * KB))
  seeBlocks(scene, 'punched over the end', fd)

  scene.moment('made zero')
  scene.see('zero, keeping the size', fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 120 * KB, 8 * KB))
  scene.see('bytes made zero', pread(fd, 20 * KB, 114 * KB))
  scene.see('zero over the end', fallocate(fd, FALLOC_FL_ZERO_RANGE, 200 * KB, 100 * KB))
  scene.seeAttributes('the longer file', fd)
  scene.seeContent('its bytes', 'large')

  scene.see('reserve the hole', fallocate(fd, 0, 0, 300 * KB))
  seeBlocks(scene, 'reserved', fd)
  scene.see('reserve behind the end', fallocate(fd, FALLOC_FL_KEEP_SIZE, 300 * KB, 100 * KB))
  seeBlocks(scene, 'reserved behind the end', fd)
  scene.see('write into what is reserved', pwrite(fd, bytes.subarray(0, 4 * KB), 300 * KB))
  seeBlocks(scene, 'written into what is reserved', fd)
  scene.see('truncate', ftruncate(fd, 304 * KB))
  seeBlocks(scene, 'nothing reserved any more', fd)
  close(fd)
}

function sparse(scene: Scene): void {
  const fd = scene.seeOpened('open a sparse file', open('sparse', O_RDWR | O_CREAT))
  scene.see('write at its beginning', pwrite(fd, Buffer.alloc(40 * KB, 'abc'), 0))
  scene.see('truncate down', ftruncate(fd, 30 * KB))
  scene.see('truncate up', ftruncate(fd, 4096 * KB))
  seeBlocks(scene, 'a hole at the end', fd)
  scene.see('write behind the hole', pwrite(fd, 'end', 4096 * KB))
  seeBlocks(scene, 'a hole in the middle', fd)
  scene.see('write into the hole', pwrite(fd, 'middle', 1000 * KB))
  seeBlocks(scene, 'two holes', fd)
  scene.see('data behind the hole', lseek(fd, 40 * KB, SEEK_DATA))
  scene.see('the last hole', lseek(fd, 4096 * KB, SEEK_HOLE))
  scene.see('data behind the end', lseek(fd, 8192 * KB, SEEK_DATA))
  scene.see('a hole behind the end', lseek(fd, 8192 * KB, SEEK_HOLE))
  scene.seeContent('the sparse file', 'sparse')
  close(fd)
}

function small(scene: Scene): void {
  const fd = scene.seeOpened('open a small file', open('small', O_RDWR | O_CREAT))
  scene.see('reserve in an empty file', fallocate(fd, 0, 0, 100))
  scene.seeAttributes('100 zeros', fd)
  scene.see('write there', pwrite(fd, 'x'.repeat(200), 0))
  scene.see('punch there', fallocate(fd, PUNCH, 10, 20))
  scene.see('zero there', fallocate(fd, FALLOC_FL_ZERO_RANGE, 190, 20))
  scene.seeContent('bytes of the small file', 'small')
  scene.see('reserve far behind the end', fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1024 * KB))
  scene.see('blocks of a small file with much reserved', fstatSync(fd).blocks)
  scene.seeContent('bytes are what they were', 'small')
  scene.see('truncate the small file', ftruncate(fd, 10))
  scene.see('and longer', ftruncate(fd, 50))
  scene.seeContent('zeros', 'small')
  close(fd)
}

const script: Script = {
  run(scene) {
    large(scene)
    sparse(scene)
    small(scene)
    scene.write('file', 'abc')
    const fd = scene.seeOpened('open for errors', open('file', O_RDWR))
    const reader = scene.seeOpened('open for reading', open('file', 0))
    for (const [name, mode] of [
      ['punch without keeping the size', FALLOC_FL_PUNCH_HOLE],
      ['punch and zero', PUNCH | FALLOC_FL_ZERO_RANGE],
      ['an unknown mode', 0x400],
    ] as const) {
      scene.see(name, fallocate(fd, mode, 0, 4096))
    }
    scene.see('no length', fallocate(fd, 0, 0, 0))
    scene.see('a negative offset', fallocate(fd, 0, -1, 10))
    scene.see('a descriptor for reading', fallocate(reader, 0, 0, 10))
    scene.see('data from a negative offset', lseek(fd, -1, SEEK_DATA))
    scene.see('data at the end', lseek(fd, 3, SEEK_DATA))
    scene.see('the hole at the end', [lseek(fd, 3, SEEK_HOLE), lseek(fd, 2, SEEK_HOLE)])
    mkfifo('fifo')
    const fifo = open('fifo', O_RDWR) as number
    scene.see('a fifo', [fallocate(fifo, 0, 0, 1), lseek(fifo, 0, SEEK_DATA)])
    const directory = open('.', 0) as number
    scene.see('a directory', fallocate(directory, 0, 0, 1))
    for (const each of [fd, reader, fifo, directory]) close(each)
    scene.seeContent('nothing has changed', 'file')

    scene.write('shifted', Buffer.alloc(16 * KB))
    const shifted = open('shifted', O_RDWR) as number
    scene.see('collapse', fallocate(shifted, FALLOC_FL_COLLAPSE_RANGE, 0, 4096))
    scene.see('insert', fallocate(shifted, FALLOC_FL_INSERT_RANGE, 0, 4096))
    close(shifted)
  },
  differences: [
    { step: 'collapse', holtfs: 'ENOTSUP', why: 'FUSE has no such mode' },
    { step: 'insert', holtfs: 'ENOTSUP', why: 'FUSE has no such mode' },
  ],
}

export default script
