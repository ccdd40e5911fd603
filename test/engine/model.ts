/**
 * An independent model of the tree: a sorted array of keys beside a map. Nothing clever, so that it is right.
 */
export interface ModelRecord {
  value: Buffer
  version: number
}

export class Model {
  readonly #records = new Map<string, ModelRecord>()
  #keys: string[] = []

  /** Keys are latin1 strings: one character a byte, so string order is byte order. */
  get(key: string): ModelRecord | undefined {
    return this.#records.get(key)
  }

  put(key: string, value: Buffer, version: number): void {
    if (!this.#records.has(key)) this.#keys.splice(this.#lowerBound(key), 0, key)
    this.#records.set(key, { value, version })
  }

  delete(key: string): boolean {
    if (!this.#records.delete(key)) return false
    this.#keys.splice(this.#lowerBound(key), 1)
    return true
  }

  /** The model as it is now; records are replaced and never changed, so they are shared. */
  copy(): Model {
    const copy = new Model()
    for (const [key, record] of this.#records) copy.#records.set(key, record)
    copy.#keys = [...this.#keys]
    return copy
  }

  /** The i-th key in order. */
  keyAt(i: number): string {
    return this.#keys[i]
  }

  /** Keys that start with `prefix`, in order. */
  keysBelow(prefix: string): string[] {
    const keys: string[] = []
    for (let i = this.#lowerBound(prefix); i < this.#keys.length && this.#keys[i].startsWith(prefix); i++) {
      keys.push(this.#keys[i])
    }
    return keys
  }

  /** Nothing may exist below `to`: so the keys stay side by side and in order. */
  renamePrefix(from: string, to: string): void {
    const keys = this.#keys.splice(this.#lowerBound(from), this.keysBelow(from).length)
    const renamed = keys.map(key => to + key.slice(from.length))
    const records = keys.map(key => this.#records.get(key)!)
    for (const key of keys) this.#records.delete(key)
    renamed.forEach((key, i) => {
      this.#records.set(key, records[i])
    })
    const at = this.#lowerBound(to)
    this.#keys = [...this.#keys.slice(0, at), ...renamed, ...this.#keys.slice(at)]
  }

  range(prefix: string, after: string, delimiter: string, limit: number): string[] {
    const entries: string[] = []
    let skip = ''
    const cut = delimiter === '' || !after.startsWith(prefix) ? -1 : after.indexOf(delimiter, prefix.length)
    if (cut >= 0) skip = after.slice(0, cut + 1)
    for (const key of this.keysBelow(prefix)) {
      if (entries.length >= limit) break
      if (key <= after && after !== '') continue
      if (skip !== '' && key.startsWith(skip)) continue
      const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
      if (at < 0) entries.push(key)
      else {
        skip = key.slice(0, at + 1)
        entries.push(`${skip}*`)
      }
    }
    return entries
  }

  get size(): number {
    return this.#keys.length
  }

  #lowerBound(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#keys[middle] < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
