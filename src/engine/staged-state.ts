/**
 * What a batch makes of the tree, for its own guards: which keys the changes staged so far write and which they remove.
 * Reads the staged bytes only when a guard asks, each once.
 */
import { HoltError } from '../errors.ts'
import { type Batch, CHANGE_DELETE, CHANGE_PUT, CHANGE_RENAME_PREFIX, Change } from './batch.ts'

/** What the batch has done to a key. */
export const UNTOUCHED = 0
export const WRITTEN = 1
export const REMOVED = 2

export class StagedState {
  readonly #batch: Batch
  /** By name, as latin1. */
  readonly #keys = new Map<string, number>()
  /** Both names of each subtree that was renamed. */
  readonly #moved: Buffer[] = []
  readonly #change = new Change()
  #read = 0

  constructor(batch: Batch) {
    this.#batch = batch
  }

  /** WRITTEN or REMOVED by this batch, or UNTOUCHED. Throws HOLT_INVALID when a renamePrefix of the batch covers the key. */
  of(key: Uint8Array): number {
    this.#update()
    if (this.#moved.length > 0) {
      const name = asBuffer(key)
      if (this.#moved.some(prefix => startsWith(name, prefix))) throw covered()
    }
    return this.#keys.size === 0 ? UNTOUCHED : (this.#keys.get(asBuffer(key).toString('latin1')) ?? UNTOUCHED)
  }

  /** Whether the batch has written, and not removed, a key that starts with the prefix. Throws as {@link of}. */
  hasWrittenBelow(prefix: Uint8Array): boolean {
    this.#update()
    const name = asBuffer(prefix)
    if (this.#moved.some(moved => startsWith(name, moved) || startsWith(moved, name))) throw covered()
    const text = name.toString('latin1')
    for (const [key, state] of this.#keys) if (state === WRITTEN && key.startsWith(text)) return true
    return false
  }

  /** Bytes of the longest key below a prefix that the batch has written. */
  longestBelow(prefix: Uint8Array): number {
    this.#update()
    const text = asBuffer(prefix).toString('latin1')
    let longest = 0
    for (const [key, state] of this.#keys) {
      if (state === WRITTEN && key.startsWith(text)) longest = Math.max(longest, key.length)
    }
    return longest
  }

  #update(): void {
    const { bytes, length } = this.#batch
    const change = this.#change
    for (; this.#read < length; this.#read = change.end) {
      change.read(bytes, this.#read, length)
      const { kind, key, keyLength, second, secondLength } = change
      const name = Buffer.from(bytes.buffer, bytes.byteOffset + key, keyLength)
      if (kind === CHANGE_PUT) this.#keys.set(name.toString('latin1'), WRITTEN)
      else if (kind === CHANGE_DELETE) this.#keys.set(name.toString('latin1'), REMOVED)
      else {
        const to = Buffer.from(bytes.buffer, bytes.byteOffset + second, secondLength)
        if (kind === CHANGE_RENAME_PREFIX) this.#moved.push(Buffer.from(name), Buffer.from(to))
        else if (!name.equals(to)) {
          this.#keys.set(name.toString('latin1'), REMOVED)
          this.#keys.set(to.toString('latin1'), WRITTEN)
        }
      }
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
}

function covered(): HoltError {
  const what = 'a guard asks for keys that a renamePrefix of the same batch moves'
  return new HoltError('HOLT_INVALID', `${what}: ask before it, or in a batch of its own`)
}
