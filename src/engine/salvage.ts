/**
 * Saves what can be saved of a damaged store: a new store gets every record that can still be read, at the key and with the
 * version that it has, and then the changes of the log. The damaged store is only read.
 *
 * What is believed: frames and pages whose checksums are right (salvage-frames.ts), reached from the root as the manifest
 * maps it. Where a part of the tree is cut off because a frame above it is lost, the key that each frame notes in its header
 * says where it belongs (frame-key.ts). Without a manifest the images themselves tell which of them are the newest.
 */
import { join } from 'node:path'
import { ADVICE, HoltError } from '../errors.ts'
import type { Storage } from '../journal/storage.ts'
import { WAL } from './attach.ts'
import { frameKey } from './frame-key.ts'
import { FrameWalk } from './frame-walk.ts'
import { FreshTree } from './fresh-tree.ts'
import { LEAF_KEY_START, LEAF_SUFFIX, ROOT_BLOB } from './layout.ts'
import { type ManifestState, readManifest } from './manifest.ts'
import { SalvageFrames } from './salvage-frames.ts'
import { salvageLog } from './salvage-log.ts'
import { leafValueLength, leafVersion } from './walker/node.ts'

/** Something that is lost, or was in doubt. */
export interface Loss {
  what: 'manifest' | 'frame' | 'page' | 'log'
  /** What the keys of all records begin with that are hit; absent when that is not known. */
  key?: Uint8Array
  message: string
}

export interface SalvageSummary {
  /** Frames that were read, at least in part. */
  frames: number
  records: number
  /** Changes of the log that were applied. */
  changes: number
  /** Seq above which the new store goes on. */
  seq: number
  losses: Loss[]
}

export interface SalvageOptions {
  /** Bytes of memory for frames of the new store. */
  poolBytes: number
  /** Told now and then what is being done, and how far that is; `total` 0: not known. */
  progress(what: string, done: number, total: number): void
}

/** Losses that are told one by one. */
const MOST_LOSSES = 10_000

/**
 * Fills the empty directory `to` with what can be saved of the store in `from`.
 * @throws HoltError HOLT_FORMAT for a store of a newer version; HOLT_FULL, HOLT_IO when the new store cannot be written
 */
export function salvageStore(storage: Storage, from: string, to: string, options: SalvageOptions): SalvageSummary {
  const frames = new SalvageFrames(storage, from)
  try {
    return new Salvage(storage, from, to, frames, options).run()
  } finally {
    frames.close()
  }
}

class Salvage {
  readonly #storage: Storage
  readonly #from: string
  readonly #frames: SalvageFrames
  readonly #options: SalvageOptions
  readonly #tree: FreshTree
  readonly #walk: FrameWalk
  readonly #losses: Loss[] = []
  readonly #visited = new Set<number>()
  /** Blobs to be read, with what their keys begin with. */
  readonly #queue: { blob: number; key: Uint8Array }[] = []
  #slots = new Map<number, number>()
  /** Checksums of headers by slot + 1, as the manifest has them. */
  #sums: ReadonlyMap<number, number> = new Map()
  #readable = 0

  constructor(storage: Storage, from: string, to: string, frames: SalvageFrames, options: SalvageOptions) {
    this.#storage = storage
    this.#from = from
    this.#frames = frames
    this.#options = options
    this.#walk = new FrameWalk(frames.pool)
    this.#tree = new FreshTree(storage, to, options.poolBytes)
  }

  run(): SalvageSummary {
    const manifest = this.#readManifest()
    if (manifest === undefined) {
      this.#slots = this.#frames.newest((done, total) => this.#options.progress('looking for frames', done, total))
    } else {
      for (const [blob, slot] of manifest.slots) this.#slots.set(blob, slot - 1)
      this.#sums = manifest.sums
    }
    const before = this.#losses.length
    if (this.#slots.size > 0) this.#follow(ROOT_BLOB, new Uint8Array(0))
    // An image that no mapping names and no crossing leads to is old, unless the crossing is lost.
    if (manifest !== undefined || this.#losses.length > before) this.#placeDetached()
    const log = salvageLog(
      this.#storage,
      join(this.#from, WAL),
      manifest?.seq,
      manifest === undefined || manifest.hasNoLog,
      this.#tree,
    )
    for (const message of log.damage) this.#lose({ what: 'log', message })
    const seq = Math.max(manifest?.seq ?? 0, log.lastSeq, this.#tree.highest)
    this.#tree.finish(seq)
    const { records } = this.#tree
    return { frames: this.#readable, records, changes: log.records, seq, losses: this.#losses }
  }

  /** Undefined when the manifest is damaged or missing. */
  #readManifest(): ManifestState | undefined {
    try {
      return readManifest(this.#storage, this.#from)
    } catch (error) {
      if (!(error instanceof HoltError) || error.code === 'HOLT_FORMAT') throw error
      this.#lose({ what: 'manifest', message: error.message.replace(`: ${ADVICE}`, '') })
      return undefined
    }
  }

  /** Takes the records of a blob and of all below it. */
  #follow(blob: number, key: Uint8Array): void {
    this.#queue.push({ blob, key })
    for (let next = this.#queue.pop(); next !== undefined; next = this.#queue.pop()) {
      if (this.#visited.has(next.blob)) continue
      this.#visited.add(next.blob)
      const problem = this.#read(next.blob)
      if (problem === '') this.#take(next.key)
      else this.#lose({ what: 'frame', key: next.key, message: `blob ${next.blob}: ${problem}` })
    }
  }

  /** Reads the image of a blob; '' or what is wrong with all of it. */
  #read(blob: number): string {
    const slot = this.#slots.get(blob)
    if (slot === undefined) return 'no frame holds it'
    this.#options.progress('reading frames', this.#visited.size, this.#slots.size)
    const problem = this.#frames.read(slot, blob, this.#sums.get(slot + 1))
    return problem === '' ? '' : `slot ${slot} of frames.dat: ${problem}`
  }

  /** Takes the records of the image at hand, whose keys begin with `key`. */
  #take(key: Uint8Array): void {
    const frames = this.#frames
    const { pool } = frames
    const { u16, u32 } = pool
    this.#readable++
    const visitor = {
      record: (path: Uint8Array, length: number, leaf: number) => {
        const value = leaf + u16[(leaf + LEAF_KEY_START) >> 1] + u16[(leaf + LEAF_SUFFIX) >> 1]
        this.#tree.put(path, 0, length, pool.u8, value, leafValueLength(pool, leaf), leafVersion(u32, leaf))
      },
      crossing: (path: Uint8Array, length: number, blob: number) => {
        this.#queue.push({ blob, key: path.slice(0, length) })
      },
      unreadable: (path: Uint8Array, length: number) => {
        this.#lose({ what: 'page', key: path.slice(0, length), message: 'a damaged page' })
      },
    }
    this.#walk.run(0, key, visitor, frames.isReadable)
  }

  /** Blobs to which no way leads any more: what they note of themselves says where they belong. */
  #placeDetached(): void {
    for (const blob of this.#slots.keys()) {
      if (this.#visited.has(blob)) continue
      const problem = this.#read(blob)
      const key = problem === '' ? frameKey(this.#frames.pool, 0) : undefined
      if (key !== undefined) this.#follow(blob, key)
      else {
        this.#visited.add(blob)
        const what = problem === '' ? 'its place in the tree is lost' : problem
        this.#lose({ what: 'frame', message: `blob ${blob}: ${what}` })
      }
    }
  }

  #lose(loss: Loss): void {
    if (this.#losses.length < MOST_LOSSES) this.#losses.push(loss)
  }
}
