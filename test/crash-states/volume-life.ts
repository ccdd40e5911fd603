/** An open volume as programs see it: opens and recovers it, shows everything in it, checks, goes on. */
import { openStore, type Store, type StoreOptions } from '../../src/engine/store.ts'
import type { Tree } from '../../src/engine/tree.ts'
import { DATA_FILE, InodeRecord } from '../../src/fs/inode.ts'
import { ALL_ORPHANS, ALL_RETIRED, NS_INODE, NUMBER_KEY, numberKey } from '../../src/fs/keys.ts'
import { type Attributes, FsFixture, ROOT } from '../support/fs-fixture.ts'
import { wrongBytes } from './file-bytes.ts'
import type { Moment, Step } from './history.ts'
import type { MemoryStorage } from './memory-storage.ts'

/** Everything that can be seen in a volume. */
export interface Volume {
  /** By path: type, inode, attributes, extended attributes, target of a link. Not the blocks: they say what the host takes. */
  paths: Map<string, string>
  /** Regular files by inode. */
  files: Map<number, VolumeFile>
}

export interface VolumeFile {
  bytes: Uint8Array
  /** In a data file, else in the tree. */
  isOutside: boolean
}

/** What the go-on leaves; no workload uses such names. */
const MARK = 'goes-on'
/** Largest file that is read. */
const MOST = 1 << 20
const SCRATCH = new Uint8Array(MOST)
const SET_MODE = 1
const S_IFMT = 0o170000
const S_IFREG = 0o100000
const S_IFDIR = 0o040000
const S_IFLNK = 0o120000

export class VolumeLife {
  readonly recovered: number
  readonly store: Store
  readonly tree: Tree
  readonly fixture: FsFixture
  readonly #key = new Uint8Array(NUMBER_KEY)
  readonly #inode = new InodeRecord()

  constructor(directory: string, storage: MemoryStorage, options: StoreOptions) {
    this.store = openStore(directory, { ...options, storage, background: false })
    this.tree = this.store.tree
    this.recovered = this.tree.lastSeq()
    try {
      this.fixture = new FsFixture(this.tree, storage, directory)
      this.fixture.fs.collectOrphans()
    } catch (error) {
      this.store.close()
      throw error
    }
  }

  /** `nameless`: inodes that are open and have no name, whose bytes are of interest as well. */
  see(nameless: Iterable<number> = []): Volume {
    const volume: Volume = { paths: new Map(), files: new Map() }
    this.#see(ROOT, '', volume)
    for (const ino of nameless) {
      const attributes = this.fixture.getattr(ino)
      if (typeof attributes !== 'number') this.#seeBytes(ino, attributes.size, volume)
    }
    return volume
  }

  #seeBytes(ino: number, size: number, volume: Volume): void {
    if (volume.files.has(ino)) return
    volume.files.set(ino, { bytes: this.#read(ino, 0, Math.min(size, MOST)).slice(), isOutside: this.isOutside(ino) })
  }

  /** Bytes of a file, which the next read overwrites: fresh memory for each of many thousand reads would take long. */
  #read(ino: number, at: number, size: number): Uint8Array {
    const length = this.fixture.fs.read(ino, at, size, SCRATCH, 0)
    if (length < 0) throw new Error(`inode ${ino} cannot be read: errno ${-length}`)
    return SCRATCH.subarray(0, length)
  }

