/** A manifest whose checksums are right and whose counts are not is damage, found without reading behind its records. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import test from 'ava'
import { openStore } from '../../src/index.ts'
import { emptyDirectory, SMALL } from './store-fixture.ts'

const HEADER = 32
const AT_LENGTH = 4
const AT_COUNT = 20

for (const [count, what] of [
  [0xffffffff, 'far more'],
  [2, 'one more'],
] as const) {
  test(`a record that says it maps ${what} blobs than it does`, t => {
    const directory = emptyDirectory(t)
    const store = openStore(directory, SMALL)
    store.tree.put('a', 'b')
    store.close()
    const path = join(directory, 'manifest')
    const bytes = readFileSync(path)
    let at = HEADER
    for (let next = at; next < bytes.length; next += bytes.readUInt32LE(next + AT_LENGTH)) at = next
    bytes.writeUInt32LE(count, at + AT_COUNT)
    bytes.writeUInt32LE(crc32(bytes.subarray(at, bytes.length - 4)), bytes.length - 4)
    writeFileSync(path, bytes)
    // Cut off as a record that was never committed, or refused; never anything that is no HoltError.
    try {
      openStore(directory, SMALL).close()
      t.pass()
    } catch (error) {
      t.is((error as { name: string }).name, 'HoltError')
    }
  })
}
