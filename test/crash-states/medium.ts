/**
 * What is on a medium, event by event: what is durable, and what is pending because no sync has covered it. From any
 * moment on, the states that a power cut may leave, under the weakest promises that POSIX makes:
 *
 * - bytes and size of a file are durable after a sync of that file, and only then;
 * - a name (creation, rename, unlink, mkdir) is durable after a sync of its directory, and only then; a rename is atomic;
 * - of what is pending each sector, size and name may be there or not, each as it was after any change since the sync.
 *
 * What a file gained and its medium did not get reads as zeros, as ext4 (data=ordered) and XFS promise: other files' bytes
 * do not show.
 */
import { createHash } from 'node:crypto'
import { dirname, relative } from 'node:path'
import type { DataEvent, MediumEvent, NameEvent } from './memory-storage.ts'
import { moveDirectories } from './moves.ts'
import { type Directory, type FileImage, type Image, SECTOR, type Sectors } from './sectors.ts'

/** Changes that are pending, oldest first; `at` is the number of the event. */
export type Pending = (DataEvent | NameEvent) & { at: number }
export type PendingData = DataEvent & { at: number }

/** Says what of the pending changes has reached the medium. */
export interface Choice {
  /** Whether all that a change did to a sector and size, or to the names, is there. */
  keeps(change: Pending): boolean
  /** Instead of {@link keeps}, sector by sector: whether the change, the i-th of n of its file, has reached `sector`. */
  keepsSector?(change: PendingData, i: number, n: number, sector: number): boolean
  /** Instead of what {@link keeps} says: bytes of the file. */
  size?(file: number, durable: number, changes: readonly PendingData[]): number
  /** A change that reached the medium half: only the first `bytes` of this sector are new. */
  torn?: { at: number; sector: number; bytes: number }
}

interface MediumFile {
  ids: Uint32Array
  size: number
  pending: PendingData[]
  /** Hash of what is durable, once it was asked for. */
  hash: string | undefined
}

export class Medium {
  readonly #directory: string
  readonly #sectors: Sectors
  readonly #files = new Map<number, MediumFile>()
  #names = new Map<string, number | Directory>()
  #changes: (NameEvent & { at: number })[] = []
  /** Files with pending changes. */
  readonly #dirty = new Set<number>()

  /** `directory` is that of the store. */
  constructor(directory: string, image: Image, sectors: Sectors) {
    this.#directory = directory
    this.#sectors = sectors
    for (const [number, { ids, size }] of image.files)
      this.#files.set(number, { ids, size, pending: [], hash: undefined })
    this.#names = new Map(image.names)
  }

  take(event: MediumEvent, at: number): void {
    if (event.kind === 'data') {
      this.#file(event.file).pending.push({ ...event, at })
      this.#dirty.add(event.file)
    } else if (event.kind === 'names') this.#changes.push({ ...event, at })
    else if (event.kind === 'sync') this.#sync(event.file)
    else if (event.kind === 'directory-sync') this.#syncDirectory(event.path)
  }

