/** copy_file_range: small and large files, holes, one file, the files' own positions, times, and every errno. */
import { constants, fstatSync } from 'node:fs'
import { close, copyFileRange, ftruncate, lseek, mkfifo, open, pread, pwrite } from '../../support/syscalls.ts'
import type { Script } from '../scene.ts'

const { O_APPEND, O_CREAT, O_RDONLY, O_RDWR } = constants
const KB = 1024

const script: Script = {
  run(scene) {
    const [small, large, target, sparse] = ['small', 'large', 'target', 'sparse'].map(name =>
      scene.seeOpened(name, open(name, O_RDWR | O_CREAT)),
    )
    pwrite(small, 's'.repeat(3000), 0)
    pwrite(large, Buffer.alloc(500 * KB, 'large'), 0)
    ftruncate(sparse, 1024 * KB)
    pwrite(sparse, 'middle', 600 * KB)

    scene.moment('copied')
    scene.see('small to empty', copyFileRange(small, 0, target, 0, 100 * KB))
    scene.seeAttributes('the target', target)
    scene.seeAttributes('the source', small)
    scene.see('small to the middle', copyFileRange(small, 10, target, 7000, 100))
    scene.seeContent('a small target', 'target')
    scene.see('large to behind the end', copyFileRange(large, 1000, target, 20_000, 300_000))
    scene.seeContent('a large target', 'target')
    scene.see('into a small file', copyFileRange(large, 5, small, 2990, 100))
    scene.seeContent('the small file', 'small')
    scene.see('within a file', copyFileRange(target, 0, target, 400_000, 100_000))
    scene.see('over the end of the source', copyFileRange(large, 499 * KB, target, 0, 100 * KB))
    scene.see('behind the end of the source', copyFileRange(large, 500 * KB, target, 0, 10))
    scene.see('holes over data', copyFileRange(sparse, 0, target, 100, 700 * KB))
    scene.seeContent('with holes', 'target')
    scene.see('own positions', copyFileRange(small, null, target, null, 50))
    scene.see('which move', [lseek(small, 0, 1), lseek(target, 0, 1)])
    scene.see('nothing', copyFileRange(small, 0, target, 0, 0))
    scene.see('size in the end', fstatSync(target).size)

    scene.see('overlapping', copyFileRange(large, 0, large, 100, 1000))
    scene.see('overlapping, but for the end', copyFileRange(large, 499 * KB, large, 501 * KB - 1, 100 * KB))
    scene.see('bytes behind the old end', pread(large, 10 * KB, 499 * KB))
    const reader = open('small', O_RDONLY) as number
    const appender = open('small', O_RDWR | O_APPEND) as number
    mkfifo('fifo')
    const fifo = open('fifo', O_RDWR) as number
    const directory = open('.', O_RDONLY) as number
    scene.see('to a descriptor for reading', copyFileRange(large, 0, reader, 0, 10))
    scene.see('to one that appends', copyFileRange(large, 0, appender, 0, 10))
    scene.see('from a fifo', copyFileRange(fifo, null, target, 0, 10))
    scene.see('from a directory', copyFileRange(directory, 0, target, 0, 10))
    scene.see('to a directory', copyFileRange(small, 0, directory, 0, 10))
    scene.see('from a negative offset', copyFileRange(small, -1, target, 0, 10))
    for (const fd of [small, large, target, sparse, reader, appender, fifo, directory]) close(fd)
  },
}

export default script
