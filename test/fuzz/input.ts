/**
 * An input of the fuzzer: named parts, each a file of a store, a record of a tree, or a request. In a file the parts follow each
 * other: length of the name u16, length of the bytes u32, name, bytes.
 */
export interface Part {
  name: string
  bytes: Buffer
}

export type Input = readonly Part[]

const HEAD = 6

export function encode(input: Input): Buffer {
  return Buffer.concat(
    input.map(({ name, bytes }) => {
      const head = Buffer.alloc(HEAD + Buffer.byteLength(name))
      head.writeUInt16LE(head.length - HEAD, 0)
      head.writeUInt32LE(bytes.length, 2)
      head.write(name, HEAD)
      return Buffer.concat([head, bytes])
    }),
  )
}

/** @throws RangeError when it is no input */
export function decode(file: Buffer): Part[] {
  const parts: Part[] = []
  for (let at = 0; at < file.length; ) {
    const nameEnd = at + HEAD + file.readUInt16LE(at)
    const end = nameEnd + file.readUInt32LE(at + 2)
    if (end > file.length) throw new RangeError(`a part of ${end - nameEnd} bytes at ${at} of ${file.length}`)
    parts.push({ name: file.toString('utf8', at + HEAD, nameEnd), bytes: Buffer.from(file.subarray(nameEnd, end)) })
    at = end
  }
  return parts
}
