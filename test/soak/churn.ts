/**
 * A client of the soak: `churn.ts DIRECTORY STOP SEED ORACLE [FILES]`, until the file STOP exists. Makes, changes, renames and removes
 * files, links and directories at random, sees after each step that its own idea of them is what the mount shows, and
 * writes that idea to ORACLE at the end; `churn.ts verify DIRECTORY ORACLE` compares again. Any error, and any
 * difference, ends it with exit code 1. Every second a line on stdout: operations so far, the longest call in milliseconds.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { seededRandom } from '../support/random.ts'
import * as sys from '../support/syscalls.ts'
import { differences, type Oracle } from './oracle.ts'

interface File {
  kind: 'file'
  bytes: Buffer
  mode: number
  names: number
  xattrs: Map<string, string>
}
interface Link {
  kind: 'link'
  target: string
}
interface Directory {
  kind: 'directory'
  children: Map<string, Node>
  depth: number
}
type Node = File | Link | Directory

const REPORT_MS = 1000
/** Deepest directory, and most entries in one. */
const DEPTH = 6
const ENTRIES = 60
const LARGE = 40_000
/** What a step is, each as likely as it stands here often; the second while there are enough files. */
const STEPS = [
  'mkdir',
  'symlink',
  'link',
  'rename',
  'write',
  'truncate',
  'attributes',
  'list',
  'look',
  'look',
  'useOpen',
]
const MANY_STEPS = [...STEPS, 'create', 'create', 'create', 'remove']
const MORE_REMOVALS = [...STEPS, 'create', 'remove', 'remove', 'remove']

class Churn {
  readonly #random: () => number
  readonly #root: Directory = { kind: 'directory', children: new Map(), depth: 0 }
  readonly #most: number
  #files = 0
  /** Removed, but still open. */
  readonly #open: { fd: number; file: File }[] = []
  operations = 0
  longest = 0

  constructor(seed: number, most: number) {
    this.#random = seededRandom(seed)
    this.#most = most
  }

  step(): void {
    const [directory, path] = this.#someDirectory()
    const steps = this.#files < this.#most ? MANY_STEPS : MORE_REMOVALS
    const step = steps[this.#below(steps.length)]
    if (step === 'create') this.#create(directory, path)
    else if (step === 'mkdir') this.#mkdir(directory, path)
    else if (step === 'symlink') this.#symlink(directory, path)
    else if (step === 'link') this.#link(directory, path)
    else if (step === 'rename') this.#rename(directory, path)
    else if (step === 'write') this.#write(directory, path)
    else if (step === 'truncate') this.#truncate(directory, path)
    else if (step === 'attributes') this.#attributes(directory, path)
    else if (step === 'list') this.#list(directory, path)
    else if (step === 'look') this.#look(directory, path)
    else if (step === 'useOpen') this.#useOpen()
    else this.#remove(directory, path)
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  #someDirectory(): [Directory, string] {
    let at = this.#root
    let path = '.'
    for (let depth = this.#below(DEPTH); depth > 0; depth--) {
      const inner = [...at.children].filter(([, node]) => node.kind === 'directory')
      if (inner.length === 0) break
      const [name, node] = inner[this.#below(inner.length)]
      at = node as Directory
      path = `${path}/${name}`
    }
    return [at, path]
  }

  #newName({ children }: Directory): string {
    for (;;) {
      const name = `n${this.#below(10_000)}${'x'.repeat(this.#below(8) === 0 ? this.#below(200) : 0)}`
      if (!children.has(name)) return name
    }
  }

  #entry({ children }: Directory, kind?: Node['kind']): [string, Node] | undefined {
    const entries = [...children].filter(([, node]) => kind === undefined || node.kind === kind)
    return entries.length === 0 ? undefined : entries[this.#below(entries.length)]
  }

  #bytes(): Buffer {
    const length = this.#below(10) === 0 ? this.#below(LARGE) : this.#below(6000)
    return Buffer.alloc(length, String(this.#random()))
  }

  #create(directory: Directory, path: string): void {
    if (directory.children.size >= ENTRIES) {
      this.#remove(directory, path)
      return
    }
    const name = this.#newName(directory)
    const bytes = this.#bytes()
    this.#call(() => fs.writeFileSync(`${path}/${name}`, bytes, { flag: 'wx', mode: 0o644 }))
    directory.children.set(name, { kind: 'file', bytes, mode: 0o644, names: 1, xattrs: new Map() })
    this.#files++
  }

  #mkdir(directory: Directory, path: string): void {
    if (directory.depth >= DEPTH || directory.children.size >= ENTRIES) return
    const name = this.#newName(directory)
    this.#call(() => fs.mkdirSync(`${path}/${name}`))
    directory.children.set(name, { kind: 'directory', children: new Map(), depth: directory.depth + 1 })
  }

