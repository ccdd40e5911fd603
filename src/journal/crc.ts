/**
 * CRC32 (that of zlib) over 32-bit words, for records: eight bytes a step by tables of 8 KB ("slicing by 8",
 * M. Kounavis and F. Berry, 2005). A call of zlib's costs more than a short record is worth; beyond WORTH_ZLIB bytes it
 * is faster. Words are little-endian, as on every processor that Node runs on with shared memory of this kind.
 */

/** Bytes from which on zlib's own function, called once, is the faster one. */
export const WORTH_ZLIB = 384

const TABLES = slicingTables()

/** CRC32 of the bytes of `words[from]` to `words[to - 1]`, continuing from `start`; signed. */
export function crc32Words(words: Int32Array, from: number, to: number, start: number): number {
  let crc = ~start
  let i = from
  for (; i + 2 <= to; i += 2) {
    const low = words[i] ^ crc
    const high = words[i + 1]
    crc =
      TABLES[1792 + (low & 255)] ^
      TABLES[1536 + ((low >>> 8) & 255)] ^
      TABLES[1280 + ((low >>> 16) & 255)] ^
      TABLES[1024 + (low >>> 24)] ^
      TABLES[768 + (high & 255)] ^
      TABLES[512 + ((high >>> 8) & 255)] ^
      TABLES[256 + ((high >>> 16) & 255)] ^
      TABLES[high >>> 24]
  }
  if (i < to) {
    const low = words[i] ^ crc
    crc =
      TABLES[768 + (low & 255)] ^
      TABLES[512 + ((low >>> 8) & 255)] ^
      TABLES[256 + ((low >>> 16) & 255)] ^
      TABLES[low >>> 24]
  }
  return ~crc
}

/** Table k, at 256 k: the CRC of each byte with k zero bytes behind it. */
function slicingTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]
    tables[i] = tables[before & 255] ^ (before >>> 8)
  }
  return tables
}
