/**
 * The file operations of the kill test, each one system call that changes something, and the model that says what they
 * lead to. Knows nothing of the filesystem under test.
 */
import { createHash } from 'node:crypto'
import { type Random, seededRandom } from '../support/random.ts'

/** Paths are relative to the client's directory; bytes are those of {@link bytesOf} the seed. */
export type Operation =
  | { is: 'create' | 'mkdir' | 'rmdir' | 'unlink'; path: string }
  | { is: 'write'; path: string; offset: number; length: number; seed: number }
  | { is: 'append'; path: string; length: number; seed: number }
  | { is: 'truncate'; path: string; size: number }
  | { is: 'rename' | 'link'; path: string; to: string }
  | { is: 'symlink'; path: string; target: string }
  | { is: 'chmod'; path: string; mode: number }

export interface FileNode {
  kind: 'file'
  bytes: Buffer
  mode: number
  links: number
}
export interface DirectoryNode {
  kind: 'directory'
  entries: Map<string, Node>
  mode: number
}
export type Node = FileNode | DirectoryNode | { kind: 'symlink'; target: string }

/** `length` bytes that no other seed gives. */
export function bytesOf(seed: number, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  const random = seededRandom(seed)
  for (let i = 0; i < words.length; i++) words[i] = random() * 4294967296
  return Buffer.from(words.buffer, 0, length)
}

/** What the client's directory holds after the operations so far. */
export class AcknowledgedModel {
  readonly root: DirectoryNode = { kind: 'directory', entries: new Map(), mode: 0o755 }

  apply(operation: Operation): void {
    const { path } = operation
    const [parent, name] = this.#parent(path)
    switch (operation.is) {
      case 'create':
        parent.entries.set(name, { kind: 'file', bytes: Buffer.alloc(0), mode: 0o644, links: 1 })
        break
      case 'mkdir':
        parent.entries.set(name, { kind: 'directory', entries: new Map(), mode: 0o755 })
        break
      case 'symlink':
        parent.entries.set(name, { kind: 'symlink', target: operation.target })
        break
      case 'rmdir':
      case 'unlink':
        this.#remove(parent, name)
        break
      case 'write':
        this.#write(path, operation.offset, bytesOf(operation.seed, operation.length))
        break
      case 'append':
        this.#write(path, this.file(path).bytes.length, bytesOf(operation.seed, operation.length))
        break
      case 'truncate': {
        const file = this.file(path)
        const bytes = Buffer.alloc(operation.size)
        file.bytes.copy(bytes)
        file.bytes = bytes
        break
      }
      case 'rename':
        this.#rename(parent, name, operation.to)
        break
      case 'link': {
        const file = this.file(path)
        const [target, newName] = this.#parent(operation.to)
        target.entries.set(newName, file)
        file.links++
        break
      }
      case 'chmod':
        this.file(path).mode = operation.mode
    }
  }

  file(path: string): FileNode {
    const [parent, name] = this.#parent(path)
    return parent.entries.get(name) as FileNode
  }

  /** Every name below the root with its node, in the order of print-listing.ts. */
  *walk(directory: DirectoryNode = this.root, prefix = ''): Generator<[string, Node]> {
    for (const [name, node] of [...directory.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      yield [prefix + name, node]
      if (node.kind === 'directory') yield* this.walk(node, `${prefix}${name}/`)
    }
  }

  /** The lines that `print-listing.ts --hash` prints for this tree. */
  listing(): string[] {
    const lines = [`. mode=40755 owner=0:0`]
    const first = new Map<Node, string>()
    for (const [path, node] of this.walk()) {
      const name = `./${path}`
      if (node.kind === 'directory') {
        lines.push(`${name} mode=40755 owner=0:0`)
      } else if (node.kind === 'symlink') {
        const fields = `size=${node.target.length} nlink=1 rdev=0 target=${node.target}`
        lines.push(`${name} mode=120777 owner=0:0 ${fields}`)
      } else {
        if (!first.has(node)) first.set(node, name)
        const same = node.links > 1 ? ` same=${first.get(node)}` : ''
        const sum = createHash('sha256').update(node.bytes).digest('hex')
        const fields = `size=${node.bytes.length} nlink=${node.links} rdev=0${same} sha256=${sum}`
        lines.push(`${name} mode=${(0o100000 | node.mode).toString(8)} owner=0:0 ${fields}`)
      }
    }
    return lines
  }

  #write(path: string, offset: number, data: Buffer): void {
    const file = this.file(path)
    const bytes = Buffer.alloc(Math.max(file.bytes.length, offset + data.length))
    file.bytes.copy(bytes)
    data.copy(bytes, offset)
    file.bytes = bytes
  }