  #symlink(directory: Directory, path: string): void {
    if (directory.children.size >= ENTRIES) return
    const name = this.#newName(directory)
    const target = `../${'t'.repeat(1 + this.#below(200))}`
    this.#call(() => fs.symlinkSync(target, `${path}/${name}`))
    directory.children.set(name, { kind: 'link', target })
  }

  #link(from: Directory, path: string): void {
    const entry = this.#entry(from, 'file')
    const [to, toPath] = this.#someDirectory()
    if (entry === undefined || to.children.size >= ENTRIES) return
    const name = this.#newName(to)
    this.#call(() => fs.linkSync(`${path}/${entry[0]}`, `${toPath}/${name}`))
    const file = entry[1] as File
    file.names++
    to.children.set(name, file)
  }

  #rename(from: Directory, path: string): void {
    const entry = this.#entry(from)
    const [to, toPath] = this.#someDirectory()
    if (entry === undefined || to.children.size >= ENTRIES) return
    const [name, node] = entry
    // Not into itself, and not so deep that nothing fits below.
    if (node.kind === 'directory' && (`${toPath}/`.startsWith(`${path}/${name}/`) || node.depth <= to.depth)) return
    const over = node.kind === 'directory' ? undefined : this.#entry(to, node.kind)
    const newName = over !== undefined && this.#below(3) === 0 ? over[0] : this.#newName(to)
    const replaced = to.children.get(newName)
    this.#call(() => fs.renameSync(`${path}/${name}`, `${toPath}/${newName}`))
    // Two names of one file: both stay.
    if (replaced === node) return
    if (replaced !== undefined) this.#lost(replaced)
    from.children.delete(name)
    to.children.set(newName, node)
  }

  #write(directory: Directory, path: string): void {
    const entry = this.#entry(directory, 'file')
    if (entry === undefined) return
    const file = entry[1] as File
    const at = this.#below(Math.min(LARGE, file.bytes.length + 1000))
    const piece = this.#bytes().subarray(0, 3000)
    const fd = this.#call(() => fs.openSync(`${path}/${entry[0]}`, 'r+'))
    this.#writeOpen(fd, file, at, piece)
    if (this.#below(8) === 0) this.#call(() => fs.fsyncSync(fd))
    fs.closeSync(fd)
  }

  #writeOpen(fd: number, file: File, at: number, piece: Buffer): void {
    if (piece.length === 0) return
    assert.equal(
      this.#call(() => fs.writeSync(fd, piece, 0, piece.length, at)),
      piece.length,
    )
    const bytes = Buffer.alloc(Math.max(file.bytes.length, at + piece.length))
    file.bytes.copy(bytes)
    piece.copy(bytes, at)
    file.bytes = bytes
  }

  #truncate(directory: Directory, path: string): void {
    const entry = this.#entry(directory, 'file')
    if (entry === undefined) return
    const file = entry[1] as File
    const size = this.#below(2) === 0 ? this.#below(file.bytes.length + 1) : this.#below(LARGE)
    this.#call(() => fs.truncateSync(`${path}/${entry[0]}`, size))
    const bytes = Buffer.alloc(size)
    file.bytes.copy(bytes)
    file.bytes = bytes
  }

  #attributes(directory: Directory, path: string): void {
    const entry = this.#entry(directory, 'file')
    if (entry === undefined) return
    const file = entry[1] as File
    const name = `user.a${this.#below(4)}`
    const value = 'v'.repeat(this.#below(300))
    if (this.#below(2) === 0) {
      const mode = 0o600 | this.#below(0o100)
      this.#call(() => fs.chmodSync(`${path}/${entry[0]}`, mode))
      file.mode = mode
    } else if (file.xattrs.has(name)) {
      assert.equal(
        this.#call(() => sys.removexattr(`${path}/${entry[0]}`, name)),
        0,
      )
      file.xattrs.delete(name)
    } else {
      assert.equal(
        this.#call(() => sys.setxattr(`${path}/${entry[0]}`, name, value)),
        0,
      )
      file.xattrs.set(name, value)
    }
  }

  #list(directory: Directory, path: string): void {
    const found = this.#call(() => fs.readdirSync(path))
    assert.deepEqual(found.sort(), [...directory.children.keys()].sort(), `names in ${path}`)
  }

  #look(directory: Directory, path: string): void {
    const entry = this.#entry(directory)
    if (entry === undefined) {
      assert.equal(
        this.#call(() => fs.existsSync(`${path}/absent`)),
        false,
      )
      return
    }
    const found = this.#call(() => differences(`${path}/${entry[0]}`, oracleOf(entry[1])))
    assert.deepEqual(found, [])
  }

  #remove(directory: Directory, path: string): void {
    const entry = this.#entry(directory)
    if (entry === undefined) return
    const [name, node] = entry
    if (node.kind === 'directory') {
      if (node.children.size > 0) {
        assert.throws(() => this.#call(() => fs.rmdirSync(`${path}/${name}`)), { code: 'ENOTEMPTY' })
        if (this.#below(4) !== 0) return
        this.#call(() => fs.rmSync(`${path}/${name}`, { recursive: true }))
        this.#lost(node)
      } else this.#call(() => fs.rmdirSync(`${path}/${name}`))
    } else {
      if (node.kind === 'file' && this.#open.length < 8 && this.#below(6) === 0) {
        this.#open.push({ fd: this.#call(() => fs.openSync(`${path}/${name}`, 'r+')), file: node })
      }
      this.#call(() => fs.unlinkSync(`${path}/${name}`))
      this.#lost(node)
    }
    directory.children.delete(name)
  }

  #lost(node: Node): void {
    if (node.kind === 'directory') for (const child of node.children.values()) this.#lost(child)
    if (node.kind === 'file' && --node.names === 0) this.#files--
  }

  /** Writes to, compares and closes a file that lost its name while it was open. */
  #useOpen(): void {
    const held = this.#open[this.#below(this.#open.length)]
    if (held === undefined) return
    this.#writeOpen(held.fd, held.file, this.#below(9000), this.#bytes().subarray(0, 2000))
    const found = Buffer.alloc(held.file.bytes.length)
    for (let at = 0; at < found.length; ) {
      const got = this.#call(() => fs.readSync(held.fd, found, at, found.length - at, at))
      assert.notEqual(got, 0, 'the end of an open file comes early')
      at += got
    }
    assert.ok(found.equals(held.file.bytes), 'the bytes of an open file')
    assert.equal(fs.fstatSync(held.fd).nlink, held.file.names)
    if (this.#below(2) === 0) return
    fs.closeSync(held.fd)
    this.#open.splice(this.#open.indexOf(held), 1)
  }

  /** Counts a system call (or a few), and how long it took. */
  #call<T>(action: () => T): T {
    const begin = performance.now()
    try {
      return action()
    } finally {
      this.operations++
      this.longest = Math.max(this.longest, performance.now() - begin)
    }
  }

  oracle(): Oracle {
    return oracleOf(this.#root)
  }
}

