/** holtfs as it is published: the compiled library, with its defaults (durability `process`, a background thread). */
import type { Tree } from '../../src/index.ts'
import type { BenchRecord, BenchStore } from './store.ts'

const library = new URL('../../dist/index.js', import.meta.url).href
const { openTree }: typeof import('../../src/index.ts') = await import(library)

export function openHoltfs(directory: string): BenchStore {
  return new HoltfsStore(openTree(directory))
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
    const length = this.#tree.getInto(key, key.length, this.#value, 0)
    return length < 0 ? -1 : length + this.#value[0]
  }

  put(key: Buffer, value: Buffer): void {
    this.#tree.put(key, value)
  }

  putAll(keys: Buffer[], from: number, to: number, valueAt: (index: number) => Buffer): void {
    this.#tree.atomic(batch => {
      for (let i = from; i < to; i++) batch.put(keys[i], valueAt(i))
    })
  }

  delete(key: Buffer): boolean {
    return this.#tree.delete(key)
  }

  list(prefix: Buffer, limit: number): BenchRecord[] {
    const found: BenchRecord[] = []
    for (const entry of this.#tree.range({ prefix, limit })) {
      if (entry.key !== undefined) found.push(entry)
    }
    return found
  }

  listDirectories(prefix: Buffer, after: Buffer, limit: number): Uint8Array[] {
    const found: Uint8Array[] = []
    for (const entry of this.#tree.range({ prefix, startAfter: after, delimiter: '/', limit, keysOnly: true })) {
      if (entry.commonPrefix !== undefined) found.push(entry.commonPrefix)
    }
    return found
  }

  rename(from: Buffer, to: Buffer): void {
    if (!this.#tree.rename(from, to)) throw new Error('rename: no such record')
  }

  renamePrefix(from: Buffer, to: Buffer): void {
    if (!this.#tree.renamePrefix(from, to)) throw new Error('renamePrefix: nothing there')
  }

  async close(): Promise<void> {
    this.#tree.close()
  }
}
