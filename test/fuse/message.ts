/** Puts FUSE requests together and takes replies apart, field by field and independently of the code under test. */

export interface Head {
  ino?: number
  unique?: bigint
  uid?: number
  gid?: number
  body?: Buffer
}

/** Writes a request into `to` and returns its length. */
export function message(to: Buffer, opcode: number, head: Head = {}): number {
  const body = head.body ?? Buffer.alloc(0)
  const length = 40 + body.length
  to.writeUInt32LE(length, 0)
  to.writeUInt32LE(opcode, 4)
  to.writeBigUInt64LE(head.unique ?? 1n, 8)
  to.writeBigUInt64LE(BigInt(head.ino ?? 1), 16)
  to.writeUInt32LE(head.uid ?? 0, 24)
  to.writeUInt32LE(head.gid ?? 0, 28)
  to.writeUInt32LE(77, 32)
  to.writeUInt32LE(0, 36)
  body.copy(to, 40)
  return length
}

/** Reads a reply front to back. */
export class MemoryReader {
  readonly #bytes: Buffer
  readonly #length: number
  #at = 0

  constructor(bytes: Buffer, length: number) {
    this.#bytes = bytes
    this.#length = length
  }

  header(): { length: number; error: number; unique: bigint } {
    const header = {
      length: this.#bytes.readUInt32LE(0),
      error: this.#bytes.readInt32LE(4),
      unique: this.#bytes.readBigUInt64LE(8),
    }
    if (header.length !== this.#length)
      throw new Error(`length ${header.length} in the header of ${this.#length} bytes`)
    this.#at = 16
    return header
  }

  u16(): number {
    this.#at += 2
    return this.#bytes.readUInt16LE(this.#at - 2)
  }

  u32(): number {
    this.#at += 4
    return this.#bytes.readUInt32LE(this.#at - 4)
  }

  u64(): bigint {
    this.#at += 8
    return this.#bytes.readBigUInt64LE(this.#at - 8)
  }

  take(length: number): Buffer {
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  rest(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#at, this.#length))
  }
}
