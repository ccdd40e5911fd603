/**
 * A store filled through filesystem operations, and a model of what is in it: for tests that damage it and look at what
 * is left. The store can be left closed, or as a killed process leaves it, with changes in the log.
 */
import { cpSync, rmSync } from 'node:fs'
import { openStore } from '../../src/engine/store.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import type { Random } from '../support/random.ts'

export interface StoredFile {
  ino: number
  kind: 'file' | 'dir' | 'link'
  /** Bytes of a file, target of a link; undefined for a directory. */
  content: Buffer | undefined
  /** Value of user.a, if it has one. */
  attribute: string | undefined
}

export type StoredTree = Map<string, StoredFile>

const POOL = 8 * 512 * 1024
const OPTIONS = { poolBytes: POOL, background: false, durability: 'async' as const }

const inoOf = (answer: number | Attributes) => {
  if (typeof answer === 'number') throw new Error(`errno ${-answer}`)
  return answer.ino
}

/** Makes a store with about `count` files; `killed`: what a process that is killed leaves, with a log behind the checkpoint. */
export function fillStore(directory: string, random: Random, count: number, killed: boolean): StoredTree {
  const made = killed ? `${directory}.made` : directory
  const store = openStore(made, { ...OPTIONS, segmentBytes: 30_000 })
  const f = new FsFixture(store.tree, hostStorage, made)
  const below = (limit: number) => Math.floor(random() * limit)
  const model: StoredTree = new Map()
  const directories = ['']
  const add = (n: number) => {
    for (let i = 0; i < n; i++) {
      const parent = directories[below(directories.length)]
      const path = `${parent}/${['file', 'a-longer-name-', 'x'][below(3)]}${model.size}`
      const parentIno = parent === '' ? ROOT : model.get(parent)!.ino
      const name = path.slice(parent.length + 1)
      const kind = below(100)
      if (kind < 12 || directories.length < 3) {
        model.set(path, { ino: inoOf(f.mkdir(parentIno, name)), kind: 'dir', content: undefined, attribute: undefined })
        directories.push(path)
      } else if (kind < 18) {
        const target = `target of ${path}`
        model.set(path, {
          ino: inoOf(f.symlink(parentIno, name, target)),
          kind: 'link',
          content: Buffer.from(target),
          attribute: undefined,
        })
      } else if (kind < 22) {
        const others = [...model].filter(([, other]) => other.kind === 'file')
        if (others.length === 0) continue
        const [, other] = others[below(others.length)]
        inoOf(f.link(other.ino, parentIno, name))
        model.set(path, other)
      } else {
        const ino = inoOf(f.mknod(parentIno, name))
        const content = Buffer.alloc([0, 30, 900, 5000, 3000, 7000, 8192, 20_000][below(8)])
        for (let at = 0; at < content.length; at += 7) content.write(path, at)
        if (content.length > 0) f.write(ino, 0, content)
        const attribute = below(10) === 0 ? `of ${path}` : undefined
        if (attribute !== undefined) f.setxattr(ino, 'user.a', attribute)
        model.set(path, { ino, kind: 'file', content, attribute })
      }
    }
  }
  add(Math.floor(count * 0.8))
  store.tree.checkpoint()
  rename(f, model, directories, below)
  if (below(2) === 0) store.tree.compact()
  store.tree.checkpoint()
  add(Math.ceil(count * 0.1))
  rename(f, model, directories, below)
  add(Math.ceil(count * 0.1))
  if (killed) {
    store.tree.flush()
    cpSync(made, directory, { recursive: true })
  }
  f.data.close()
  store.close()
  if (killed) rmSync(made, { recursive: true })
  return model
}