  /** All pending changes in the order in which they were made. */
  pending(): Pending[] {
    const all: Pending[] = [...this.#changes]
    for (const file of this.#dirty) all.push(...this.#file(file).pending)
    return all.sort((a, b) => a.at - b.at)
  }

  /** The medium as `choice` has it, and a hash of its bytes and names: the same wherever the store is, and whatever was asked for before. */
  image(choice: Choice): { image: Image; hash: string } {
    const names = new Map(this.#names)
    for (const change of this.#changes) if (choice.keeps(change)) applyNames(change, names)
    const files = new Map<number, FileImage>()
    const kept = new Map<string, number | Directory>()
    const total = createHash('sha1')
    for (const path of [...names.keys()].sort()) {
      const node = names.get(path)!
      if (!hasParents(path, names)) continue
      kept.set(path, node)
      total.update(relative(this.#directory, path))
      if (node === 'directory') continue
      const file = this.#file(node)
      if (file.pending.length === 0) {
        files.set(node, file)
        file.hash ??= hashOf(file, this.#sectors)
        total.update(file.hash)
      } else {
        const image = files.get(node) ?? this.#chosen(node, file, choice)
        files.set(node, image)
        total.update(hashOf(image, this.#sectors))
      }
    }
    return { image: { sectors: this.#sectors, files, names: kept }, hash: total.digest('hex') }
  }

  #chosen(number: number, file: MediumFile, choice: Choice): FileImage {
    const { pending } = file
    let { size } = file
    let end = file.ids.length
    for (const { first, ids } of pending) end = Math.max(end, first + ids.length)
    const ids = new Uint32Array(end)
    ids.set(file.ids)
    pending.forEach((change, i) => {
      const before = choice.torn?.at === change.at ? ids[choice.torn.sector] : 0
      const isKept = choice.keeps(change)
      if (isKept) size = change.size
      if (choice.keepsSector === undefined) {
        if (isKept) ids.set(change.ids, change.first)
      } else {
        for (let j = 0; j < change.ids.length; j++) {
          if (choice.keepsSector(change, i, pending.length, change.first + j)) ids[change.first + j] = change.ids[j]
        }
      }
      if (choice.torn?.at === change.at) ids[choice.torn.sector] = this.#torn(before, change, choice.torn)
    })
    return this.#cut(ids, choice.size?.(number, file.size, pending) ?? size)
  }

  #torn(before: number, change: DataEvent, { sector, bytes }: NonNullable<Choice['torn']>): number {
    const mixed = this.#sectors.bytes(before).slice()
    mixed.set(this.#sectors.bytes(change.ids[sector - change.first]).subarray(0, bytes))
    return this.#sectors.number(mixed, 0, SECTOR)
  }

  #cut(ids: Uint32Array, size: number): FileImage {
    const cut = ids.subarray(0, Math.ceil(size / SECTOR))
    if (size % SECTOR !== 0 && cut.length === Math.ceil(size / SECTOR)) {
      cut[cut.length - 1] = this.#sectors.cut(cut[cut.length - 1], size % SECTOR)
    }
    return { ids: cut, size }
  }

  #sync(number: number): void {
    const file = this.#file(number)
    if (file.pending.length === 0) return
    const { ids, size } = this.#chosen(number, file, { keeps: () => true })
    this.#files.set(number, { ids, size, pending: [], hash: undefined })
    this.#dirty.delete(number)
  }

  #syncDirectory(path: string): void {
    this.#changes = this.#changes.filter(change => {
      const concerned = namesOf(change).some(name => dirname(name) === path)
      if (concerned) applyNames(change, this.#names)
      return !concerned
    })
  }

  #file(number: number): MediumFile {
    let file = this.#files.get(number)
    if (file === undefined) {
      file = { ids: new Uint32Array(0), size: 0, pending: [], hash: undefined }
      this.#files.set(number, file)
    }
    return file
  }
}

function namesOf({ changes, moves }: NameEvent): string[] {
  return [...changes.map(([path]) => path), ...moves.flat()]
}

function applyNames(event: NameEvent, names: Map<string, number | Directory>): void {
  moveDirectories(names, event.moves)
  for (const [path, node] of event.changes) {
    if (node === undefined) names.delete(path)
    else names.set(path, node)
  }
}

function hasParents(path: string, names: Map<string, number | Directory>): boolean {
  for (let at = path; at !== '/'; ) {
    at = dirname(at)
    if (names.get(at) !== 'directory') return false
  }
  return true
}

function hashOf({ ids, size }: FileImage, sectors: Sectors): string {
  const hashes = new Uint32Array(2 * ids.length)
  for (let i = 0; i < ids.length; i++) sectors.hash(ids[i], hashes, 2 * i)
  return createHash('sha1').update(`${size}:`).update(new Uint8Array(hashes.buffer)).digest('hex')
}
