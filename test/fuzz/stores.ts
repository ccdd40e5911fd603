/**
 * Stores made to attack: the files of real stores, one of them changed, opened and used as a program or `holtfs check` would.
 * Their checksums are right, so the changes get behind them.
 */
import { constants, mkdtempSync, rmSync } from 'node:fs'

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { H_BLOB, H_CRC, H_PAGE_CRCS, H_ROOT, H_USED } from '../../src/engine/layout.ts'
import { openStore, type Store } from '../../src/engine/store.ts'
import type { Tree } from '../../src/engine/tree.ts'
import { HoltError } from '../../src/errors.ts'
import { DATA_START, FRAME_SIZE, PAGE_SIZE } from '../../src/limits.ts'
import { emptyMedium } from '../fs/crash-run.ts'
import type { PowerCutStorage } from '../support/power-cut-storage.ts'
import type { Random } from '../support/random.ts'
import { frameNodes } from './frame-nodes.ts'
import type { Input, Part } from './input.ts'
import type { Target } from './target.ts'

const ZEROS = Buffer.alloc(PAGE_SIZE)
const OPTIONS = { background: false, poolBytes: 8 * FRAME_SIZE, segmentBytes: 60_000 }
/** Entries of a scan that are looked at: a tree whose edges meet again has any number. */
const MOST_ENTRIES = 3000
const PROBES = ['', 'a', 'dir/1/2', 'dir/1/2/long', 'n\0\0\x01', 'path', 'x'.repeat(4096), 'zz']

let directory: string | undefined

/** Where the lock of the stores is. */
function home(): string {
  if (directory === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'holtfs-fuzz-'))
    directory = made
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  }
  return directory
}

type Fill = (tree: Tree) => void

const manyShapes: Fill = tree => {
  for (let i = 0; i < 60; i++) tree.put(`dir/${i % 7}/${i}`, Buffer.alloc(20 + i, i))
  for (let i = 0; i < 256; i++) tree.put(Buffer.from([0x6e, 0, i & 3, i, i ^ 90]), Buffer.alloc(9, i))
  for (let i = 0; i < 40; i++) tree.put(`w${String.fromCharCode(40 + i)}`, '')
  tree.put(`path/${'deep/'.repeat(60)}end`, 'value')
  tree.put('dir', 'ends where others go on')
  for (let i = 0; i < 20; i++) tree.delete(`dir/${i % 7}/${i}`)
}

const severalFrames: Fill = tree => {
  manyShapes(tree)
  for (let i = 0; i < 60; i++) tree.put(`big/${i % 5}/${i}`, Buffer.alloc(15_000, i))
  for (let i = 0; i < 300; i++) tree.put(Buffer.from([0x69, i >> 4, i, 7 * i, i]), Buffer.alloc(2500, i))
}

const changes: Fill = tree => {
  tree.renamePrefix('dir/', 'moved/to/')
  tree.atomic(batch => {
    batch.put('a', 'b')
    batch.delete('dir')
  })
  tree.put('a', Buffer.alloc(3000, 'a'))
  tree.rename('a', 'renamed')
  tree.load(Array.from({ length: 30 }, (_, i) => [`load/${i + 100}`, Buffer.alloc(50, i)] as const))
}

/** The files of a store that was killed after `steps`. */
function storeOf(steps: (store: Store) => void): Input {
  const storage = emptyMedium(home())
  const store = openStore(home(), { ...OPTIONS, storage })
  steps(store)
  const left = storage.afterKill()
  store.close()
  const parts: Part[] = [{ name: 'manifest', bytes: fileOf(left, 'manifest') }]
  for (const name of left.list(join(home(), 'wal')))
    parts.push({ name: `wal/${name}`, bytes: fileOf(left, `wal/${name}`) })
  const frames = fileOf(left, 'frames.dat')
  for (let slot = 0; slot * FRAME_SIZE < frames.length; slot++) {
    const used = frames.readUInt32LE(slot * FRAME_SIZE + H_USED)
    const length = Math.ceil(used / PAGE_SIZE) * PAGE_SIZE
    if (used > 0) parts.push({ name: `frame/${slot}`, bytes: frames.subarray(slot * FRAME_SIZE).subarray(0, length) })
  }
  return parts
}

