/**
 * Views of the first n bytes of a buffer, made once for each n: the append path needs one or two of them a record and
 * must not leave garbage. Beyond a few kilobytes a view costs nothing beside the copy and is made afresh.
 */

const LARGEST_KEPT = 4096

export class PrefixViews {
  #bytes: Uint8Array = new Uint8Array(0)
  #views: (Uint8Array | undefined)[] = []

  /** The first `length` bytes of `bytes`. Changing `bytes` from call to call works but keeps nothing. */
  of(bytes: Uint8Array, length: number): Uint8Array {
    if (bytes.length === length) return bytes
    if (length > LARGEST_KEPT) return bytes.subarray(0, length)
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#views = []
    }
    let view = this.#views[length]
    if (view === undefined) {
      view = bytes.subarray(0, length)
      this.#views[length] = view
    }
    return view
  }
}
