/**
 * A volume that was damaged: whoever comes to it repairs it, unless that was done. Wherever the power went, the store by its
 * name is the damaged one, byte for byte, or the repaired one; and the damaged one is kept when it was to be.
 */
import { dirname, join, relative } from 'node:path'
import type { StoreOptions } from '../../src/engine/store.ts'
import type { RepairHost } from '../../src/fs/repair-host.ts'
import { repairStore } from '../../src/fs/repair-store.ts'
import { MemoryStorage } from './memory-storage.ts'
import type { Image } from './sectors.ts'
import { VolumeLife } from './volume-life.ts'

const REPAIR_POOL = 4 << 20

export class RepairedLife extends VolumeLife {
  readonly #storage: MemoryStorage
  readonly #directory: string
  readonly #damaged: string
  readonly #discard: boolean

  /** `damaged`: the medium with the damaged store. */
  constructor(directory: string, storage: MemoryStorage, options: StoreOptions, damaged: Image, discard: boolean) {
    const original = bytesBelow(new MemoryStorage(damaged), directory)
    if (bytesBelow(storage, directory) === original) {
      const host = hostOf(storage)
      repairStore(directory, { dryRun: false, discard, poolBytes: REPAIR_POOL, progress() {}, host })
    }
    super(directory, storage, options)
    this.#storage = storage
    this.#directory = directory
    this.#damaged = original
    this.#discard = discard
  }

  override problems(): string | undefined {
    if (!this.#discard && !this.#isDamagedKept()) return 'the damaged store is not kept'
    return super.problems()
  }

  #isDamagedKept(): boolean {
    const storage = this.#storage
    const above = dirname(this.#directory)
    const names = storage.list(above).filter(name => name.includes('.damaged-'))
    return names.some(name => bytesBelow(storage, join(above, name)) === this.#damaged)
  }
}

function hostOf(storage: MemoryStorage): RepairHost {
  return {
    storage,
    isDirectory: path => storage.isDirectory(path),
    isFile: path => storage.isFile(path),
    removeDirectory: path => storage.removeDirectory(path),
    exchange: (a, b) => storage.exchange(a, b),
    link: (from, to) => storage.link(from, to),
    clone() {
      throw new Error('this host shares no blocks')
    },
  }
}

/** Every file below a directory with its bytes, but not the mark that a repair may have left. */
function bytesBelow(storage: MemoryStorage, directory: string): string {
  const parts: string[] = []
  const visit = (at: string) => {
    for (const name of storage.list(at).sort()) {
      const path = join(at, name)
      if (storage.isDirectory(path)) visit(path)
      else if (name !== 'unfinished-repair') parts.push(`${relative(directory, path)} ${storage.sum(path)}`)
    }
  }
  visit(directory)
  return parts.join('\n')
}