  #attributeNames(ino: number): string[] {
    const { fs, caller } = this.fixture
    const length = fs.listxattr(caller, ino, 65_536, SCRATCH, 0)
    if (length < 0) throw new Error(`attributes of inode ${ino} cannot be listed: errno ${-length}`)
    return Buffer.from(SCRATCH.buffer, 0, length).toString('latin1').split('\0').slice(0, -1)
  }

  #see(ino: number, path: string, volume: Volume): void {
    const { fixture } = this
    const attributes = fixture.getattr(ino) as Attributes
    const { size, atime, mtime, ctime, mode, nlink, uid, gid, rdev } = attributes
    let text = `ino ${ino} size ${size} times ${atime} ${mtime} ${ctime} mode ${mode.toString(8)} nlink ${nlink} owner ${uid} ${gid} rdev ${rdev}`
    for (const name of this.#attributeNames(ino)) {
      text += ` ${name}=${(fixture.getxattr(ino, name) as Buffer).toString('latin1')}`
    }
    const type = mode & S_IFMT
    if (type === S_IFLNK) text += ` -> ${fixture.readlink(ino)}`
    volume.paths.set(path, text)
    if (type === S_IFREG) this.#seeBytes(ino, size, volume)
    if (type !== S_IFDIR) return
    for (const name of fixture.list(ino, 100)) {
      if (ino === ROOT && name.startsWith(MARK)) continue
      const found = fixture.lookup(ino, name)
      if (typeof found === 'number') throw new Error(`${path}/${name} is listed, but not there: errno ${-found}`)
      this.#see(found.ino, `${path}/${name}`, volume)
    }
  }

  /** Whether the bytes of `ino` are in a data file. */
  isOutside(ino: number): boolean {
    const inode = this.#inode
    inode.loaded(this.tree.getInto(this.#key, numberKey(this.#key, NS_INODE, ino), inode.bytes, 0))
    return inode.dataKind === DATA_FILE
  }

  compare(steps: readonly Step<Volume>[], index: number, moment: Moment): string | undefined {
    const found = this.see()
    if (index < 0) return found.paths.size > 1 ? 'there are files in a new volume' : undefined
    const { seen } = steps[index]
    // A volume that was never made is made by its first opening.
    if (seen.paths.size === 0) return found.paths.size > 1 ? 'there are files in a new volume' : undefined
    for (const [path, text] of seen.paths) {
      if (found.paths.get(path) !== text) return `${path}: ${found.paths.get(path) ?? 'absent'}, not ${text}`
    }
    for (const path of found.paths.keys()) if (!seen.paths.has(path)) return `${path} should not be there`
    for (const [ino, file] of found.files) {
      const wrong = wrongBytes(steps, index, moment, ino, file)
      if (wrong !== undefined) return `inode ${ino}: ${wrong}`
    }
    return this.#missing(steps, index, moment)
  }

  /** A data file that was synced with its name must be there. */
  #missing(steps: readonly Step<Volume>[], index: number, { done, killed }: Moment): string | undefined {
    for (const { code, ino = 0, path, message } of this.fixture.check()) {
      if (code === 'DATA_UNREFERENCED' && !killed) continue
      if (code === 'DATA_MISSING' && !killed) {
        let wasSynced = false
        for (let i = Math.min(index, done - 1); i >= 0 && steps[i].seen.files.get(ino)?.isOutside; i--) {
          wasSynced ||= steps[i].synced === ino
        }
        if (!wasSynced) continue
      }
      return `${code} ino ${ino} ${path ?? ''}: ${message}`
    }
    return undefined
  }

  /** The structure is sound, and nothing waits to be removed: the opening has done that, and so have the changes. */
  problems(): string | undefined {
    if (!this.tree.isPrefixEmpty(ALL_ORPHANS)) return 'there are inodes without a name'
    if (!this.tree.isPrefixEmpty(ALL_RETIRED)) return 'there are data files that are to be removed'
    const [problem] = this.tree.check().problems
    return problem && `${problem.code} blob ${problem.blob}: ${problem.message}`
  }

  /** Makes a few changes, and says what is wrong with them: what files grow by is zeros. */
  goOn(): string | undefined {
    const { fixture } = this
    const { files } = this.see()
    let grown = 0
    for (const [ino, { bytes, isOutside }] of files) {
      if (!isOutside || ++grown > 3) continue
      const size = bytes.length
      // The one shows what lies behind the end, the other cuts it first or not.
      if (grown === 1) must(fixture.write(ino, size + 30_000, 'x'))
      else fixture.truncate(ino, size + 30_000)
      if (!isZero(this.#read(ino, size, 30_000))) return `inode ${ino} grew by bytes that are not zero`
      if (Buffer.compare(bytes, this.#read(ino, 0, size)) !== 0) {
        return `inode ${ino} changed as it grew`
      }
      fixture.truncate(ino, size)
    }
    const name = `${MARK}-${this.tree.lastSeq()}`
    const small = fixture.mknod(ROOT, name) as Attributes
    must(fixture.write(small.ino, 0, name))
    const directory = fixture.mkdir(ROOT, `${name}-directory`) as Attributes
    const large = fixture.mknod(directory.ino, 'large') as Attributes
    must(fixture.write(large.ino, 20_000, new Uint8Array(9000).fill(7)))
    if (!isZero(this.#read(large.ino, 0, 20_000))) return 'a new file has bytes that nobody has written'
    must(fixture.rename(ROOT, `${name}-directory`, ROOT, `${name}-renamed`))
    must(fixture.fs.fsync(large.ino, false))
    fixture.truncate(large.ino, 100)
    fixture.fs.collectRetired(0)
    return this.stillGoes()
  }

  /** What {@link goOn} left is there. */
  stillGoes(): string | undefined {
    const { fixture } = this
    const name = fixture.list(ROOT, 100).find(entry => entry.startsWith(MARK))
    if (name === undefined) return 'what was made after the recovery is gone'
    const first = name.replace('-directory', '').replace('-renamed', '')
    const { ino } = fixture.stat(first)
    if ((fixture.read(ino, 0, 100) as Buffer).toString() !== first) return 'what was written after the recovery is gone'
    const large = fixture.stat(`${first}-renamed/large`)
    if (large.size !== 100) return `a file has ${large.size} bytes after the recovery`
    return this.problems()
  }

  *further(): Generator<{ what: string; synced?: number }> {
    const { fixture } = this
    const [old] = [...this.see().files].filter(([, { isOutside }]) => isOutside)
    fixture.setattr(ROOT, SET_MODE, { mode: 0o711 })
    yield { what: 'chmod' }
    const { ino } = fixture.mknod(ROOT, `further-${this.tree.lastSeq()}`) as Attributes
    yield { what: 'create' }
    // Its data file may have a number that was in use before the cut.
    must(fixture.write(ino, 500, new Uint8Array(9000).fill(201)))
    yield { what: 'write' }
    must(fixture.fs.fsync(ino, false))
    yield { what: 'fsync', synced: ino }
    fixture.truncate(ino, 12_000)
    yield { what: 'extend' }
    fixture.truncate(ino, 300)
    yield { what: 'truncate' }
    if (old === undefined) return
    must(fixture.write(old[0], old[1].bytes.length + 5000, new Uint8Array(200).fill(202)))
    yield { what: 'write to an old file' }
    fixture.fs.collectRetired(0)
    yield { what: 'collect' }
  }

  end(): void {
    this.fixture.data.close()
    this.store.close()
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte !== 0) return false
  return true
}

function must(result: number): void {
  if (result < 0) throw new Error(`errno ${-result} after the recovery`)
}
