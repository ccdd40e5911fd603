/**
 * The filesystem of contention.test.ts as one thread would see it: plain objects, to which the steps of all threads are
 * applied in the order in which their sections came. Says what each step may have answered.
 */
import { constants } from 'node:os'
import { EXCHANGE, NOREPLACE, type Seen, type Step } from './contention-step.ts'

const { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM } = constants.errno
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const S_IFLNK = 0o120000
const S_IFMT = 0o170000

export interface Node {
  ino: number
  mode: number
  nlink: number
  /** Of a directory. */
  children: Map<string, Node>
  parent: Node | undefined
  /** Of a file. */
  bytes: Buffer
}

export class Model {
  readonly root: Node = made(1, S_IFDIR | 0o755)
  readonly nodes = new Map<number, Node>([[1, this.root]])

  /** A file that is there before the first step. */
  file(parent: Node, name: string, ino: number): Node {
    return this.#addTo(parent, name, ino, S_IFREG | 0o644)
  }

  /** A directory in the root that is there before the first step. */
  mkdir(name: string, ino: number): Node {
    return this.#addTo(this.root, name, ino, S_IFDIR | 0o755)
  }

  /** Applies a step that succeeded; returns what makes that impossible, or ''. Attributes after a truncation may be later ones. */
  apply(step: Step): string {
    const refusals = this.refusals(step)
    if (refusals.length > 0) return `refused with ${refusals}`
    const node = this.#change(step)
    if (step.seen === undefined || node === undefined || step.kind === 'truncate') return ''
    return describe(step.seen) === describe(attributesOf(node)) ? '' : `left ${describe(attributesOf(node))}`
  }

  /** Whether a rename has nothing to do now: both names lead to one inode. */
  isVoid(step: Step): boolean {
    const node = this.nodes.get(step.ino)?.children.get(step.name)
    return node !== undefined && node === this.nodes.get(step.ino2)?.children.get(step.name2)
  }

  /** Errnos with which the step may fail now; none: it has to succeed. */
  refusals(step: Step): number[] {
    switch (step.kind) {
      case 'mknod':
      case 'mkdir':
      case 'symlink':
        return this.#noPlace(step.ino, step.name)
      case 'link': {
        const node = this.nodes.get(step.ino2)
        const refusals = this.#noPlace(step.ino, step.name)
        if (node === undefined || node.nlink === 0) refusals.push(ENOENT)
        if (node !== undefined && isDirectory(node)) refusals.push(EPERM)
        return refusals
      }
      case 'unlink':
        return this.#noEntry(step.ino, step.name, node => (isDirectory(node) ? EISDIR : 0))
      case 'rmdir':
        return this.#noEntry(step.ino, step.name, node => (isDirectory(node) ? full(node) : ENOTDIR))
      case 'rename':
        return this.#renameRefusals(step)
      case 'truncate':
      case 'write':
      case 'read': {
        const node = this.nodes.get(step.ino2)
        if (node === undefined) return [ENOENT]
        return (node.mode & S_IFMT) === S_IFREG ? [] : [isDirectory(node) ? EISDIR : EINVAL]
      }
      case 'chmod':
      case 'getattr':
        return this.nodes.has(step.ino2) ? [] : [ENOENT]
      case 'lookup':
        return this.#noEntry(step.ino, step.name, () => 0)
      case 'readdir': {
        const node = this.nodes.get(step.ino)
        if (node === undefined || (isDirectory(node) && node.nlink === 0)) return [ENOENT]
        return isDirectory(node) ? [] : [ENOTDIR]
      }
      case 'forget':
        return []
    }
  }

