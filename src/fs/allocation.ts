/**
 * The life of a data id, so that no crash leaks a host file and none destroys bytes that the durable metadata still
 * refers to:
 *
 *   pending    committed under `r` before the host file is created; a leftover after a crash is deleted
 *   published  the commit that lets an inode refer to it removes the `r` entry
 *   retired    the commit that ends the reference puts an `r` entry; the host file goes once that commit is durable
 */
import type { FsContext } from './context.ts'
import { ALL_RETIRED, NO_KEY, NS_RETIRED, NUMBER_KEY, numberKey, walkedNumber } from './keys.ts'
import type { MetadataCursor } from './metadata.ts'

const PENDING = Uint8Array.of(0x70)
const RETIRED = Uint8Array.of(0x72)
/** Retired files handled between two syncs. */
const BATCH = 64

export class Allocation {
  readonly #context: FsContext
  readonly #key = new Uint8Array(NUMBER_KEY)
  readonly #cursor: MetadataCursor

  constructor(context: FsContext) {
    this.#context = context
    this.#cursor = context.metadata.cursor()
  }

  /** Allocates a data id and creates its host file, outside the section. Throws the host's error. */
  create(): number {
    const context = this.#context
    let id = 0
    context.enter()
    try {
      id = context.counters.nextDataId()
      this.#stage(id, PENDING)
      context.concludeStep()
    } finally {
      context.leave()
    }
    try {
      context.data.create(id)
    } catch (error) {
      this.discard(id)
      throw error
    }
    return id
  }

  /** Stages that an inode refers to `id` from now on. */
  stagePublish(id: number): void {
    this.#context.metadata.stageDelete(this.#key, numberKey(this.#key, NS_RETIRED, id))
  }

  /** Stages that no inode refers to `id` any more. */
  stageRetire(id: number): void {
    this.#stage(id, RETIRED)
  }

  /** Removes a pending file that is not going to be published. */
  discard(id: number): void {
    this.#context.data.remove(id)
    this.#forget([id])
  }

  /**
   * Makes sure that the host file has no bytes past `size`, the inode's: the remains of a truncation or of a write that
   * failed, which must not come back as the file grows. The caller holds the inode's lock.
   */
  cutTail(id: number, size: number): void {
    const { data, metadata } = this.#context
    data.assertKept(id)
    if (data.size(id) <= size) return
    // The bytes may be what a truncation has left for later: it has to be durable before they go.
    metadata.sync()
    data.cut(id, size)
    // And gone they must be before the file grows: a power cut would bring them back into it.
    data.syncBytes(id)
  }

  /** Deletes retired host files, and pending ones whose ids are below `leftoversBelow`; returns how many. */
  collect(leftoversBelow: number): number {
    let collected = 0
    for (;;) {
      const ids = this.#list(leftoversBelow)
      if (ids.length === 0) return collected
      this.#context.metadata.sync()
      for (const id of ids) this.#context.data.remove(id)
      this.#forget(ids)
      collected += ids.length
    }
  }

  /** Listed inside the section: what is listed is then committed, and the sync that follows covers it. */
  #list(leftoversBelow: number): number[] {
    const ids: number[] = []
    const cursor = this.#cursor
    cursor.seek(ALL_RETIRED, ALL_RETIRED.length, NO_KEY, 0, -1, false)
    if (!cursor.next()) return ids
    this.#context.enter()
    try {
      cursor.seek(ALL_RETIRED, ALL_RETIRED.length, NO_KEY, 0, -1, false)
      while (ids.length < BATCH && cursor.next()) {
        const id = walkedNumber(cursor.key, cursor.keyLength)
        if (cursor.value[0] === RETIRED[0] || id < leftoversBelow) ids.push(id)
      }
      this.#context.abandon(0)
    } finally {
      this.#context.leave()
    }
    return ids
  }

  #forget(ids: readonly number[]): void {
    const context = this.#context
    context.enter()
    try {
      for (const id of ids) this.stagePublish(id)
      context.concludeStep()
    } finally {
      context.leave()
    }
  }

  #stage(id: number, state: Uint8Array): void {
    this.#context.metadata.stagePut(this.#key, numberKey(this.#key, NS_RETIRED, id), state, 0, 1)
  }
}
