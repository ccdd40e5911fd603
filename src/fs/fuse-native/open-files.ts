/**
 * The descriptors of a fuse-native mount: small numbers that stand for inodes, and how often each inode is open. The kernel's
 * own count of what it knows (FORGET) does not reach this transport; this takes its place.
 */
export class OpenFiles {
  readonly #inodes: number[] = [0]
  readonly #free: number[] = []
  readonly #counts = new Map<number, number>()

  /** A descriptor of 1 or more. */
  open(ino: number): number {
    const fd = this.#free.pop() ?? this.#inodes.length
    this.#inodes[fd] = ino
    this.#counts.set(ino, (this.#counts.get(ino) ?? 0) + 1)
    return fd
  }

  /** The inode of an open descriptor. */
  ino(fd: number): number {
    return this.#inodes[fd]
  }

  isOpen(ino: number): boolean {
    return this.#counts.has(ino)
  }

  close(fd: number): void {
    const ino = this.#inodes[fd]
    const count = (this.#counts.get(ino) ?? 1) - 1
    if (count > 0) this.#counts.set(ino, count)
    else this.#counts.delete(ino)
    this.#free.push(fd)
  }
}
