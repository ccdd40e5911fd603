/** Seeded changes of inputs: bits, numbers that are at the edge of something, pieces moved, cut, repeated and taken from others. */
import type { Random } from '../support/random.ts'
import type { Input, Part } from './input.ts'
import type { Target } from './target.ts'

const NUMBERS = [
  0, 1, 2, 3, 7, 8, 16, 17, 111, 112, 113, 127, 128, 255, 256, 4095, 4096, 4097, 4160, 8191, 8192, 32767, 32768, 65535,
  65536, 0x7fffff, 0x800000, 0xfffff, 0x100000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff,
]
const LONGEST = 1 << 20

export function mutated(target: Target, input: Input, others: readonly Input[], random: Random): Input {
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]
  const parts: Part[] = input.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes) }))
  if (target.isList && random() < 0.3) changeList(parts, pick(others), below)
  const mutable = parts.filter(part => target.isMutable(part))
  if (mutable.length === 0) return parts
  for (let i = 1 + below(2); i > 0; i--) {
    const part = pick(mutable)
    for (let changes = 1 << below(4); changes > 0; changes--) {
      if (target.mutate !== undefined && random() < 0.5 && target.mutate(part, random)) continue
      changeBytes(part, pick(others), below)
    }
    if (random() < 0.95) target.repair(part, parts)
  }
  return parts
}

function changeList(parts: Part[], other: Input, below: (limit: number) => number): void {
  const at = below(parts.length + 1)
  switch (below(4)) {
    case 0:
      if (parts.length > 1) parts.splice(at, 1)
      break
    case 1: {
      const from = below(other.length)
      parts.splice(
        at,
        0,
        ...other.slice(from, from + 1 + below(4)).map(part => ({ ...part, bytes: Buffer.from(part.bytes) })),
      )
      break
    }
    case 2: {
      const [one] = parts.splice(below(parts.length), 1)
      parts.splice(below(parts.length + 1), 0, one)
      break
    }
    default: {
      const { name, bytes } = parts[below(parts.length)]
      parts.splice(at, 0, { name, bytes: Buffer.from(bytes) })
    }
  }
}

function changeBytes(part: Part, other: Input, below: (limit: number) => number): void {
  const { bytes } = part
  const { length } = bytes
  const at = below(length)
  const run = 1 + below(below(4) === 0 ? 400 : 12)
  if (length === 0) {
    part.bytes = Buffer.alloc(run, below(256))
    return
  }
  switch (below(11)) {
    case 0:
      bytes[at] ^= 1 << below(8)
      break
    case 1:
      bytes[at] = below(256)
      break
    case 2:
      bytes[at] += below(9) - 4
      break
    case 3:
    case 4:
      writeNumber(bytes, at, 1 << (1 + below(3)), NUMBERS[below(NUMBERS.length)])
      break
    case 5: {
      // Another number of the input: an offset, a reference, an id that means something elsewhere.
      const size = 1 << (1 + below(3))
      const from = below(length) & ~(size - 1)
      bytes.copyWithin(at & ~(size - 1), from, from + size)
      break
    }
    case 6:
      bytes.copyWithin(at, below(length), Math.min(length, below(length) + run))
      break
    case 7:
      bytes.fill(below(2) === 0 ? 0 : 255, at, Math.min(length, at + run))
      break
    case 8:
      part.bytes = Buffer.from(bytes.subarray(0, at))
      break
    case 9:
      if (length < LONGEST)
        part.bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(run, below(256)), bytes.subarray(at)])
      break
    default: {
      const from = other[below(other.length)].bytes
      const start = below(from.length)
      from.copy(bytes, at, start, start + run)
    }
  }
}

/** Little-endian, at a multiple of its size; the high word of 8 bytes stays or becomes 0. */
function writeNumber(bytes: Buffer, at: number, size: number, value: number): void {
  const start = at & ~(size - 1)
  for (let i = 0; i < Math.min(size, 4) && start + i < bytes.length; i++) bytes[start + i] = value >>> (8 * i)
}
