/**
 * Random operations against the model: results, attributes, listings and bytes, with several FileSystems on one store,
 * restarts, and the check in between. HOLTFS_TEST_SEED repeats a run.
 */
import test from 'ava'
import { type Attributes, type Entry, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { metadataFactories } from '../support/metadata-factories.ts'
import { type Node, TreeModel } from '../support/tree-model.ts'

const OPERATIONS = 20_000
const NAMES = ['a', 'b', 'c', 'a-', 'ab', '\xff', 'a\x01', 'n'.repeat(120)]
const SIZES = [0, 1, 100, 4096, 8191, 8192, 8193, 12000, 20000]
const ATTRIBUTES = ['user.a', 'user.b', 'user.ab', 'trusted.a', 'security.capability', `user.${'n'.repeat(200)}`]
const TYPE = { file: 0o100000, dir: 0o040000, link: 0o120000 }

/** Pseudo-random numbers in [0, 1): a linear congruence, of which the high bits are used. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) / 2 ** 24
  }
}

class Run {
  readonly model = new TreeModel()
  readonly fixture: FsFixture
  /** Every inode that the kernel would know, unlinked ones too. */
  nodes: Node[] = [this.model.root]
  /** How often each kind of operation succeeded. */
  readonly successes = new Map<string, number>()
  readonly #random: () => number
  readonly #t: import('ava').ExecutionContext

  constructor(t: import('ava').ExecutionContext, fixture: FsFixture, seed: number) {
    this.#t = t
    this.fixture = fixture
    this.#random = generator(seed)
    this.model.root.ino = ROOT
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]
  }

  /** Mostly a directory, so that operations succeed. */
  directory(): Node {
    const node = this.pick(this.nodes)
    return node.kind === 'dir' || this.below(10) === 0 ? node : this.pick(this.nodes.filter(n => n.kind === 'dir'))
  }

  compare(what: string, actual: unknown, expected: unknown): void {
    if (actual !== expected) this.#t.fail(`${what}: ${actual} instead of ${expected}`)
    if (Number(actual) >= 0) this.successes.set(what, (this.successes.get(what) ?? 0) + 1)
  }

  step(): void {
    const f = this.fixture
    const parent = this.directory()
    const chance = this.below(108)
    const known = [...parent.children.keys()]
    const name = chance >= 34 && known.length > 0 && this.below(4) > 0 ? this.pick(known) : this.pick(NAMES)
    if (chance < 12) this.create(parent, name, 'dir')
    else if (chance < 26) this.create(parent, name, 'file')
    else if (chance < 29) this.create(parent, name, 'link')
    else if (chance < 34) this.hardLink(this.pick(this.nodes), parent, name)
    else if (chance < 42) this.compare('unlink', f.unlink(parent.ino, name), this.model.unlink(parent, name))
    else if (chance < 48) this.compare('rmdir', f.rmdir(parent.ino, name), this.model.rmdir(parent, name))
    else if (chance < 62) this.move(parent, name)
    else if (chance < 76) this.write(this.pick(this.nodes))
    else if (chance < 81) this.truncate(this.pick(this.nodes))
    else if (chance < 91) this.read(this.pick(this.nodes))
    else if (chance < 94) this.look(parent, name)
    else if (chance < 96) this.list(parent)
    else if (chance < 99) this.forget()
    else if (chance < 100) this.chmod(this.pick(this.nodes))
    else if (chance < 105) this.setAttribute(this.pick(this.nodes), this.pick(ATTRIBUTES))
    else this.removeAttribute(this.pick(this.nodes))
  }

  create(parent: Node, name: string, kind: Node['kind']): void {
    const f = this.fixture
    const node = this.model.node(kind, kind === 'link' ? 0o777 : 0o600 + this.below(64))
    const expected = this.model.add(parent, name, node)
    let made: number | Attributes
    if (kind === 'dir') made = f.mkdir(parent.ino, name, node.mode)
    else if (kind === 'file') made = f.mknod(parent.ino, name, TYPE.file | node.mode)
    else {
      node.target = `to ${this.below(1000)}`
      made = f.symlink(parent.ino, name, node.target)
    }
    this.compare(`create ${kind}`, typeof made === 'number' ? made : 0, expected)
    if (typeof made === 'number') return
    node.ino = made.ino
    this.nodes.push(node)
    this.attributes(node, made)
  }

  hardLink(node: Node, parent: Node, name: string): void {
    const made = this.fixture.link(node.ino, parent.ino, name)
    this.compare('link', typeof made === 'number' ? made : 0, this.model.link(node, parent, name))
  }

  move(parent: Node, name: string): void {
    const to = this.below(3) === 0 ? parent : this.directory()
    const newName = this.pick(NAMES)
    const flags = this.pick([0, 0, 0, 1, 2])
    const how = ['move', 'noreplace', 'exchange'][flags]
    const expected = this.model.rename(parent, name, to, newName, how)
    this.compare(how, this.fixture.rename(parent.ino, name, to.ino, newName, flags), expected)
  }

  write(node: Node): void {
    const offset = this.below(2) === 0 ? node.bytes.length : this.pick(SIZES)
    const data = Buffer.alloc(1 + this.below(this.pick([10, 1000, 10000])), 1 + this.below(255))
    this.compare('write', this.fixture.write(node.ino, offset, data), this.model.write(node, offset, data))
  }

  truncate(node: Node): void {
    const size = this.pick(SIZES)
    const result = this.fixture.truncate(node.ino, size)
    this.compare('truncate', typeof result === 'number' ? result : 0, this.model.truncate(node, size))
  }

  read(node: Node): void {
    if (node.kind === 'link') {
      this.compare('readlink', this.fixture.readlink(node.ino), node.target)
    } else if (node.kind === 'file') {
      const offset = this.below(3) === 0 ? 0 : this.pick(SIZES)
      const size = this.pick(SIZES) + 1
      const bytes = this.fixture.read(node.ino, offset, size)
      const expected = node.bytes.subarray(Math.min(offset, node.bytes.length), offset + size)
      if (typeof bytes === 'number' || !bytes.equals(expected)) this.#t.fail(`bytes of ${node.ino} at ${offset}`)
    }
    this.attributes(node, this.fixture.getattr(node.ino))
    this.xattrs(node)
  }

  look(parent: Node, name: string): void {
    if (parent.kind !== 'dir' || parent.nlink === 0) return
    const found = this.fixture.lookup(parent.ino, name)
    const expected = parent.children.get(name)
    if (expected === undefined) this.compare('lookup', typeof found, 'number')
    else this.attributes(expected, found)
  }

  list(parent: Node): void {
    if (parent.kind !== 'dir' || parent.nlink === 0) return
    const expected = [...parent.children.keys()].sort().join('\n')
    this.compare('readdir', this.fixture.list(parent.ino, 1 + this.below(5)).join('\n'), expected)
    const plus = this.fixture.readdir(parent.ino, 0, 1000, true) as Entry[]
    for (const { name, attributes } of plus.slice(2)) this.attributes(parent.children.get(name)!, attributes!)
  }

  chmod(node: Node): void {
    node.mode = this.below(0o777)
    this.attributes(node, this.fixture.setattr(node.ino, 1, { mode: node.mode }))
  }

  setAttribute(node: Node, name: string): void {
    const value = 'v'.repeat(this.below(this.pick([2, 100, 5000])))
    const flags = this.pick([0, 0, 1, 2])
    const expected = this.model.setxattr(node, name, value, flags)
    this.compare('setxattr', this.fixture.setxattr(node.ino, name, value, flags), expected)
  }

  removeAttribute(node: Node): void {
    const name = this.pick([...node.xattrs.keys(), ...node.xattrs.keys(), this.pick(ATTRIBUTES)])
    this.compare('removexattr', this.fixture.removexattr(node.ino, name), this.model.removexattr(node, name))
  }

  xattrs(node: Node): void {
    const { fixture } = this
    this.compare('listxattr', fixture.listxattr(node.ino).join('\n'), [...node.xattrs.keys()].sort().join('\n'))
    const name = this.pick(ATTRIBUTES)
    const value = fixture.getxattr(node.ino, name)
    this.compare('getxattr', Buffer.isBuffer(value) ? value.toString('latin1') : undefined, node.xattrs.get(name))
  }

  forget(): void {
    const node = this.pick(this.nodes)
    this.fixture.forget(node.ino)
    if (node.nlink > 0) return
    this.nodes = this.nodes.filter(each => each !== node)
    this.compare('getattr of a forgotten inode', typeof this.fixture.getattr(node.ino), 'number')
  }

  attributes(node: Node, actual: number | Attributes): void {
    if (typeof actual === 'number') {
      this.#t.fail(`attributes of ${node.ino}: errno ${-actual}`)
      return
    }
    this.compare('ino', actual.ino, node.ino)
    this.compare('mode', actual.mode, TYPE[node.kind] | node.mode)
    this.compare('nlink', actual.nlink, node.nlink)
    const size = { file: node.bytes.length, dir: 4096, link: node.target.length }[node.kind]
    this.compare('size', actual.size, size)
  }

  everything(): void {
    for (const node of this.nodes) {
      this.read(node)
      this.list(node)
      if (node.kind === 'file') {
        const bytes = this.fixture.read(node.ino, 0, 100_000) as Buffer
        if (!bytes.equals(node.bytes)) this.#t.fail(`bytes of ${node.ino}`)
      }
    }
    const problems = this.fixture.check()
    if (problems.length > 0) this.#t.fail(JSON.stringify(problems.slice(0, 5)))
  }
}

for (const [store, create] of Object.entries(metadataFactories)) {
  test(`${store}: ${OPERATIONS} random operations agree with the model`, t => {
    const seed = Number(process.env.HOLTFS_TEST_SEED ?? Date.now() % 1_000_000)
    t.log(`seed ${seed}`)
    const f = new FsFixture(create())
    const run = new Run(t, f, seed)
    let workers = [f.fs, f.another(), f.another()]
    for (let i = 1; i <= OPERATIONS && t.passed; i++) {
      f.fs = workers[run.below(3)]
      run.step()
      if (i % 100 === 0) f.fs.collectRetired()
      if (i % 1000 === 0) run.everything()
      if (i % 5000 === 0) {
        f.restart()
        workers = [f.fs, f.another(), f.another()]
        run.nodes = run.nodes.filter(node => node.nlink > 0)
        run.everything()
      }
      if (!t.passed) t.log(`after operation ${i}`)
    }
    f.dispose()
    for (const what of [
      'link',
      'unlink',
      'rmdir',
      'move',
      'noreplace',
      'exchange',
      'write',
      'truncate',
      'setxattr',
      'removexattr',
    ]) {
      t.true(run.successes.get(what)! > 10, `${what} hardly ever succeeds`)
    }
  })
}
