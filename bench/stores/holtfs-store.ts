/** holtfs as it is published: the compiled library, with its defaults (durability `process`, a background thread). */
import type { Tree } from '../../src/index.ts'
import { type BenchRecord, type BenchStore, CACHE_BYTES, type RecordPair } from './store.ts'

const library = new URL('../../dist/index.js', import.meta.url).href
const { openTree }: typeof import('../../src/index.ts') = await import(library)

export function openHoltfs(directory: string): BenchStore {
  return new HoltfsStore(openTree(directory, { poolBytes: CACHE_BYTES }))
}

class HoltfsStore implements BenchStore {
  readonly #tree: Tree
  readonly #value = Buffer.alloc(4096)

  constructor(tree: Tree) {
    this.#tree = tree
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.#tree.get(key)
  }

  peek(key: Buffer): number {
    const length = this.#tree.getInto(key, this.#value)
    return length < 0 ? -1 : length + this.#value[0]
  }

  put(key: Buffer, value: Buffer): undefined {
    this.#tree.put(key, value)
  }

  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): undefined {
    this.#tree.atomic(batch => {
      for (let i = from; i < to; i++) batch.put(keys[i], valueAt(i))
    })
  }

  delete(key: Buffer): undefined {
    this.#tree.delete(key)
  }

  list(prefix: Buffer, limit: number): BenchRecord[] {
    const found: BenchRecord[] = []
    for (const entry of this.#tree.range({ prefix, limit })) {
      if (entry.key !== undefined) found.push(entry)
    }
    return found
  }

  listKeys(prefix: Buffer, limit: number): Uint8Array[] {
    const found: Uint8Array[] = []
    for (const entry of this.#tree.range({ prefix, limit, keysOnly: true })) {
      if (entry.key !== undefined) found.push(entry.key)
    }
    return found
  }

  scan(prefix: Buffer, limit: number): number {
    let sum = 0
    this.#tree.scan({ prefix, limit }, ({ bytes, keyAt, keyLength, valueAt }) => {
      sum += bytes[keyAt + keyLength - 1] + bytes[valueAt]
    })
    return sum
  }

  scanKeys(prefix: Buffer, limit: number): number {
    let sum = 0
    this.#tree.scan({ prefix, limit, keysOnly: true }, ({ bytes, keyAt, keyLength }) => {
      sum += bytes[keyAt + keyLength - 1]
    })
    return sum
  }

  listDirectories(prefix: Buffer, after: Buffer, limit: number): Uint8Array[] {
    const found: Uint8Array[] = []
    for (const entry of this.#tree.range({ prefix, startAfter: after, delimiter: '/', limit, keysOnly: true })) {
      if (entry.commonPrefix !== undefined) found.push(entry.commonPrefix)
    }
    return found
  }

  rename(from: Buffer, to: Buffer): undefined {
    if (!this.#tree.rename(from, to)) throw new Error('rename: no such record')
  }

  renamePrefix(from: Buffer, to: Buffer): undefined {
    if (!this.#tree.renamePrefix(from, to)) throw new Error('renamePrefix: nothing there')
  }

  load(records: Iterable<RecordPair>): undefined {
    this.#tree.load(records)
  }

  compact(): undefined {
    this.#tree.compact()
    this.#tree.checkpoint()
  }

  async close(): Promise<void> {
    this.#tree.close()
  }
}
