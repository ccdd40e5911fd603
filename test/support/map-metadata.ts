/**
 * Metadata in a sorted array of strings: the simplest thing that keeps the contract, to test the filesystem without the
 * tree. It checks what its callers must keep to: sections are not nested and always left, nothing is staged outside.
 */
import assert from 'node:assert'
import { HoltError } from '../../src/errors.ts'
import type { Metadata, MetadataCursor } from '../../src/fs/metadata.ts'
import { MAX_KEY, MAX_VALUE } from '../../src/limits.ts'

type Change = () => void

export class MapMetadata implements Metadata {
  readonly values = new Map<string, Uint8Array>()
  /** Sorted; strings of one character a byte compare as the bytes do. */
  keys: string[] = []
  commits = 0
  syncs = 0
  inside = false
  /** When set, called by commit before anything is applied; throw to fail it. */
  failCommit: (() => void) | undefined
  /** When set, called before each read outside the exclusive section: what other threads do may happen here. */
  onRead: (() => void) | undefined
  #staged: Change[] = []
  #durable = 0

  getInto(key: Uint8Array, keyLength: number, target: Uint8Array, at: number): number {
    if (!this.inside) this.onRead?.()
    const value = this.values.get(text(key, keyLength))
    if (value === undefined) return -1
    target.set(value.subarray(0, Math.max(0, Math.min(value.length, target.length - at))), Math.min(at, target.length))
    return value.length
  }

  cursor(): MetadataCursor {
    return new MapCursor(this)
  }

  begin(): void {
    assert(!this.inside, 'begin is nested')
    assert.equal(this.#staged.length, 0)
    this.inside = true
  }

  stagePut(key: Uint8Array, keyLength: number, value: Uint8Array, valueAt: number, valueLength: number): void {
    assert(keyLength > 0 && keyLength <= MAX_KEY && valueLength <= MAX_VALUE)
    assert(valueAt + valueLength <= value.length)
    const name = text(key, keyLength)
    const copy = value.slice(valueAt, valueAt + valueLength)
    this.#stage(() => this.#put(name, copy))
  }

  stageDelete(key: Uint8Array, keyLength: number): void {
    const name = text(key, keyLength)
    this.#stage(() => this.#delete(name))
  }

  stageRename(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void {
    const source = text(from, fromLength)
    const target = text(to, toLength)
    this.#stage(() => {
      const value = this.values.get(source)
      assert(value !== undefined)
      this.#delete(source)
      this.#put(target, value)
    })
  }

  stageRenamePrefix(from: Uint8Array, fromLength: number, to: Uint8Array, toLength: number): void {
    const source = text(from, fromLength)
    const target = text(to, toLength)
    this.#stage(() => {
      const moved = this.keys.slice(this.lowerBound(source)).filter(key => key.startsWith(source))
      if (moved.length === 0) return
      assert(!this.keys[this.lowerBound(target)]?.startsWith(target), 'something exists under the target prefix')
      for (const key of moved) {
        const value = this.values.get(key)!
        this.#delete(key)
        const renamed = target + key.slice(source.length)
        assert(renamed.length <= MAX_KEY)
        this.#put(renamed, value)
      }
    })
  }

  commit(): number {
    assert(this.inside)
    const staged = this.#staged
    this.#staged = []
    try {
      this.failCommit?.()
    } catch (error) {
      this.inside = false
      throw error
    }
    assert(staged.length > 0, 'an empty commit')
    for (const change of staged) change()
    this.inside = false
    return ++this.commits
  }

  abort(): void {
    assert(this.inside)
    this.inside = false
    this.#staged = []
  }

  sync(): void {
    assert(!this.inside, 'sync inside the exclusive section')
    this.syncs++
    this.#durable = this.commits
  }

  durableSeq(): number {
    return this.#durable
  }

  /** Index of the first key not below `key`. */
  lowerBound(key: string): number {
    let low = 0
    let high = this.keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.keys[middle] < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #stage(change: Change): void {
    if (!this.inside) throw new HoltError('HOLT_INVALID', 'staged outside the exclusive section')
    this.#staged.push(change)
  }

  #put(key: string, value: Uint8Array): void {
    if (!this.values.has(key)) this.keys.splice(this.lowerBound(key), 0, key)
    this.values.set(key, value)
  }

  #delete(key: string): void {
    if (this.values.delete(key)) this.keys.splice(this.lowerBound(key), 1)
  }
}

class MapCursor implements MetadataCursor {
  readonly key = new Uint8Array(MAX_KEY)
  keyLength = 0
  readonly value = new Uint8Array(MAX_VALUE)
  valueLength = 0
  isPrefix = false
  readonly #map: MapMetadata
  #prefix = ''
  #delimiter = ''
  #rollup = false
  /** Continue with keys not below this. */
  #from = ''

  constructor(map: MapMetadata) {
    this.#map = map
  }

  seek(
    prefix: Uint8Array,
    prefixLength: number,
    after: Uint8Array,
    afterLength: number,
    delimiter: number,
    rollup: boolean,
  ): void {
    this.#prefix = text(prefix, prefixLength)
    const beyond = afterLength === 0 ? '' : `${text(after, afterLength)}\0`
    this.#from = this.#prefix
    if (beyond > this.#from) this.#from = beyond
    this.#delimiter = delimiter < 0 ? '' : String.fromCharCode(delimiter)
    this.#rollup = rollup
  }

  next(): boolean {
    if (!this.#map.inside) this.#map.onRead?.()
    for (;;) {
      const key = this.#map.keys[this.#map.lowerBound(this.#from)]
      if (key === undefined || !key.startsWith(this.#prefix)) return false
      const cut = this.#delimiter === '' ? -1 : key.indexOf(this.#delimiter, this.#prefix.length)
      if (cut < 0) return this.#emit(key, this.#map.values.get(key)!)
      const common = key.slice(0, cut + 1)
      this.#from = common.slice(0, -1) + String.fromCharCode(this.#delimiter.charCodeAt(0) + 1)
      if (this.#rollup) return this.#emit(common, undefined)
    }
  }

  #emit(key: string, value: Uint8Array | undefined): boolean {
    if (value !== undefined) this.#from = `${key}\0`
    this.isPrefix = value === undefined
    this.keyLength = key.length
    this.key.set(Buffer.from(key, 'latin1'))
    this.valueLength = value?.length ?? 0
    if (value !== undefined) this.value.set(value)
    return true
  }
}

function text(bytes: Uint8Array, length: number): string {
  assert(length <= bytes.length)
  return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1')
}
