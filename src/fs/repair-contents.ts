/**
 * The part of the repair that is about what inodes are and hold: their own records, inline data, data files. It comes before
 * names (repair-directories.ts, repair-names.ts) and extended attributes (repair-xattrs.ts).
 */
import { MAX_INLINE, MAX_PATH } from '../limits.ts'
import type { DataFiles } from './data-files.ts'
import { DATA_FILE, DATA_INLINE, S_IFLNK, S_IFREG } from './inode.ts'
import { ALL_INLINE, ALL_INODES, ALL_ORPHANS, ALL_RETIRED, keyNumber, NS_INODE, NUMBER_KEY, numberKey } from './keys.ts'
import { hostBlocks, inlineBlocks } from './publication.ts'
import type { RepairState } from './repair-state.ts'

export class RepairContents {
  readonly #state: RepairState
  readonly #data: DataFiles
  readonly #key = new Uint8Array(NUMBER_KEY)
  /** Bytes under numbers that no inode has: what is left of files whose inode is lost. */
  readonly #remains = new Map<number, number>()
  /** Symbolic links whose target is lost: they are no more. */
  readonly lostLinks = new Set<number>()
  /** Data files that no inode refers to. */
  readonly unowned: number[] = []

  constructor(state: RepairState, data: DataFiles) {
    this.#state = state
    this.#data = data
  }

  /** Reads all inodes; records that are none go. */
  readInodes(): void {
    const state = this.#state
    state.walk(ALL_INODES, 'inodes', ({ key, keyLength, value, valueLength }) => {
      const ino = keyNumber(key)
      state.record.bytes.set(value.subarray(0, Math.min(valueLength, state.record.bytes.length)))
      if (keyLength === NUMBER_KEY && state.accept(ino, valueLength)) {
        state.know()
        return
      }
      state.delete(key.subarray(0, keyLength))
      state.tell({ code: 'LOST_INODE', ino, message: 'its record is none' })
    })
    state.walk(ALL_ORPHANS, 'inodes', ({ key, keyLength }) => {
      const known = keyLength === NUMBER_KEY ? state.inodes.get(keyNumber(key)) : undefined
      if (known === undefined) state.delete(key.subarray(0, keyLength))
      else known.isOrphan = true
    })
  }

  /** Brings inodes and the bytes in the tree together. */
  mendInline(): void {
    const state = this.#state
    const found = new Set<number>()
    const wrongSize = new Map<number, number>()
    state.walk(ALL_INLINE, 'small files', ({ key, keyLength, valueLength }) => {
      const ino = keyNumber(key)
      const known = state.inodes.get(ino)
      state.noteIno(ino)
      // Longer than it can be: it is nobody's.
      const isBytes = keyLength === NUMBER_KEY && valueLength <= (known?.type === S_IFLNK ? MAX_PATH : MAX_INLINE)
      if (!isBytes) state.delete(key.subarray(0, keyLength))
      else if (known === undefined) this.#remains.set(ino, valueLength)
      else if (known.kind !== DATA_INLINE) state.delete(key.subarray(0, keyLength))
      else {
        found.add(ino)
        if (known.size !== valueLength) wrongSize.set(ino, valueLength)
      }
    })
    for (const [ino, size] of wrongSize) {
      state.change(ino, record => {
        record.size = size
        record.blocks = inlineBlocks(size)
      })
      state.mend('sizes of files set to the bytes that are there')
    }
    for (const [ino, known] of state.inodes) {
      if (known.kind !== DATA_INLINE || found.has(ino)) continue
      if (known.type === S_IFLNK) {
        state.inodes.delete(ino)
        state.delete(this.#key.subarray(0, numberKey(this.#key, NS_INODE, ino)))
        this.lostLinks.add(ino)
      } else state.empty(ino, `its ${known.size} bytes are lost`)
    }
    state.flush()
  }

  /** Brings inodes and the host's files together. */
  mendData(): void {
    const state = this.#state
    const owners = new Map<number, number>()
    const doubles: number[] = []
    for (const [ino, { kind, dataId }] of state.inodes) {
      if (kind !== DATA_FILE) continue
      if (owners.has(dataId)) doubles.push(ino)
      else owners.set(dataId, ino)
    }
    for (const ino of doubles) state.empty(ino, 'its data file belongs to another one')
    const retired = new Set<number>()
    state.walk(ALL_RETIRED, 'data files', ({ key, keyLength }) => {
      const id = keyNumber(key)
      if (keyLength === NUMBER_KEY && !owners.has(id)) retired.add(id)
      else state.delete(key.subarray(0, keyLength))
    })
    const missing = new Map(owners)
    for (const id of this.#data.ids()) {
      if (Number.isNaN(id)) continue
      missing.delete(id)
      if (id >= state.nextDataId) state.nextDataId = id + 1
      if (!owners.has(id) && !retired.has(id)) this.unowned.push(id)
    }
    for (const [, ino] of missing) state.empty(ino, `its data file is lost, with ${state.inodes.get(ino)?.size} bytes`)
    state.flush()
  }

  /** Makes an inode of the bytes in the tree that were those of `ino`, if there are any; false when there are none. */
  restore(ino: number, type: number): boolean {
    const size = this.#remains.get(ino)
    if (size === undefined || (type !== S_IFREG && (type !== S_IFLNK || size > MAX_PATH))) return false
    this.#remains.delete(ino)
    const state = this.#state
    state.make(ino, type)
    state.record.dataKind = DATA_INLINE
    state.record.size = size
    state.record.blocks = inlineBlocks(size)
    state.know()
    state.store()
    return true
  }

  /** Makes files of what is left without inode and name; `add` gives them one. */
  restoreNameless(add: (ino: number, name: string, what: string) => void): void {
    const state = this.#state
    for (const ino of [...this.#remains.keys()]) {
      if (this.restore(ino, S_IFREG)) add(ino, `#${ino}`, 'bytes whose inode is lost')
    }
    for (const id of this.unowned) {
      const ino = state.nextIno++
      state.make(ino, S_IFREG)
      const size = this.#data.size(id)
      state.record.dataKind = DATA_FILE
      state.record.dataId = id
      state.record.size = size
      state.record.blocks = hostBlocks(size)
      state.know()
      state.store()
      add(ino, `#data-${id.toString(16).padStart(8, '0')}`, 'a data file whose inode is lost')
    }
  }
}