  #noDirectory(ino: number): number[] {
    const node = this.nodes.get(ino)
    if (node === undefined || (isDirectory(node) && node.nlink === 0)) return [ENOENT]
    return isDirectory(node) ? [] : [ENOTDIR]
  }

  #noPlace(ino: number, name: string): number[] {
    const refusals = this.#noDirectory(ino)
    return refusals.length === 0 && this.nodes.get(ino)?.children.has(name) ? [EEXIST] : refusals
  }

  #noEntry(ino: number, name: string, refusal: (node: Node) => number): number[] {
    const refusals = this.#noDirectory(ino)
    if (refusals.length > 0) return refusals
    const node = this.nodes.get(ino)?.children.get(name)
    if (node === undefined) return [ENOENT]
    const errno = refusal(node)
    return errno === 0 ? [] : [errno]
  }

  #renameRefusals(step: Step): number[] {
    const refusals = [...this.#noDirectory(step.ino), ...this.#noDirectory(step.ino2)]
    if (refusals.length > 0) return refusals
    const into = this.#node(step.ino2)
    const moved = this.#node(step.ino).children.get(step.name)
    const target = into.children.get(step.name2)
    if (moved === undefined) return [ENOENT]
    if (target === moved) return step.number === NOREPLACE ? [EEXIST] : []
    if (isDirectory(moved) && isWithin(into, moved)) refusals.push(EINVAL)
    if (target === undefined) return step.number === EXCHANGE ? [...refusals, ENOENT] : refusals
    if (step.number === NOREPLACE) return [...refusals, EEXIST]
    if (step.number === EXCHANGE) {
      return isDirectory(target) && isWithin(this.#node(step.ino), target) ? [...refusals, EINVAL] : refusals
    }
    if (isDirectory(target) && !isDirectory(moved)) refusals.push(EISDIR)
    if (!isDirectory(target) && isDirectory(moved)) refusals.push(ENOTDIR)
    if (isDirectory(target) && full(target) !== 0) refusals.push(ENOTEMPTY)
    return refusals
  }

  #change(step: Step): Node | undefined {
    switch (step.kind) {
      case 'mknod':
        return this.#add(step, S_IFREG | 0o644)
      case 'mkdir':
        return this.#add(step, S_IFDIR | 0o755)
      case 'symlink': {
        const node = this.#add(step, S_IFLNK | 0o777)
        node.bytes = Buffer.from('target')
        return node
      }
      case 'link': {
        const node = this.#node(step.ino2)
        node.nlink++
        this.#node(step.ino).children.set(step.name, node)
        return node
      }
      case 'unlink':
      case 'rmdir':
        this.#remove(this.#node(step.ino), step.name)
        return undefined
      case 'rename':
        this.#rename(step)
        return undefined
      case 'chmod': {
        const node = this.#node(step.ino2)
        node.mode = (node.mode & S_IFMT) | step.number
        return node
      }
      case 'truncate': {
        const node = this.#node(step.ino2)
        node.bytes = resized(node.bytes, step.number)
        return node
      }
      case 'write': {
        const node = this.#node(step.ino2)
        node.bytes = resized(node.bytes, Math.max(node.bytes.length, step.number + step.length))
        node.bytes.fill(step.fill, step.number, step.number + step.length)
        return undefined
      }
      case 'forget':
        if (this.nodes.get(step.ino2)?.nlink === 0) this.nodes.delete(step.ino2)
        return undefined
      default:
        return undefined
    }
  }

  #node(ino: number): Node {
    return this.nodes.get(ino) as Node
  }

  #add(step: Step, mode: number): Node {
    return this.#addTo(this.#node(step.ino), step.name, (step.seen as Seen).ino, mode)
  }

  #addTo(parent: Node, name: string, ino: number, mode: number): Node {
    if (this.nodes.has(ino)) throw new Error(`inode ${ino} given out twice`)
    const node = made(ino, mode)
    this.nodes.set(ino, node)
    this.#place(parent, name, node)
    return node
  }

  #place(parent: Node, name: string, node: Node): void {
    parent.children.set(name, node)
    if (!isDirectory(node)) return
    node.parent = parent
    parent.nlink++
  }

  #take(parent: Node, name: string): Node {
    const node = parent.children.get(name) as Node
    parent.children.delete(name)
    if (isDirectory(node)) parent.nlink--
    return node
  }

  #remove(parent: Node, name: string): void {
    const node = this.#take(parent, name)
    node.nlink = isDirectory(node) ? 0 : node.nlink - 1
  }

  #rename(step: Step): void {
    const from = this.#node(step.ino)
    const into = this.#node(step.ino2)
    const target = into.children.get(step.name2)
    if (from.children.get(step.name) === target) return
    if (step.number === EXCHANGE) {
      const one = this.#take(from, step.name)
      const other = this.#take(into, step.name2)
      this.#place(from, step.name, other)
      this.#place(into, step.name2, one)
      return
    }
    if (target !== undefined) this.#remove(into, step.name2)
    this.#place(into, step.name2, this.#take(from, step.name))
  }
}

function made(ino: number, mode: number): Node {
  const isDir = (mode & S_IFMT) === S_IFDIR
  return { ino, mode, nlink: isDir ? 2 : 1, children: new Map(), parent: undefined, bytes: Buffer.alloc(0) }
}

export function isDirectory(node: Node): boolean {
  return (node.mode & S_IFMT) === S_IFDIR
}

function full(node: Node): number {
  return node.children.size > 0 ? ENOTEMPTY : 0
}

function isWithin(inner: Node, outer: Node): boolean {
  for (let at: Node | undefined = inner; at !== undefined; at = at.parent) if (at === outer) return true
  return false
}

function resized(bytes: Buffer, size: number): Buffer {
  const next = Buffer.alloc(size)
  bytes.copy(next)
  return next
}

export function attributesOf(node: Node): Seen {
  const { ino, mode, nlink } = node
  return { ino, mode, nlink, size: isDirectory(node) ? 4096 : node.bytes.length }
}

export function describe({ ino, mode, nlink, size }: Seen): string {
  return `${ino} ${mode.toString(8)} nlink ${nlink} size ${size}`
}
