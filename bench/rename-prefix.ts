/**
 * What tree.renamePrefix costs with few and with many keys below the prefix: the first move, and the median of moves there
 * and back, acknowledged at durability `process`. `node --import tsx bench/rename-prefix.ts [SIZES]`; needs a built dist.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MOVES = 400
const library = new URL('../dist/index.js', import.meta.url).href
const { openTree }: typeof import('../src/index.ts') = await import(library)

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1000, 10_000, 100_000, 1_000_000]
const directory = mkdtempSync(join(tmpdir(), 'holtfs-bench-'))
try {
  const stores = sizes.map(size => {
    const tree = openTree(join(directory, String(size)), { poolBytes: 192 << 20 })
    tree.load(records(size))
    tree.checkpoint()
    return { size, tree, times: [] as number[], isThere: false, first: 0 }
  })
  // The sizes take turns, so that what else the machine does meets all of them.
  for (let i = 0; i < MOVES; i++) {
    for (const store of stores) {
      const [from, to] = store.isThere
        ? ['/usr/local/there/', '/usr/local/moved/']
        : ['/usr/local/moved/', '/usr/local/there/']
      const begin = process.hrtime.bigint()
      if (!store.tree.renamePrefix(from, to)) throw new Error('nothing was moved')
      const elapsed = Number(process.hrtime.bigint() - begin) / 1000
      if (i === 0) store.first = elapsed
      else store.times.push(elapsed)
      store.isThere = !store.isThere
    }
  }
  for (const { size, tree, times, first } of stores) {
    const sorted = times.toSorted((a, b) => a - b)
    const [median, p99] = [sorted[sorted.length >> 1], sorted[Math.floor(sorted.length * 0.99)]]
    const figures = [first, median, p99].map(time => time.toFixed(0))
    console.log(`${size} keys: first move ${figures[0]} µs, median ${figures[1]} µs, 99th percentile ${figures[2]} µs`)
    if (tree.get(`/usr/local/moved/part-0/file-0000`) === undefined) throw new Error('the last move went wrong')
    tree.close()
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}

/** In key order, beside a thousand other directories. */
function* records(size: number): Generator<[Buffer, Buffer]> {
  const value = Buffer.alloc(32, 7)
  const parts = Array.from({ length: Math.ceil(size / 100) }, (_, i) => `/usr/local/moved/part-${i}/file-`).sort()
  for (const part of parts) for (let i = 0; i < 100; i++) yield [Buffer.from(part + String(i).padStart(4, '0')), value]
  for (let i = 0; i < 1000; i++)
    yield [Buffer.from(`/usr/local/share/category-${String(i).padStart(4, '0')}/file`), value]
}