function oracleOf(node: Node): Oracle {
  if (node.kind === 'link') return { kind: 'link', target: node.target }
  if (node.kind === 'file') {
    const { bytes, mode, names, xattrs } = node
    return { kind: 'file', bytes: bytes.toString('latin1'), mode, names, xattrs: Object.fromEntries(xattrs) }
  }
  return {
    kind: 'directory',
    children: Object.fromEntries([...node.children].map(([name, child]) => [name, oracleOf(child)])),
  }
}

function churn(directory: string, stop: string, seed: number, oracle: string, files: number): void {
  process.chdir(directory)
  const work = new Churn(seed, files)
  const report = () => {
    process.stdout.write(`${work.operations} ${work.longest.toFixed(0)}\n`)
    work.longest = 0
  }
  let reported = performance.now()
  while (!fs.existsSync(stop)) {
    for (let i = 0; i < 20; i++) work.step()
    if (performance.now() - reported < REPORT_MS) continue
    reported = performance.now()
    report()
  }
  report()
  fs.writeFileSync(oracle, JSON.stringify(work.oracle()))
  assert.deepEqual(differences('.', work.oracle()), [])
}

const [, , first, ...rest] = process.argv
if (first === 'verify') {
  const [directory, oracle] = rest
  assert.deepEqual(differences(directory, JSON.parse(fs.readFileSync(oracle, 'utf8'))), [])
} else churn(first, rest[0], Number(rest[1]), rest[2], Number(rest[3] ?? 3000))
