/**
 * What a filesystem is, in plain objects: the independent model that the random test compares against. It knows
 * nothing of keys, paths or stores; results are 0 or minus an errno.
 */
import { constants } from 'node:os'

const { EEXIST, EINVAL, EISDIR, ENODATA, ENOENT, ENOTDIR, ENOTEMPTY, EPERM } = constants.errno

export interface Node {
  readonly kind: 'file' | 'dir' | 'link'
  ino: number
  mode: number
  nlink: number
  bytes: Buffer
  target: string
  readonly xattrs: Map<string, string>
  parent: Node | undefined
  readonly children: Map<string, Node>
}

export class TreeModel {
  readonly root = this.node('dir', 0o755)

  node(kind: Node['kind'], mode: number): Node {
    const nlink = kind === 'dir' ? 2 : 1
    const xattrs = new Map<string, string>()
    const children = new Map<string, Node>()
    return { kind, ino: 0, mode, nlink, bytes: Buffer.alloc(0), target: '', xattrs, parent: undefined, children }
  }

  add(parent: Node, name: string, node: Node): number {
    const refused = this.#refuseNew(parent, name)
    if (refused !== 0) return refused
    parent.children.set(name, node)
    if (node.kind === 'dir') {
      node.parent = parent
      parent.nlink++
    }
    return 0
  }

  link(node: Node, parent: Node, name: string): number {
    if (node.kind === 'dir') return -EPERM
    const refused = this.#refuseNew(parent, name)
    if (refused !== 0) return refused
    if (node.nlink === 0) return -ENOENT
    node.nlink++
    parent.children.set(name, node)
    return 0
  }

  unlink(parent: Node, name: string): number {
    const node = this.#entry(parent, name)
    if (typeof node === 'number') return node
    if (node.kind === 'dir') return -EISDIR
    node.nlink--
    parent.children.delete(name)
    return 0
  }

  rmdir(parent: Node, name: string): number {
    const node = this.#entry(parent, name)
    if (typeof node === 'number') return node
    if (node.kind !== 'dir') return -ENOTDIR
    if (node.children.size > 0) return -ENOTEMPTY
    node.nlink = 0
    parent.nlink--
    parent.children.delete(name)
    return 0
  }

  /** `how`: move, noreplace or exchange. */
  rename(from: Node, name: string, to: Node, newName: string, how: string): number {
    const node = this.#entry(from, name, to)
    if (typeof node === 'number') return node
    const target = to.children.get(newName)
    if (how === 'noreplace' && target !== undefined) return -EEXIST
    if (how === 'exchange' && target === undefined) return -ENOENT
    if (target === node) return 0
    if (isInside(to, node)) return -EINVAL
    if (how === 'exchange') {
      if (isInside(from, target!)) return -EINVAL
      this.#detach(from, name)
      this.#detach(to, newName)
      this.#attach(from, name, target!)
    } else {
      if (target !== undefined) {
        if (target.kind !== 'dir' && node.kind === 'dir') return -ENOTDIR
        if (target.kind === 'dir' && node.kind !== 'dir') return -EISDIR
        if (target.children.size > 0) return -ENOTEMPTY
        if (target.kind === 'dir') this.rmdir(to, newName)
        else this.unlink(to, newName)
      }
      this.#detach(from, name)
    }
    this.#attach(to, newName, node)
    return 0
  }

  write(node: Node, offset: number, data: Buffer): number {
    if (node.kind !== 'file') return node.kind === 'dir' ? -EISDIR : -EINVAL
    const size = Math.max(node.bytes.length, offset + data.length)
    const grown = Buffer.alloc(size)
    node.bytes.copy(grown)
    data.copy(grown, offset)
    node.bytes = grown
    node.xattrs.delete('security.capability')
    return data.length
  }

  truncate(node: Node, size: number): number {
    if (node.kind !== 'file') return node.kind === 'dir' ? -EISDIR : -EINVAL
    const cut = Buffer.alloc(size)
    node.bytes.copy(cut)
    node.bytes = cut
    node.xattrs.delete('security.capability')
    return 0
  }

  /** `flags`: 1 create, 2 replace. */
  setxattr(node: Node, name: string, value: string, flags: number): number {
    if (node.kind === 'link' && name.startsWith('user.')) return -EPERM
    if (node.xattrs.has(name) && (flags & 1) !== 0) return -EEXIST
    if (!node.xattrs.has(name) && (flags & 2) !== 0) return -ENODATA
    node.xattrs.set(name, value)
    return 0
  }

  removexattr(node: Node, name: string): number {
    return node.xattrs.delete(name) ? 0 : -ENODATA
  }

  #refuseNew(parent: Node, name: string): number {
    if (parent.kind !== 'dir') return -ENOTDIR
    if (parent.nlink === 0) return -ENOENT
    return parent.children.has(name) ? -EEXIST : 0
  }

  #entry(parent: Node, name: string, other = parent): Node | number {
    for (const directory of [parent, other]) {
      if (directory.kind !== 'dir') return -ENOTDIR
      if (directory.nlink === 0) return -ENOENT
    }
    return parent.children.get(name) ?? -ENOENT
  }

  #detach(parent: Node, name: string): void {
    if (parent.children.get(name)!.kind === 'dir') parent.nlink--
    parent.children.delete(name)
  }

  #attach(parent: Node, name: string, node: Node): void {
    parent.children.set(name, node)
    if (node.kind !== 'dir') return
    parent.nlink++
    node.parent = parent
  }
}

function isInside(node: Node | undefined, directory: Node): boolean {
  for (let at = node; at !== undefined; at = at.parent) if (at === directory) return true
  return false
}
