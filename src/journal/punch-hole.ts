/** Holes in host files: fallocate(2), which Node has not. */
import { koffi } from './c-library.ts'

const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2

type Fallocate = (fd: number, mode: number, offset: number, length: number) => number

let fallocate: Fallocate | undefined

/** A host without it has nothing to punch with. */
function findFallocate(): Fallocate {
  try {
    return koffi().load(null).func('int fallocate(int fd, int mode, int64_t offset, int64_t length)') as Fallocate
  } catch {
    return () => -1
  }
}

/** Gives the space of these bytes back to the host, if it can. */
export function punchHole(fd: number, position: number, length: number): void {
  fallocate ??= findFallocate()
  // Its errors say that this filesystem cannot, or that the space stays taken: both leave the file as it is.
  fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, position, length)
}