  #remove(parent: DirectoryNode, name: string): void {
    const node = parent.entries.get(name)
    if (node?.kind === 'file') node.links--
    parent.entries.delete(name)
  }

  #rename(parent: DirectoryNode, name: string, to: string): void {
    const node = parent.entries.get(name) as Node
    const [target, newName] = this.#parent(to)
    // Two names of one file: rename(2) does nothing.
    if (target.entries.get(newName) === node) return
    this.#remove(target, newName)
    parent.entries.delete(name)
    target.entries.set(newName, node)
  }

  #parent(path: string): [DirectoryNode, string] {
    const names = path.split('/')
    let directory = this.root
    for (const name of names.slice(0, -1)) directory = directory.entries.get(name) as DirectoryNode
    return [directory, names[names.length - 1]]
  }
}

const SMALL = 600
const INLINE = 8192
const LARGE = 100_000
/** Names that a client keeps at most, so that they are reused and removed again and again. */
const MOST_NAMES = 250

/** Files of {@link chooseBallast}: together they fill more frames than the smallest pool has. */
export const BALLAST = 1500
const BALLAST_BYTES = 4096

/** Operations that keep every frame of a small pool dirty, so that checkpoint rounds and evictions never end. */
export function chooseBallast(model: AcknowledgedModel, random: Random): Operation {
  const missing = model.root.entries.size
  if (missing < BALLAST) return { is: 'create', path: `ballast-${missing}` }
  const path = `ballast-${Math.floor(random() * BALLAST)}`
  return { is: 'write', path, offset: 0, length: BALLAST_BYTES, seed: Math.floor(random() * 4294967296) }
}

/** Picks the next operation that must succeed in the state of the model. */
export function chooseOperation(model: AcknowledgedModel, random: Random): Operation {
  const below = (n: number) => Math.floor(random() * n)
  const pick = <T>(list: T[]): T => list[below(list.length)]
  const all = [...model.walk()]
  const of = (kind: Node['kind']) => all.filter(([, node]) => node.kind === kind).map(([path]) => path)
  const files = of('file')
  const directories = ['', ...of('directory').map(path => `${path}/`)]
  const fresh = () => `${pick(directories.filter(path => path.split('/').length < 6))}n${below(1e9).toString(36)}`
  const seed = below(4294967296)
  const dice = all.length > MOST_NAMES ? 100 : files.length < 5 ? below(30) : below(130)
  if (dice < 12) return { is: 'mkdir', path: fresh() }
  if (dice < 30) return { is: 'create', path: fresh() }
  const path = pick(files)
  const size = model.file(path).bytes.length
  if (dice < 40) return { is: 'write', path, offset: below(size + 1), length: 1 + below(SMALL), seed }
  if (dice < 48) return { is: 'write', path, offset: 0, length: INLINE - 100 + below(200), seed }
  if (dice < 54) return { is: 'write', path, offset: below(size + 5000), length: 1 + below(LARGE), seed }
  if (dice < 66) return { is: 'append', path, length: 1 + below(pick([SMALL, INLINE, LARGE])), seed }
  if (dice < 76) return { is: 'truncate', path, size: below(pick([10, size + 1, INLINE * 2, size + LARGE])) }
  if (dice < 82) return { is: 'link', path, to: fresh() }
  if (dice < 86) return { is: 'symlink', path: fresh(), target: `target/${below(1000)}` }
  if (dice < 90) return { is: 'chmod', path, mode: below(0o1000) }
  if (dice < 97) return { is: 'rename', path, to: fresh() }
  if (dice < 100) return { is: 'rename', path, to: pick(files) }
  if (dice < 108) return renameDirectory(model, pick(directories), fresh(), path)
  if (dice < 112) return removeDirectory(model, path)
  return { is: 'unlink', path: pick([...files, ...of('symlink')]) }
}

/** A directory with all below it, to a name that is not below it. */
function renameDirectory(model: AcknowledgedModel, from: string, to: string, file: string): Operation {
  if (from === '' || to.startsWith(from)) return { is: 'rename', path: file, to: `n${model.root.entries.size}-moved` }
  return { is: 'rename', path: from.slice(0, -1), to }
}

function removeDirectory(model: AcknowledgedModel, file: string): Operation {
  for (const [path, node] of model.walk()) {
    if (node.kind === 'directory' && node.entries.size === 0) return { is: 'rmdir', path }
  }
  return { is: 'unlink', path: file }
}