/** Moves a directory with all below it, so that names in frames are not those that they had. */
function rename(f: FsFixture, model: StoredTree, directories: string[], below: (limit: number) => number): void {
  const from = directories[1 + below(directories.length - 1)]
  const to = `/moved${model.size}`
  const parent = from.slice(0, from.lastIndexOf('/'))
  const failed = f.rename(
    parent === '' ? ROOT : model.get(parent)!.ino,
    from.slice(parent.length + 1),
    ROOT,
    to.slice(1),
  )
  if (failed !== 0) throw new Error(`rename: errno ${-failed}`)
  for (const [path, file] of [...model]) {
    if (path !== from && !path.startsWith(`${from}/`)) continue
    model.delete(path)
    model.set(to + path.slice(from.length), file)
  }
  for (let i = 0; i < directories.length; i++) {
    const path = directories[i]
    if (path === from || path.startsWith(`${from}/`)) directories[i] = to + path.slice(from.length)
  }
}

/** Everything that a store holds now, read through filesystem operations. */
export function readStore(directory: string): StoredTree {
  const store = openStore(directory, { ...OPTIONS, readOnly: true })
  const f = new FsFixture(store.tree, hostStorage, directory)
  try {
    const found: StoredTree = new Map()
    const read = (path: string, ino: number) => {
      for (const name of f.list(ino, 100)) {
        const own = `${path}/${name}`
        const attributes = f.lookup(ino, name) as Attributes
        const type = attributes.mode & 0o170000
        const kind = type === 0o040000 ? 'dir' : type === 0o120000 ? 'link' : 'file'
        const value = f.getxattr(attributes.ino, 'user.a')
        const content =
          kind === 'dir'
            ? undefined
            : kind === 'link'
              ? Buffer.from(f.readlink(attributes.ino) as string)
              : (f.read(attributes.ino, 0, attributes.size) as Buffer)
        found.set(own, {
          ino: attributes.ino,
          kind,
          content,
          attribute: typeof value === 'number' ? undefined : value.toString(),
        })
        if (kind === 'dir') read(own, attributes.ino)
      }
    }
    read('', ROOT)
    return found
  } finally {
    f.data.close()
    store.close()
  }
}

export interface Comparison {
  /** Where something is that never was there: must be empty. */
  wrong: string[]
  /** Files and links that are where they were, with all their bytes. */
  intact: number
  /** Files and links that are in lost+found under another name, with all their bytes. */
  found: number
  /** Files that are there without their bytes. */
  emptied: number
  total: number
}

/** Compares what a repaired store holds with what was stored. `told`: paths and inos of whose contents it was said that they are lost. */
export function compareStored(
  model: StoredTree,
  left: StoredTree,
  told: (path: string, ino: number) => boolean,
): Comparison {
  const latin1 = (file: StoredFile) => file.content?.toString('latin1') ?? ''
  const byContent = new Map([...model.values()].map(file => [latin1(file), file]))
  const byIno = new Map([...model.values()].map(file => [file.ino, file]))
  const result: Comparison = { wrong: [], intact: 0, found: 0, emptied: 0, total: 0 }
  for (const file of model.values()) if (file.kind !== 'dir') result.total++
  for (const [path, file] of left) {
    if (path === '/lost+found') continue
    const there = model.get(path)
    const isMoved = path.startsWith('/lost+found/')
    if (file.kind === 'dir') {
      if (!isMoved && there?.kind !== 'dir') result.wrong.push(`${path}: a directory that never was`)
      continue
    }
    // What has neither name nor inode any more has only its bytes to be known by.
    const isNameless = path.startsWith('/lost+found/#data-')
    const stored = isNameless ? byContent.get(latin1(file)) : isMoved ? byIno.get(file.ino) : there
    if (stored?.content === undefined) result.wrong.push(`${path}: never was`)
    else if (stored.content.equals(file.content!)) {
      if (isMoved) result.found++
      else result.intact++
    } else if (file.content!.length === 0 && told(path, file.ino)) result.emptied++
    else result.wrong.push(`${path}: ${file.content!.length} bytes, not the ${stored.content.length} that were stored`)
    if (stored !== undefined && file.attribute !== undefined && file.attribute !== stored.attribute)
      result.wrong.push(`${path}: attribute`)
  }
  return result
}
