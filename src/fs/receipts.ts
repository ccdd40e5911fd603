/**
 * Receipts: which request each worker carried out last, under the keys `q` worker. A receipt is committed in the batch of the
 * change itself, so after a crash it says exactly whether the request was applied, and what to answer then. A
 * worker serves one request at a time, so of the requests that nobody has answered at most one a worker is applied, and
 * it is the one of its receipt. Receipts of an earlier mount do not count: they name another connection.
 *
 * Answering is left to fuse/takeover.ts.
 */
import { NS_RECEIPT } from './keys.ts'
import type { Metadata } from './metadata.ts'

/** The request that a worker is serving: one object a worker, refilled for each request. */
export interface CurrentRequest {
  opcode: number
  ino: number
  uniqueLow: number
  uniqueHigh: number
}

/** Who serves: names the requests of one mount for as long as it exists, whichever process serves it. */
export interface Connection {
  /** A random number below 2^53, another one for every mount. */
  id: number
  worker: number
  request: CurrentRequest
}

/** A change that was committed for a request which perhaps nobody has answered. */
export interface Receipt extends CurrentRequest {
  /** What the operation returned: 0, or the bytes written or copied. */
  result: number
}

/**
 * Value: 0 connection u64, 8 unique u64, 16 ino u64, 24 result u64, 32 opcode u32. The ino is that of the attributes in
 * the answer: of the request, or the one it made.
 */
const SIZE = 40
const WORKERS = 256

export class Receipts {
  readonly #metadata: Metadata
  readonly #key = Uint8Array.of(NS_RECEIPT, 0)
  readonly #value = new Uint8Array(SIZE)
  readonly #words = new Uint32Array(this.#value.buffer)
  #request: CurrentRequest | undefined
  #answerIno = 0

  constructor(metadata: Metadata) {
    this.#metadata = metadata
  }

  /** From now on changes leave a receipt for what `request` holds at their commit. */
  connect({ id, worker, request }: Connection): void {
    this.#request = request
    this.#key[1] = worker
    this.#words[0] = id
    this.#words[1] = id / 2 ** 32
  }

  /** A section begins: the answer has the attributes of the request's own inode, unless {@link answers} says otherwise. */
  begin(): void {
    this.#answerIno = 0
  }

  /** The answer has the attributes of `ino`, which the request made or gave a name. */
  answers(ino: number): void {
    this.#answerIno = ino
  }

  /** Stages the receipt, last before the commit that completes the request. */
  stage(result: number): void {
    const request = this.#request
    if (request === undefined) return
    const words = this.#words
    const ino = this.#answerIno || request.ino
    words[2] = request.uniqueLow
    words[3] = request.uniqueHigh
    words[4] = ino
    words[5] = ino / 4294967296
    words[6] = result
    words[7] = result / 4294967296
    words[8] = request.opcode
    this.#metadata.stagePut(this.#key, 2, this.#value, 0, SIZE)
  }

  /** The receipts of a connection, of all workers it ever had. */
  list(connection: number): Receipt[] {
    const words = new Uint32Array(SIZE / 4)
    const bytes = new Uint8Array(words.buffer)
    const key = Uint8Array.of(NS_RECEIPT, 0)
    const found: Receipt[] = []
    for (let worker = 0; worker < WORKERS; worker++) {
      key[1] = worker
      if (this.#metadata.getInto(key, 2, bytes, 0) !== SIZE) continue
      if (words[0] + words[1] * 2 ** 32 !== connection) continue
      const ino = words[4] + words[5] * 2 ** 32
      const result = words[6] + words[7] * 2 ** 32
      found.push({ uniqueLow: words[2], uniqueHigh: words[3], ino, result, opcode: words[8] })
    }
    return found
  }
}
