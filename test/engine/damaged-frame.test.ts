/** Every page of every slot of frames.dat damaged, slots swapped, the file cut: an error at load, never a wrong value. */
import { closeSync, openSync, readFileSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readManifest } from '../../src/engine/manifest.ts'
import { HoltError } from '../../src/index.ts'
import { hostStorage } from '../../src/journal/storage.ts'
import { contents, emptyDirectory, FRAME, SMALL, withStore } from './store-fixture.ts'

const PAGE = 4096

/** A closed store of a few blobs; returns their disk slots too. */
function prepare(t: ExecutionContext) {
  const directory = emptyDirectory(t)
  const expected = withStore(directory, SMALL, ({ tree }) => {
    for (let i = 0; i < 900; i++) tree.put(`directory-${i % 9}/file-${i}`, Buffer.alloc(1500, i))
    return contents(tree)
  })
  const slots = [...readManifest(hostStorage, directory).slots.values()].map(slot => slot - 1)
  return { directory, expected, file: join(directory, 'frames.dat'), slots }
}

/** Reads everything by range and by get: how often it was refused; throws at a wrong value. */
function readAll(t: ExecutionContext, directory: string, expected: Map<string, Buffer>): number {
  let refused = 0
  const attempt = (read: () => void) => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof HoltError) || error.code !== 'HOLT_CORRUPT_FRAME') throw error
      refused++
    }
  }
  attempt(() =>
    withStore(directory, { ...SMALL, readOnly: true }, ({ tree }) => {
      for (const [key, value] of expected) {
        attempt(() => {
          if (!tree.get(key)?.equals(value)) t.fail(`wrong value of ${key}`)
        })
      }
      let seen = 0
      attempt(() => {
        for (const entry of tree.range()) {
          seen++
          if (!expected.get(entry.key!.toString())?.equals((entry as { value: Buffer }).value))
            t.fail(`wrong ${entry.key}`)
        }
        if (seen !== expected.size) t.fail(`the range ended after ${seen} records`)
      })
      if (refused > 0) t.true(tree.check().problems.length > 0)
    }),
  )
  return refused
}

/** Runs `use` with some bytes of the file replaced. */
function withBytes(file: string, at: number, change: (bytes: Buffer) => void, length: number, use: () => void): void {
  const fd = openSync(file, 'r+')
  try {
    const bytes = Buffer.alloc(length)
    readSync(fd, bytes, 0, length, at)
    const damaged = Buffer.from(bytes)
    change(damaged)
    writeSync(fd, damaged, 0, length, at)
    use()
    writeSync(fd, bytes, 0, length, at)
  } finally {
    closeSync(fd)
  }
}

test('a flipped bit in any page of any slot is found when the slot is loaded', t => {
  const { directory, expected, file, slots } = prepare(t)
  t.true(slots.length > 2)
  t.is(readAll(t, directory, expected), 0)
  const size = readFileSync(file).length
  for (const slot of slots) {
    for (let page = 0; page < FRAME / PAGE; page += page < 2 ? 1 : 9) {
      const at = slot * FRAME + page * PAGE + ((page * 7919) % PAGE)
      if (at >= size) break
      const used = usedBytes(file, slot)
      withBytes(
        file,
        at,
        bytes => {
          bytes[0] ^= 1 << (page % 8)
        },
        1,
        () => {
          const refused = readAll(t, directory, expected)
          t.is(refused > 0, page * PAGE < used, `slot ${slot}, page ${page}`)
        },
      )
    }
  }
  t.is(readAll(t, directory, expected), 0)
})

function usedBytes(file: string, slot: number): number {
  const fd = openSync(file, 'r')
  const header = Buffer.alloc(64)
  readSync(fd, header, 0, 64, slot * FRAME)
  closeSync(fd)
  return header.readUInt32LE(28)
}

test('two images in each other’s slots, and one in the place of another, are not taken for the ones asked for', t => {
  const { directory, expected, file, slots } = prepare(t)
  const whole = readFileSync(file)
  const image = (slot: number) => Buffer.concat([whole, Buffer.alloc(FRAME)]).subarray(slot * FRAME, (slot + 1) * FRAME)
  for (let i = 1; i < slots.length; i++) {
    const [a, b] = [slots[i - 1], slots[i]]
    const swapped = Buffer.concat([whole, Buffer.alloc(FRAME)])
    image(a).copy(swapped, b * FRAME)
    writeFileSync(file, swapped)
    t.true(readAll(t, directory, expected) > 0)
    image(b).copy(swapped, a * FRAME)
    writeFileSync(file, swapped)
    t.true(readAll(t, directory, expected) > 0)
  }
  writeFileSync(file, whole)
  t.is(readAll(t, directory, expected), 0)
})

test('a frames.dat that is cut off or missing is refused', t => {
  const { directory, expected, file, slots } = prepare(t)
  const whole = readFileSync(file)
  const last = Math.max(...slots)
  for (const length of [0, 1, PAGE, FRAME - 1, last * FRAME, last * FRAME + PAGE, whole.length - 1]) {
    truncateSync(file, length)
    t.true(readAll(t, directory, expected) > 0, `${length} bytes`)
    writeFileSync(file, whole)
  }
  t.is(readAll(t, directory, expected), 0)
})
