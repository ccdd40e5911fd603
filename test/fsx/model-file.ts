/** What a file must hold, in memory. Knows nothing of operations, and checks nothing. */
import { CAPACITY, WINDOW } from './operation.ts'

export class ModelFile {
  /** What is behind `size` is zero. */
  readonly bytes = Buffer.alloc(CAPACITY)
  size = 0
  /** Of a file that others work on too: its end is somewhere behind `size`, and all between is zero. */
  readonly isWindow: boolean

  constructor(isWindow: boolean) {
    this.isWindow = isWindow
  }

  get room(): number {
    return this.isWindow ? WINDOW : CAPACITY
  }

  put(at: number, bytes: Buffer): void {
    bytes.copy(this.bytes, at)
    this.size = Math.max(this.size, at + bytes.length)
  }

  resize(size: number): void {
    if (size < this.size) this.bytes.fill(0, size, this.size)
    this.size = size
  }

  /** How many of `length` bytes from `at` on are in the file. */
  inside(at: number, length: number): number {
    return Math.max(0, Math.min(length, this.size - at))
  }
}
