/**
 * Host files whose calls on frames.dat run a hook once, before a datasync or before the n-th write: what another thread
 * would do at that moment only by chance.
 */
import type { StoreOptions } from '../../src/index.ts'
import { hostStorage, type Storage } from '../../src/journal/storage.ts'

export class HookedStorage {
  hook: (() => void) | undefined
  /** 0: before the datasync. */
  atWrite = 0
  #frames = -1
  #writes = 0

  readonly storage: Storage = {
    ...hostStorage,
    open: (path, flags) => {
      const fd = hostStorage.open(path, flags)
      if (path.endsWith('frames.dat')) this.#frames = fd
      return fd
    },
    datasync: fd => {
      if (fd === this.#frames) this.#run(this.atWrite === 0)
      hostStorage.datasync(fd)
    },
    write: (fd, source, at, length, position) => {
      if (fd === this.#frames && this.hook !== undefined) this.#run(this.atWrite === ++this.#writes)
      hostStorage.write(fd, source, at, length, position)
    },
  }

  #run(now: boolean): void {
    const { hook } = this
    if (!now || hook === undefined) return
    this.hook = undefined
    hook()
  }

  during(atWrite: number, hook: () => void): void {
    this.atWrite = atWrite
    this.#writes = 0
    this.hook = hook
  }
}

export function hooked(options: StoreOptions): { hooks: HookedStorage; options: StoreOptions } {
  const hooks = new HookedStorage()
  return { hooks, options: { ...options, storage: hooks.storage } }
}