function fileOf(storage: PowerCutStorage, name: string): Buffer {
  const fd = storage.open(join(home(), name), constants.O_RDONLY)
  const bytes = Buffer.alloc(storage.size(fd))
  storage.read(fd, bytes, 0, bytes.length, 0)
  return bytes
}

const STORES: Record<string, (store: Store) => void> = {
  plain: ({ tree }) => {
    manyShapes(tree)
    tree.checkpoint()
  },
  several: ({ tree }) => {
    severalFrames(tree)
    tree.checkpoint()
    changes(tree)
  },
  routed: ({ tree }) => {
    severalFrames(tree)
    tree.compact()
    tree.checkpoint()
  },
  logged: ({ tree }) => {
    manyShapes(tree)
    changes(tree)
  },
  rounds: ({ tree }) => {
    manyShapes(tree)
    tree.checkpoint()
    changes(tree)
    tree.checkpoint()
    for (let i = 0; i < 9; i++) tree.put(`more/${i}`, 'x')
    tree.checkpoint()
    tree.put('last', 'x')
  },
}

export function storeTarget(name: string, stores: readonly string[], file: string, covers: readonly string[]): Target {
  return {
    name,
    corpus: () => stores.map(store => storeOf(STORES[store])),
    isList: false,
    isMutable: part => part.name.startsWith(file),
    repair,
    mutate: (part, random) => part.name.startsWith('frame/') && mutateFrame(part, random),
    covers,
    run: useStore,
  }
}

// --- checksums ---

function repair(part: Part, input: Input): void {
  const { name, bytes } = part
  if (name.startsWith('frame/')) {
    repairFrame(bytes)
    const manifest = input.find(other => other.name === 'manifest')
    if (manifest !== undefined && bytes.length >= PAGE_SIZE)
      noteSum(manifest.bytes, Number(name.slice(6)), bytes.readUInt32LE(H_CRC))
  } else if (name === 'manifest') repairManifest(bytes)
  else repairLog(bytes)
}

function repairFrame(bytes: Buffer): void {
  if (bytes.length < PAGE_SIZE) return
  const used = bytes.readUInt32LE(H_USED)
  const pages = Math.min(Math.ceil(used / PAGE_SIZE), 128)
  for (let page = 1; page < pages; page++) {
    // Behind the image there are zeros.
    const text = Buffer.concat([bytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE), ZEROS]).subarray(0, PAGE_SIZE)
    bytes.writeUInt32LE(crc32(text), H_PAGE_CRCS + (page - 1) * 4)
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, H_CRC)), H_CRC)
}

/** The manifest has the checksum of the header of each image. */
function noteSum(manifest: Buffer, slot: number, sum: number): void {
  for (let at = 32; at + 32 <= manifest.length; at += manifest.readUInt32LE(at + 4)) {
    const end = at + manifest.readUInt32LE(at + 4) - 4
    if (end <= at || end > manifest.length) return
    for (let mapping = at + 28; mapping + 12 <= end; mapping += 12) {
      if ((manifest.readUInt32LE(mapping + 4) & 0x7fffffff) === slot + 1) manifest.writeUInt32LE(sum, mapping + 8)
    }
  }
  repairManifest(manifest)
}

function repairManifest(bytes: Buffer): void {
  if (bytes.length < 32) return
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28)
  for (let at = 32; at + 32 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4)
    if (length < 32 || at + length > bytes.length) return
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + length - 4)), at + length - 4)
    at += length
  }
}

function repairLog(bytes: Buffer): void {
  if (bytes.length < 32) return
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28)
  const salt = bytes.readUInt32LE(12)
  for (let at = 32; at + 24 <= bytes.length; ) {
    const end = at + ((24 + (bytes.readUInt32LE(at + 4) & 0xffffff) + 7) & ~7)
    if (end > bytes.length) return
    bytes.writeUInt32LE(crc32(bytes.subarray(at, end - 4), salt), end - 4)
    at = end
  }
}

/** Changes the head of a node, or the header behind what tells that it is a frame of this blob. */
function mutateFrame({ bytes }: Part, random: Random): boolean {
  const below = (limit: number) => Math.floor(random() * limit)
  if (bytes.length < DATA_START) return false
  if (below(12) === 0) {
    const at = below(4) === 0 ? H_BLOB : H_ROOT + below(H_PAGE_CRCS - H_ROOT)
    bytes[at] = below(256)
    return true
  }
  const nodes = frameNodes(bytes)
  if (nodes.length === 0) return false
  const { at, length } = nodes[below(nodes.length)]
  const to = at + below(Math.min(length, 24))
  const other = nodes[below(nodes.length)]
  switch (below(5)) {
    case 0:
      bytes[at] = 1 + below(7)
      break
    case 1:
      bytes[to] = below(256)
      break
    case 2:
      // A reference to any node, its own and those above it too.
      if ((to & ~1) + 2 <= bytes.length) bytes.writeUInt16LE((other.at - DATA_START) / 8 + 1, to & ~1)
      break
    case 3:
      bytes.copyWithin(at, other.at, other.at + Math.min(length, other.length))
      break
    default:
      bytes[at + 4] = below(6)
  }
  return true
}

// --- use ---

function useStore(input: Input): string {
  const storage = emptyMedium(home())
  for (const { name, bytes } of input) place(storage, name, bytes)
  // Reading first, as a program that only looks; then all else. Each on its own copy.
  for (const readOnly of [true, false]) {
    const found = useOnce(storage.afterKill(), readOnly)
    if (found !== '') return found
  }
  return ''
}

function place(storage: PowerCutStorage, name: string, bytes: Buffer): void {
  const isFrame = name.startsWith('frame/')
  if (name.startsWith('wal/')) storage.mkdir(join(home(), 'wal'))
  const path = join(home(), isFrame ? 'frames.dat' : name)
  const fd = storage.open(path, constants.O_RDWR | constants.O_CREAT)
  storage.write(fd, bytes, 0, bytes.length, isFrame ? Number(name.slice(6)) * FRAME_SIZE : 0)
  if (isFrame) {
    const end = (Number(name.slice(6)) + 1) * FRAME_SIZE
    if (storage.size(fd) < end) storage.truncate(fd, end)
  }
  storage.close(fd)
}

function useOnce(storage: PowerCutStorage, readOnly: boolean): string {
  let store: Store | undefined
  attempt(() => {
    store = openStore(home(), { ...OPTIONS, storage, readOnly })
  })
  if (store === undefined) return ''
  const { tree } = store as Store
  const steps: (() => void)[] = [
    () => PROBES.forEach(key => void tree.get(key)),
    () => look(tree, {}),
    () => look(tree, { prefix: 'dir', delimiter: '/' }),
    () => look(tree, { startAfter: 'n', keysOnly: true }),
    () => void tree.longestPrefix('dir/1/2/3'),
    () => void tree.check(),
  ]
  if (!readOnly) {
    steps.push(
      () => tree.put('dir/1/2', 'new'),
      () => tree.put('n', Buffer.alloc(9000)),
      () => void tree.delete('dir/3/24'),
      () => void tree.rename('dir/2/30', 'dir/2/3000'),
      () => void tree.renamePrefix('dir/', 'other/'),
      () => void tree.renamePrefix('big/1', 'other/big'),
      () => {
        for (let i = 0; i < 20; i++) tree.put(`dir/${i}`, Buffer.alloc(30_000, i))
      },
      () => void tree.compact(),
      () => void tree.checkpoint(),
      () => look(tree, {}),
    )
  }
  for (const step of steps) attempt(step)
  attempt(() => (store as Store).close())
  return ''
}

/** What a user of the library is told to expect. */
function attempt(step: () => void): void {
  try {
    step()
  } catch (error) {
    if (!(error instanceof HoltError)) throw error
  }
}

function look(tree: Tree, options: Parameters<Tree['range']>[0]): void {
  let entries = 0
  let keys = 0
  for (const entry of tree.range(options)) {
    if (entry.commonPrefix === undefined && keys++ < 40) tree.get(entry.key)
    if (++entries > MOST_ENTRIES) return
  }
}
